//! How fast a hooked forward pass is, next to the matrix products that no forward pass can do without.
//!
//!     scripts/bench models [--device cpu|cuda] [--dtype float32|float16|bfloat16] [--batch 8] [--seq 256] [--rounds 9]
//!         [--threads 2] [--lengths]
//!
//! A model with random weights in the shape of Pythia-160m is written to a temporary folder and loaded as any other;
//! measured is `capture` of `blocks.6.hook_resid_post`, seven of its twelve blocks. The floor is the products of
//! these blocks alone, on tensors that are there already: queries-keys-values, attention output, both of the MLP, and
//! the two of attention, whole squares. Rounds of both alternate; the medians are compared. `--lengths` shows instead what
//! passes of several lengths take (the processor's time), and from that what a pass costs besides its tokens.

mod support;

use std::time::Duration;

use saescript::event::RunContext;
use saescript::model::{LanguageModel, LanguageModelConfig};
use saescript::tensor::{DType, Device, DeviceSpec, Kind, Tensor, runtime};
use saescript::{Error, Result};

use support::{Options, PYTHIA_160M, Shape, line, median, spent, timed, write_model};

const SHAPE: Shape = PYTHIA_160M;
const HOOK: &str = "blocks.6.hook_resid_post";
/// Blocks up to the hook point.
const BLOCKS: i64 = 7;

fn main() -> Result<()> {
    let defaults = [
        ("device", "cpu"),
        ("dtype", "float32"),
        ("batch", "8"),
        ("seq", "256"),
        ("rounds", "9"),
        ("threads", "2"),
    ];
    let options = Options::with_flags(&defaults, &["lengths"])?;
    runtime::start();
    runtime::set_threads(options.number("threads")?)?;
    let place: DeviceSpec = options.parsed("device")?;
    let dtype: DType = options.parsed("dtype")?;
    let device = place.resolve()?;
    let (batch, seq) = (options.number("batch")?, options.number("seq")?);
    let folder = tempfile::tempdir().map_err(|error| Error::run(error.to_string()))?;
    write_model(folder.path(), SHAPE, dtype)?;
    let config = LanguageModelConfig {
        model_from_pretrained_path: Some(folder.path().into()),
        device: place,
        dtype,
        ..LanguageModelConfig::default()
    };
    let model = LanguageModel::load(&config, &RunContext::default())?;
    if options.is_set("lengths") {
        return lengths(&options, &model, device);
    }
    let tokens = Tensor::f_randint(SHAPE.d_vocab, [batch, seq], (Kind::Int64, device))?;
    let floor = Floor::new(batch, seq, (dtype.kind(), device))?;
    let hook = [HOOK.to_string()];
    let (mut forward_times, mut floor_times) = (Vec::new(), Vec::new());
    for round in 0..options.number("rounds")? + 1 {
        let forward = timed(device, || model.capture(&tokens, &hook).map(|_| ()))?;
        let products = timed(device, || floor.run())?;
        if round > 0 {
            // The first one warms up.
            forward_times.push(forward);
            floor_times.push(products);
        }
    }
    println_head(&options);
    report(batch * seq, median(forward_times), median(floor_times));
    Ok(())
}

/// Tokens of the passes that `--lengths` compares, in sequences of at most 256.
const LENGTHS: [i64; 8] = [32, 64, 128, 256, 512, 1024, 2048, 4096];

/// Prints what passes of several lengths take, and what a pass costs besides its tokens, in tokens: where the straight line
/// through the times, each weighted by what a token of it takes, meets a pass without any.
fn lengths(options: &Options, model: &LanguageModel, device: Device) -> Result<()> {
    println_head(options);
    let hook = [HOOK.to_string()];
    let mut times = vec![Vec::new(); LENGTHS.len()];
    for round in 0..options.number("rounds")? + 1 {
        for (tokens, times) in LENGTHS.iter().zip(&mut times) {
            let seq = (*tokens).min(256);
            let ids = Tensor::f_randint(SHAPE.d_vocab, [tokens / seq, seq], (Kind::Int64, device))?;
            let took = spent(device, || model.capture(&ids, &hook).map(drop))?;
            if round > 0 {
                times.push(took);
            }
        }
    }
    let (mut weights, mut x, mut y, mut xx, mut xy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (tokens, times) in LENGTHS.iter().zip(times) {
        let ms = median(times).as_secs_f64() * 1e3;
        line(&format!(
            "{tokens:>8} tokens{ms:>12.1} ms{:>12.4} ms a token",
            ms / *tokens as f64
        ));
        let tokens = *tokens as f64;
        let weight = 1.0 / (tokens * tokens);
        weights += weight;
        x += weight * tokens;
        y += weight * ms;
        xx += weight * tokens * tokens;
        xy += weight * tokens * ms;
    }
    let slope = (weights * xy - x * y) / (weights * xx - x * x);
    let start = (y - slope * x) / weights;
    line(&format!(
        "a pass costs as much as {:.0} tokens besides its own",
        start / slope
    ));
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
    fn new(batch: i64, seq: i64, kind: (Kind, Device)) -> Result<Self> {
        let random = |shape: &[i64]| Tensor::f_randn(shape, kind);
        let Shape {
            d_model,
            d_mlp,
            heads,
            ..
        } = SHAPE;
        let rows = batch * seq;
        Ok(Floor {
            x: random(&[rows, d_model])?,
            hidden: random(&[rows, d_mlp])?,
            qkv: random(&[3 * d_model, d_model])?,
            out: random(&[d_model, d_model])?,
            read: random(&[d_mlp, d_model])?,
            write: random(&[d_model, d_mlp])?,
            queries: random(&[batch * heads, seq, d_model / heads])?,
            scores: random(&[batch * heads, seq, seq])?,
        })
    }

    fn run(&self) -> Result<()> {
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

#[allow(clippy::print_stdout)] // a program of its own
fn println_head(options: &Options) {
    println!(
        "Pythia-160m's shape, {} on {}, {} × {} tokens, to {HOOK}, {} threads, median of {} rounds",
        options.text("dtype"),
        options.text("device"),
        options.text("batch"),
        options.text("seq"),
        tch::get_num_threads(),
        options.text("rounds")
    );
}

#[allow(clippy::print_stdout)] // a program of its own
fn report(tokens: i64, forward: Duration, floor: Duration) {
    let rate = |time: Duration| tokens as f64 / time.as_secs_f64();
    println!("{:<24}{:>12}{:>14}", "", "ms", "tokens/s");
    for (name, time) in [("forward pass", forward), ("matrix products alone", floor)] {
        println!("{name:<24}{:>12.1}{:>14.0}", time.as_secs_f64() * 1e3, rate(time));
    }
    println!(
        "the forward pass reaches {:.0}% of the floor",
        100.0 * rate(forward) / rate(floor)
    );
}
