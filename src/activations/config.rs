//! What an activation factory is asked to do.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::settings::ActivationFactorySource;
use crate::config::{Config, Map, Value, to_value};
use crate::error::{Error, Result};
use crate::fingerprint::Identified;
use crate::tensor::DType;

/// What the items of a factory's stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ActivationFactoryTarget {
    /// Token sequences `(batch, seq)` alone; no model is run.
    #[serde(rename = "tokens")]
    Tokens,
    /// Sequences of activations `(batch, seq, d)`.
    #[serde(rename = "activations-2d")]
    Activations2D,
    /// Single activations `(batch, d)` from any position of any sequence.
    #[serde(rename = "activations-1d")]
    Activations1D,
}

impl ActivationFactoryTarget {
    /// Returns the name in files: `tokens`, `activations-2d` or `activations-1d`.
    pub fn name(self) -> &'static str {
        match self {
            ActivationFactoryTarget::Tokens => "tokens",
            ActivationFactoryTarget::Activations2D => "activations-2d",
            ActivationFactoryTarget::Activations1D => "activations-1d",
        }
    }
}

impl fmt::Display for ActivationFactoryTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// How the shuffle buffer draws.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BufferShuffleConfig {
    /// Seed of the buffer's permutations.
    pub perm_seed: u64,
    /// Accepted for scripts written for the reference system. Permutations are drawn by PyTorch's CPU generator
    /// whatever is said here, so that a stream is the same on every device.
    pub generator_device: Option<String>,
}

impl Default for BufferShuffleConfig {
    fn default() -> Self {
        BufferShuffleConfig {
            perm_seed: 42,
            generator_device: None,
        }
    }
}

impl Config for BufferShuffleConfig {
    const NAME: &'static str = "BufferShuffleConfig";

    fn validate(&self) -> Result<()> {
        match &self.generator_device {
            Some(device) => device
                .parse::<crate::tensor::DeviceSpec>()
                .map(drop)
                .map_err(|error| error.under("generator_device")),
            None => Ok(()),
        }
    }
}

impl Identified for BufferShuffleConfig {
    const DECIDES: &'static [&'static str] = &["perm_seed"];
    const FREE: &'static [&'static str] = &["generator_device"];
}

/// Sources, shapes, batching and shuffling of an activation stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivationFactoryConfig {
    /// Where activations come from; several are mixed by their `sample_weights`.
    pub sources: Vec<ActivationFactorySource>,
    /// What the stream's items are: `"tokens"`, `"activations-2d"` or `"activations-1d"`.
    pub target: ActivationFactoryTarget,
    /// The hook points to take activations at, in any order; empty only for target `"tokens"`.
    pub hook_points: Vec<String>,
    /// Rows of a 1D batch, sequences of a 2D or token batch.
    pub batch_size: usize,
    /// Threads that tokenise, for each data set.
    #[serde(default = "four")]
    pub num_workers: usize,
    /// Cut or pad each sequence to so many tokens; null: only the model's own limit cuts.
    #[serde(default)]
    pub context_size: Option<usize>,
    /// Join the texts of each data set and cut them into sequences of exactly `context_size` tokens, so that nothing is
    /// padded and no text is cut short. A sequence that begins within a text begins with BOS if the text does;
    /// attention crosses from one text to the next.
    #[serde(default)]
    pub packed: bool,
    /// Sequences in one forward pass of the model. Of short ones a GPU takes more: as many tokens as these may have.
    #[serde(default = "one")]
    pub model_batch_size: usize,
    /// Batches that are made ahead, on a thread of their own, while earlier ones are used; 0: each when it is asked
    /// for. null: 2 where the model runs on a GPU, or on a CPU with twice as many cores as libtorch has threads; 0
    /// elsewhere, where both would take each other's cores. What the stream gives does not depend on it. Texts are read and
    /// tokenised ahead in any case; caches have a `prefetch` in their source.
    #[serde(default)]
    pub prefetch: Option<usize>,
    /// The dtype of the activations that come out; null keeps the model's or the cache's.
    #[serde(default)]
    pub override_dtype: Option<DType>,
    /// Rows in the shuffle buffer; null: no shuffling.
    #[serde(default)]
    pub buffer_size: Option<usize>,
    /// How the buffer shuffles; null: with the default seed.
    #[serde(default)]
    pub buffer_shuffle: Option<BufferShuffleConfig>,
    /// In 1D, positions with these tokens are dropped; null: the BOS and PAD tokens. Padding that was only added to
    /// make sequences equally long is always dropped. Elsewhere the mask is 0 at these tokens, as at BOS and PAD.
    #[serde(default)]
    pub ignore_token_ids: Option<Vec<i64>>,
}

fn four() -> usize {
    4
}

fn one() -> usize {
    1
}

impl Config for ActivationFactoryConfig {
    const NAME: &'static str = "ActivationFactoryConfig";

    fn validate(&self) -> Result<()> {
        self.check_sources()?;
        self.check_hook_points()?;
        let counts = [
            ("batch_size", Some(self.batch_size)),
            ("num_workers", Some(self.num_workers)),
            ("context_size", self.context_size),
            ("model_batch_size", Some(self.model_batch_size)),
        ];
        for (key, count) in counts {
            if count == Some(0) {
                return Err(Error::input("must be at least 1").under(key));
            }
        }
        if self.packed && self.context_size.is_none_or(|size| size < 2) {
            return Err(
                Error::input("packed sequences need a length of at least 2 tokens")
                    .hint(
                        "set `context_size`, e.g. to the 1024 or 2048 tokens that the model was trained with",
                    )
                    .under("context_size"),
            );
        }
        if let Some(buffer_size) = self.buffer_size.filter(|size| *size < self.batch_size) {
            return Err(Error::input(format!(
                "the buffer of {buffer_size} rows is smaller than one batch of {}",
                self.batch_size
            ))
            .hint(
                "take a buffer of at least twice `batch_size`, or leave `buffer_size` out to read unshuffled",
            )
            .under("buffer_size"));
        }
        if self
            .override_dtype
            .is_some_and(|dtype| !dtype.is_floating_point())
        {
            return Err(
                Error::input("activations are held in a floating-point dtype").under("override_dtype")
            );
        }
        let Some(shuffle) = &self.buffer_shuffle else {
            return Ok(());
        };
        shuffle
            .validate()
            .map_err(|error| error.under("buffer_shuffle"))?;
        match self.buffer_size {
            Some(_) => Ok(()),
            None => Err(Error::input("there is no buffer to shuffle, so nothing would be shuffled")
                .hint("give `buffer_size`, the rows that are mixed at a time, or leave `buffer_shuffle` out")
                .under("buffer_shuffle")),
        }
    }
}

impl Identified for ActivationFactoryConfig {
    const DECIDES: &'static [&'static str] = &[
        "sources",
        "target",
        "hook_points",
        "batch_size",
        "context_size",
        "packed",
        "model_batch_size",
        "override_dtype",
        "buffer_size",
        "buffer_shuffle",
        "ignore_token_ids",
    ];
    const FREE: &'static [&'static str] = &["num_workers", "prefetch"];

    /// Without sources and shuffling, which are tables of their own.
    fn normalised(&self) -> Result<Map<String, Value>> {
        let mut config = self.clone();
        config.hook_points.sort();
        if let Some(ids) = &mut config.ignore_token_ids {
            ids.sort_unstable();
            ids.dedup();
        }
        let mut fields = match to_value(&config)? {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        fields.shift_remove("sources");
        fields.shift_remove("buffer_shuffle");
        Ok(fields)
    }
}

impl ActivationFactoryConfig {
    fn check_sources(&self) -> Result<()> {
        if self.sources.is_empty() {
            return Err(Error::input("a factory needs at least one source").under("sources"));
        }
        for (index, source) in self.sources.iter().enumerate() {
            let segment = format!("[{index}]");
            source
                .validate()
                .map_err(|error| error.under(&segment).under("sources"))?;
            let name = source.name();
            if self.sources[..index].iter().any(|other| other.name() == name) {
                return Err(Error::input(format!("two sources are called `{name}`"))
                    .under("name")
                    .under(segment)
                    .under("sources"));
            }
        }
        Ok(())
    }

    fn check_hook_points(&self) -> Result<()> {
        if self.hook_points.is_empty() && self.target != ActivationFactoryTarget::Tokens {
            return Err(Error::input(format!(
                "target \"{}\" needs at least one hook point",
                self.target
            ))
            .hint("e.g. `hook_points = [\"blocks.6.hook_resid_post\"]`")
            .under("hook_points"));
        }
        for (index, hook_point) in self.hook_points.iter().enumerate() {
            if self.hook_points[..index].contains(hook_point) {
                return Err(Error::input(format!("`{hook_point}` is listed twice"))
                    .under(format!("[{index}]"))
                    .under("hook_points"));
            }
        }
        Ok(())
    }
}
