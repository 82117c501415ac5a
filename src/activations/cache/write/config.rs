//! What a writer of activations is asked to do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Config, Map, Value, to_value};
use crate::error::{Error, Result};
use crate::fingerprint::Identified;

/// The format of chunk files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CacheFormat {
    /// Safetensors, the only one.
    #[default]
    Safetensors,
}

/// Where and how an activation stream is written to disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivationWriterConfig {
    /// The hook points whose activations are written, each to a folder of its name.
    pub hook_points: Vec<String>,
    /// Stop after the chunk in which so many tokens (padding not counted) are reached; null: at the end of the stream.
    #[serde(default)]
    pub total_generating_tokens: Option<u64>,
    /// Rows (sequences in 2D) in a chunk; null: each batch becomes a chunk.
    #[serde(default)]
    pub n_samples_per_chunk: Option<usize>,
    /// The cache's folder.
    #[serde(default = "cache_dir")]
    pub cache_dir: String,
    /// The format of the chunks.
    #[serde(default)]
    pub format: CacheFormat,
    /// Threads that write in the background; null: 2.
    #[serde(default)]
    pub num_workers: Option<usize>,
}

fn cache_dir() -> String {
    "activations".into()
}

impl Config for ActivationWriterConfig {
    const NAME: &'static str = "ActivationWriterConfig";

    fn validate(&self) -> Result<()> {
        if self.hook_points.is_empty() {
            return Err(Error::input("a writer needs at least one hook point").under("hook_points"));
        }
        for (index, hook_point) in self.hook_points.iter().enumerate() {
            let wrong = |what: String| {
                Err(Error::input(what)
                    .under(format!("[{index}]"))
                    .under("hook_points"))
            };
            if self.hook_points[..index].contains(hook_point) {
                return wrong(format!("`{hook_point}` is listed twice"));
            }
            if hook_point.is_empty() || hook_point.contains(['/', '\\']) || hook_point.starts_with('.') {
                return wrong(format!("`{hook_point}` cannot be the name of a folder"));
            }
        }
        let counts = [
            ("total_generating_tokens", self.total_generating_tokens == Some(0)),
            ("n_samples_per_chunk", self.n_samples_per_chunk == Some(0)),
            ("num_workers", self.num_workers == Some(0)),
            ("cache_dir", self.cache_dir.is_empty()),
        ];
        match counts.iter().find(|(_, zero)| *zero) {
            Some((key, _)) => Err(Error::input("must not be 0 or empty").under(*key)),
            None => Ok(()),
        }
    }
}

impl Identified for ActivationWriterConfig {
    const DECIDES: &'static [&'static str] = &[
        "hook_points",
        "total_generating_tokens",
        "n_samples_per_chunk",
        "format",
    ];
    const FREE: &'static [&'static str] = &["cache_dir", "num_workers"];

    fn normalised(&self) -> Result<Map<String, Value>> {
        let mut config = self.clone();
        config.hook_points.sort();
        match to_value(&config)? {
            Value::Object(fields) => Ok(fields),
            _ => Ok(Map::new()),
        }
    }
}
