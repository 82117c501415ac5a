//! What the measurements share: options, clocks, and a model with random weights that reads texts.

#![allow(dead_code)] // each measurement is a program of its own and uses a part

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use saescript::activations::{ActivationFactory, ActivationStream, Batch, BatchStream, Inputs};
use saescript::config::checked;
use saescript::event::RunContext;
use saescript::model::{LanguageModel, LanguageModelConfig};
use saescript::tensor::{DType, Device, DeviceSpec, Kind, Tensor, no_grad_guard, safetensors};
use saescript::text::{Dataset, DatasetConfig};
use saescript::{Error, Result};
use serde_json::json;

/// `--name value` pairs from the command line.
pub struct Options(BTreeMap<&'static str, String>);

impl Options {
    /// Reads the command line over `defaults`, which lists every option there is.
    pub fn read(defaults: &[(&'static str, &str)]) -> Result<Self> {
        Self::with_flags(defaults, &[])
    }

    /// The same with options that have no value and are off.
    pub fn with_flags(defaults: &[(&'static str, &str)], flags: &[&'static str]) -> Result<Self> {
        let mut values: BTreeMap<&'static str, String> = defaults
            .iter()
            .map(|(name, value)| (*name, value.to_string()))
            .collect();
        let arguments: Vec<String> = std::env::args()
            .skip(1)
            .filter(|argument| argument != "--bench")
            .filter(|argument| {
                let flag = flags
                    .iter()
                    .find(|flag| argument.strip_prefix("--") == Some(**flag));
                flag.map(|flag| values.insert(*flag, "on".into())).is_none()
            })
            .collect();
        for pair in arguments.chunks(2) {
            let [name, value] = pair else {
                return Err(Error::input(format!("{} needs a value", pair[0])));
            };
            let known: Vec<String> = values.keys().map(|known| format!("--{known}")).collect();
            match values
                .iter_mut()
                .find(|(known, _)| name.strip_prefix("--") == Some(**known))
            {
                Some((_, slot)) => slot.clone_from(value),
                None => return Err(Error::unknown("option", name, &known)),
            }
        }
        Ok(Options(values))
    }

    /// Is the flag `name` there?
    pub fn is_set(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The value of `name` as it was written.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The value of `name` as a device, a dtype or whatever else is read from text.
    pub fn parsed<T: FromStr<Err = Error>>(&self, name: &str) -> Result<T> {
        self.text(name).parse()
    }

    /// The value of `name` as a number above 0.
    pub fn number(&self, name: &str) -> Result<i64> {
        let text = self.text(name);
        let parsed = text
            .replace('_', "")
            .parse::<i64>()
            .ok()
            .filter(|number| *number > 0);
        parsed.ok_or_else(|| Error::input(format!("--{name} needs a whole number above 0, not `{text}`")))
    }
}

/// How long `work` takes, without gradients, until the device has done it.
pub fn timed(device: Device, work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    let _guard = tch::no_grad_guard();
    work()?;
    finish(device);
    Ok(start.elapsed())
}

/// Waits until the device has done all that it was told.
pub fn finish(device: Device) {
    if let Device::Cuda(index) = device {
        tch::Cuda::synchronize(index as i64);
    }
}

/// Returns the time that the processor has spent on this process, all threads together.
pub fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Returns what `work` took: of the processor, all threads together, or by the clock where another device works.
pub fn spent(device: Device, work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let before = processor_time();
    let clock = timed(device, work)?;
    Ok(match device {
        Device::Cpu => processor_time().saturating_sub(before),
        _ => clock,
    })
}

/// The median of some times.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Writes a line of what was measured.
#[allow(clippy::print_stdout)] // measurements are programs of their own
pub fn line(text: &str) {
    println!("{text}");
}

/// The product that other work is measured by: libtorch's own, in float32, of rows with a matrix, into memory that is there
/// already.
pub struct Unit {
    x: Tensor,
    weight: Tensor,
    out: Tensor,
}

impl Unit {
    /// `(rows, inner) · (inner, columns)`.
    pub fn new(rows: i64, inner: i64, columns: i64, device: Device) -> Result<Self> {
        let random = |rows, columns| Tensor::f_randn([rows, columns], (Kind::Float, device));
        Ok(Unit {
            x: random(rows, inner)?,
            weight: random(inner, columns)?,
            out: random(rows, columns)?,
        })
    }

    /// Does it once.
    pub fn run(&self) -> Result<()> {
        let _no_grad = no_grad_guard();
        let _ = self.x.f_mm_out(&self.out, &self.weight)?;
        Ok(())
    }
}

/// What a [`Reading`] is of.
pub struct Texts<'a> {
    /// A data set; nothing for examples/corpus.
    pub dataset: &'a str,
    /// A folder with a tokenizer; nothing for that of examples/tiny-pythia.
    pub tokenizer: &'a str,
}

/// A model with random weights, and the texts that it reads.
pub struct Reading {
    pub model: LanguageModel,
    dataset: Dataset,
    /// Weights are read from it when they are needed.
    _folder: tempfile::TempDir,
}

impl Reading {
    /// A model of this shape on `device`, and examples/corpus.
    pub fn new(shape: Shape, device: DeviceSpec) -> Result<Self> {
        let texts = Texts {
            dataset: "",
            tokenizer: "",
        };
        Self::of(shape, device, DType::FLOAT32, &texts)
    }

    /// A model of this shape and dtype on `device`, and `texts`.
    pub fn of(shape: Shape, device: DeviceSpec, dtype: DType, texts: &Texts<'_>) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|error| Error::run(error.to_string()))?;
        write_model(folder.path(), shape, dtype)?;
        if !texts.tokenizer.is_empty() {
            copy_tokenizer(Path::new(texts.tokenizer), folder.path())?;
        }
        let config = LanguageModelConfig {
            model_from_pretrained_path: Some(folder.path().into()),
            device,
            dtype,
            ..LanguageModelConfig::default()
        };
        let dataset = DatasetConfig {
            dataset_name_or_path: match texts.dataset {
                "" => format!("{}/examples/corpus", env!("CARGO_MANIFEST_DIR")),
                named => named.into(),
            },
            ..DatasetConfig::default()
        };
        Ok(Reading {
            model: LanguageModel::load(&config, &RunContext::default())?,
            dataset: Dataset::load(&dataset, &RunContext::default())?,
            _folder: folder,
        })
    }

    /// The stream of a factory with these settings besides its source, which is the texts, again and again.
    pub fn stream(&self, mut factory: serde_json::Value) -> Result<ActivationStream> {
        factory["sources"] = json!([{"type": "dataset", "name": "corpus", "passes": "unlimited"}]);
        let inputs = Inputs {
            model: Some(Arc::new(self.model.clone())),
            datasets: BTreeMap::from([("corpus".to_string(), self.dataset.clone())]),
            ..Inputs::default()
        };
        ActivationFactory::new(checked(factory)?)?.process(inputs, &RunContext::default())
    }
}

/// The shape of a GPT-NeoX model.
#[derive(Clone, Copy)]
pub struct Shape {
    pub d_model: i64,
    pub d_mlp: i64,
    pub heads: i64,
    pub layers: i64,
    pub d_vocab: i64,
}

/// Pythia-160m's.
pub const PYTHIA_160M: Shape = Shape {
    d_model: 768,
    d_mlp: 3072,
    heads: 12,
    layers: 12,
    d_vocab: 50_304,
};

/// Random rows, as many as asked for.
pub struct RandomRows {
    pub hook: String,
    pub left: i64,
    pub width: i64,
    pub batch: i64,
}

impl BatchStream for RandomRows {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let rows = self.left.min(self.batch);
        if rows == 0 {
            return Ok(None);
        }
        self.left -= rows;
        let ones = Tensor::f_ones([rows], (Kind::Int, Device::Cpu))?;
        Ok(Some(Batch {
            activations: BTreeMap::from([(
                self.hook.clone(),
                Tensor::f_randn([rows, self.width], (Kind::Float, Device::Cpu))?,
            )]),
            tokens: Some(Tensor::f_randint(2048, [rows], (Kind::Int64, Device::Cpu))?),
            mask: Some(ones.shallow_clone()),
            attention_mask: Some(ones),
            meta: None,
            all_count: true,
        }))
    }
}

fn copy_tokenizer(from: &Path, into: &Path) -> Result<()> {
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(from.join(file), into.join(file))
            .map_err(|error| Error::io("copy", from.join(file), error))?;
    }
    Ok(())
}

/// Writes a model folder with random weights and the tokenizer of the examples.
pub fn write_model(folder: &Path, shape: Shape, dtype: DType) -> Result<()> {
    let config = json!({
        "architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox", "hidden_size": shape.d_model,
        "intermediate_size": shape.d_mlp, "num_attention_heads": shape.heads, "num_hidden_layers": shape.layers,
        "vocab_size": shape.d_vocab, "max_position_embeddings": 2048, "rotary_pct": 0.25, "rotary_emb_base": 10000,
        "layer_norm_eps": 1e-5, "hidden_act": "gelu", "use_parallel_residual": true,
        "tie_word_embeddings": false, "bos_token_id": 0, "eos_token_id": 0,
    });
    saescript::atomic::write(folder.join("config.json"), config.to_string())?;
    let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tiny-pythia");
    copy_tokenizer(&tokenizer, folder)?;
    let weights = weights(shape, dtype)?;
    let borrowed: Vec<(&str, &Tensor)> = weights.iter().map(|(name, x)| (name.as_str(), x)).collect();
    safetensors::write(folder.join("model.safetensors"), &borrowed, &Default::default())
}

fn weights(shape: Shape, dtype: DType) -> Result<Vec<(String, Tensor)>> {
    let random = |size: &[i64]| -> Result<Tensor> {
        Ok(Tensor::f_randn(size, (Kind::Float, Device::Cpu))?
            .f_mul_scalar(0.02)?
            .f_to_kind(dtype.kind())?)
    };
    let (d, d_mlp, vocab) = (shape.d_model, shape.d_mlp, shape.d_vocab);
    let mut all = vec![
        ("gpt_neox.embed_in.weight".to_string(), random(&[vocab, d])?),
        ("embed_out.weight".to_string(), random(&[vocab, d])?),
    ];
    let mut norms = vec!["gpt_neox.final_layer_norm".to_string()];
    for layer in 0..shape.layers {
        let under = |name: &str| format!("gpt_neox.layers.{layer}.{name}");
        norms.extend([under("input_layernorm"), under("post_attention_layernorm")]);
        for (name, rows, columns) in [
            ("attention.query_key_value", 3 * d, d),
            ("attention.dense", d, d),
            ("mlp.dense_h_to_4h", d_mlp, d),
            ("mlp.dense_4h_to_h", d, d_mlp),
        ] {
            all.push((under(name) + ".weight", random(&[rows, columns])?));
            all.push((under(name) + ".bias", random(&[rows])?));
        }
    }
    for norm in norms {
        all.push((norm.clone() + ".weight", random(&[d])?.f_add_scalar(1.0)?));
        all.push((norm + ".bias", random(&[d])?));
    }
    Ok(all)
}
