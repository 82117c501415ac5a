//! How fast a hooked forward pass is, next to the matrix products that no forward pass can do without.
//!
//!     scripts/bench models [--device cpu|cuda] [--dtype float32|float16|bfloat16] [--batch 8] [--seq 256] [--rounds 9]
//!
//! A model with random weights in the shape of Pythia-160m is written to a temporary folder and loaded as any other;
//! measured is `capture` of `blocks.6.hook_resid_post`, seven of its twelve blocks. The floor is the products of
//! these blocks alone, on tensors that are there already: queries-keys-values, attention output, both of the MLP, and
//! the two of attention, whole squares. Rounds of both alternate; the medians are compared.

use std::path::Path;
use std::time::{Duration, Instant};

use saescript::event::RunContext;
use saescript::model::{LanguageModel, LanguageModelConfig};
use saescript::tensor::{DType, Device, DeviceSpec, Kind, Tensor, runtime, safetensors};
use serde_json::json;

const D_MODEL: i64 = 768;
const D_MLP: i64 = 3072;
const HEADS: i64 = 12;
const LAYERS: i64 = 12;
const D_VOCAB: i64 = 50_304;
const HOOK: &str = "blocks.6.hook_resid_post";
/// Blocks up to the hook point.
const BLOCKS: i64 = 7;

struct Options {
    device: DeviceSpec,
    dtype: DType,
    batch: i64,
    seq: i64,
    rounds: usize,
}

fn main() -> saescript::Result<()> {
    let options = options()?;
    runtime::start();
    let device = options.device.resolve()?;
    let folder = tempfile::tempdir().map_err(|error| saescript::Error::run(error.to_string()))?;
    write_model(folder.path(), options.dtype)?;
    let config = LanguageModelConfig {
        model_from_pretrained_path: Some(folder.path().into()),
        device: options.device,
        dtype: options.dtype,
        ..LanguageModelConfig::default()
    };
    let model = LanguageModel::load(&config, &RunContext::default())?;
    let tokens = Tensor::f_randint(D_VOCAB, [options.batch, options.seq], (Kind::Int64, device))?;
    let floor = Floor::new(&options, device)?;
    let hook = [HOOK.to_string()];
    let (mut forward_times, mut floor_times) = (Vec::new(), Vec::new());
    for round in 0..options.rounds + 1 {
        let forward = timed(device, || model.capture(&tokens, &hook).map(|_| ()))?;
        let products = timed(device, || floor.run())?;
        if round > 0 {
            // The first one warms up.
            forward_times.push(forward);
            floor_times.push(products);
        }
    }
    report(&options, median(forward_times), median(floor_times));
    Ok(())
}

/// The products of the blocks up to the hook point, with nothing between them.
struct Floor {
    x: Tensor,
    hidden: Tensor,
    qkv: Tensor,
    out: Tensor,
    read: Tensor,
    write: Tensor,
    queries: Tensor,
    scores: Tensor,
}

impl Floor {
    fn new(options: &Options, device: Device) -> saescript::Result<Self> {
        let random = |shape: &[i64]| Tensor::f_randn(shape, (options.dtype.kind(), device));
        let rows = options.batch * options.seq;
        let heads = options.batch * HEADS;
        Ok(Floor {
            x: random(&[rows, D_MODEL])?,
            hidden: random(&[rows, D_MLP])?,
            qkv: random(&[3 * D_MODEL, D_MODEL])?,
            out: random(&[D_MODEL, D_MODEL])?,
            read: random(&[D_MLP, D_MODEL])?,
            write: random(&[D_MODEL, D_MLP])?,
            queries: random(&[heads, options.seq, D_MODEL / HEADS])?,
            scores: random(&[heads, options.seq, options.seq])?,
        })
    }

    fn run(&self) -> saescript::Result<()> {
        for _ in 0..BLOCKS {
            for (x, weight) in [
                (&self.x, &self.qkv),
                (&self.x, &self.out),
                (&self.x, &self.read),
                (&self.hidden, &self.write),
            ] {
                let _ = x.f_matmul(&weight.f_transpose(0, 1)?)?;
            }
            let _ = self.queries.f_bmm(&self.queries.f_transpose(1, 2)?)?;
            let _ = self.scores.f_bmm(&self.queries)?;
        }
        Ok(())
    }
}

fn timed(device: Device, work: impl FnOnce() -> saescript::Result<()>) -> saescript::Result<Duration> {
    let start = Instant::now();
    let _guard = tch::no_grad_guard();
    work()?;
    if let Device::Cuda(index) = device {
        tch::Cuda::synchronize(index as i64);
    }
    Ok(start.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[allow(clippy::print_stdout)] // a program of its own
fn report(options: &Options, forward: Duration, floor: Duration) {
    let tokens = (options.batch * options.seq) as f64;
    let rate = |time: Duration| tokens / time.as_secs_f64();
    println!(
        "Pythia-160m's shape, {} on {}, {} × {} tokens, to {HOOK}, {} threads, median of {} rounds",
        options.dtype,
        options.device,
        options.batch,
        options.seq,
        tch::get_num_threads(),
        options.rounds
    );
    println!("{:<24}{:>12}{:>14}", "", "ms", "tokens/s");
    for (name, time) in [("forward pass", forward), ("matrix products alone", floor)] {
        println!("{name:<24}{:>12.1}{:>14.0}", time.as_secs_f64() * 1e3, rate(time));
    }
    println!(
        "the forward pass reaches {:.0}% of the floor",
        100.0 * rate(forward) / rate(floor)
    );
}

/// A model folder with random weights.
fn write_model(folder: &Path, dtype: DType) -> saescript::Result<()> {
    let config = json!({
        "architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox", "hidden_size": D_MODEL,
        "intermediate_size": D_MLP, "num_attention_heads": HEADS, "num_hidden_layers": LAYERS,
        "vocab_size": D_VOCAB, "max_position_embeddings": 2048, "rotary_pct": 0.25, "rotary_emb_base": 10000,
        "layer_norm_eps": 1e-5, "hidden_act": "gelu", "use_parallel_residual": true,
        "tie_word_embeddings": false, "bos_token_id": 0, "eos_token_id": 0,
    });
    saescript::atomic::write(folder.join("config.json"), config.to_string())?;
    let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tiny-pythia");
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(tokenizer.join(file), folder.join(file))
            .map_err(|error| saescript::Error::io("copy", tokenizer.join(file), error))?;
    }
    let weights = weights(dtype)?;
    let borrowed: Vec<(&str, &Tensor)> = weights.iter().map(|(name, x)| (name.as_str(), x)).collect();
    safetensors::write(folder.join("model.safetensors"), &borrowed, &Default::default())
}

fn weights(dtype: DType) -> saescript::Result<Vec<(String, Tensor)>> {
    let random = |shape: &[i64]| -> saescript::Result<Tensor> {
        Ok(Tensor::f_randn(shape, (Kind::Float, Device::Cpu))?
            .f_mul_scalar(0.02)?
            .f_to_kind(dtype.kind())?)
    };
    let mut all = vec![
        (
            "gpt_neox.embed_in.weight".to_string(),
            random(&[D_VOCAB, D_MODEL])?,
        ),
        ("embed_out.weight".to_string(), random(&[D_VOCAB, D_MODEL])?),
    ];
    let mut norms = vec!["gpt_neox.final_layer_norm".to_string()];
    for layer in 0..LAYERS {
        let under = |name: &str| format!("gpt_neox.layers.{layer}.{name}");
        norms.extend([under("input_layernorm"), under("post_attention_layernorm")]);
        for (name, rows, columns) in [
            ("attention.query_key_value", 3 * D_MODEL, D_MODEL),
            ("attention.dense", D_MODEL, D_MODEL),
            ("mlp.dense_h_to_4h", D_MLP, D_MODEL),
            ("mlp.dense_4h_to_h", D_MODEL, D_MLP),
        ] {
            all.push((under(name) + ".weight", random(&[rows, columns])?));
            all.push((under(name) + ".bias", random(&[rows])?));
        }
    }
    for norm in norms {
        all.push((norm.clone() + ".weight", random(&[D_MODEL])?.f_add_scalar(1.0)?));
        all.push((norm + ".bias", random(&[D_MODEL])?));
    }
    Ok(all)
}

fn options() -> saescript::Result<Options> {
    let mut options = Options {
        device: DeviceSpec::default(),
        dtype: DType::FLOAT32,
        batch: 8,
        seq: 256,
        rounds: 9,
    };
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    for pair in arguments.chunks(2) {
        let [name, value] = pair else {
            return Err(saescript::Error::input(format!("{} needs a value", pair[0])));
        };
        let number = || {
            let parsed = value.parse::<u32>().ok().filter(|number| *number > 0);
            parsed
                .ok_or_else(|| saescript::Error::input(format!("{name} needs a whole number, not `{value}`")))
        };
        match name.as_str() {
            "--device" => options.device = value.parse()?,
            "--dtype" => options.dtype = value.parse()?,
            "--batch" => options.batch = number()?.into(),
            "--seq" => options.seq = number()?.into(),
            "--rounds" => options.rounds = number()? as usize,
            _ => {
                let known = ["--device", "--dtype", "--batch", "--seq", "--rounds"];
                return Err(saescript::Error::unknown("option", name, &known));
            }
        }
    }
    Ok(options)
}
