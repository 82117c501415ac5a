//! `LanguageModelConfig`: which model, from where, and how its texts are tokenised.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Config, Map, Value, to_value};
use crate::error::{Error, Result};
use crate::fingerprint::Identified;
use crate::tensor::{DType, DeviceSpec};

/// Whose numbers a model gives under the hook names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// TransformerLens's default weight processing: the space in which most dictionaries are trained.
    TransformerLens,
    /// The unprocessed model, as transformers computes it.
    Huggingface,
    /// No weights at all: only the tokenizer.
    TokenizerOnly,
    /// `transformer_lens` for every architecture that has hooks here.
    #[default]
    Auto,
}

/// A language model: where its weights come from and how its texts are tokenised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LanguageModelConfig {
    /// Hub id such as "EleutherAI/pythia-160m", a known short name such as "pythia-160m", or a local folder.
    pub model_name: String,
    /// Local folder in Hugging Face layout (config.json, safetensors, tokenizer.json) to load instead of the hub.
    pub model_from_pretrained_path: Option<PathBuf>,
    /// Hugging Face cache folder; the same effect as HF_HOME. Null: HF_HOME, or ~/.cache/huggingface.
    pub cache_dir: Option<PathBuf>,
    /// Use only files that are in the cache already; the same effect as HF_HUB_OFFLINE=1.
    pub local_files_only: bool,
    /// Tokenised texts are cut to this many tokens, and never longer than the model's context.
    pub max_length: usize,
    /// Whose numbers the hooks give: "transformer_lens", "huggingface", "tokenizer_only" or "auto".
    pub backend: Backend,
    /// Put the BOS token in front of every text.
    pub prepend_bos: bool,
    /// Id of the beginning-of-sequence token, instead of the tokenizer's own.
    pub bos_token_id: Option<u32>,
    /// Id of the end-of-sequence token, instead of the tokenizer's own.
    pub eos_token_id: Option<u32>,
    /// Id of the padding token, instead of the tokenizer's own.
    pub pad_token_id: Option<u32>,
    /// Where the model runs: "cpu", "cuda", "cuda:N" or "auto".
    pub device: DeviceSpec,
    /// Number format of weights and activations; half precision is faster and halves the memory.
    #[schemars(default = "float32")]
    pub dtype: DType,
}

fn float32() -> DType {
    DType::FLOAT32
}

impl Default for LanguageModelConfig {
    fn default() -> Self {
        LanguageModelConfig {
            model_name: "gpt2".into(),
            model_from_pretrained_path: None,
            cache_dir: None,
            local_files_only: false,
            max_length: 2048,
            backend: Backend::Auto,
            prepend_bos: true,
            bos_token_id: None,
            eos_token_id: None,
            pad_token_id: None,
            device: DeviceSpec::Cpu,
            dtype: DType::FLOAT32,
        }
    }
}

impl Config for LanguageModelConfig {
    const NAME: &'static str = "LanguageModelConfig";

    fn validate(&self) -> Result<()> {
        if self.model_name.trim().is_empty() && self.model_from_pretrained_path.is_none() {
            return Err(Error::input("the model needs a name or a folder").under("model_name"));
        }
        if self.max_length == 0 {
            return Err(Error::input("must be at least 1").under("max_length"));
        }
        if !self.dtype.is_floating_point() {
            return Err(Error::input(format!(
                "a model cannot run in {}: expected float32, float16, bfloat16 or float64",
                self.dtype
            ))
            .under("dtype"));
        }
        Ok(())
    }
}

/// Which files these settings lead to is told by what the files hold.
impl Identified for LanguageModelConfig {
    const DECIDES: &'static [&'static str] = &[
        "max_length",
        "backend",
        "prepend_bos",
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
        "dtype",
    ];
    const FREE: &'static [&'static str] = &[
        "model_name",
        "model_from_pretrained_path",
        "cache_dir",
        "local_files_only",
        "device",
    ];

    fn normalised(&self) -> Result<Map<String, Value>> {
        let mut config = self.clone();
        if config.backend == Backend::Auto {
            config.backend = Backend::TransformerLens;
        }
        match to_value(&config)? {
            Value::Object(fields) => Ok(fields),
            _ => Ok(Map::new()),
        }
    }
}

/// Short names and the organisation on the hub to which they belong.
const ORGANISATIONS: &[(&str, &[&str])] = &[
    ("EleutherAI", &["pythia-"]),
    (
        "openai-community",
        &["gpt2-medium", "gpt2-large", "gpt2-xl", "gpt2"],
    ),
    ("google", &["gemma-"]),
    ("HuggingFaceTB", &["SmolLM"]),
    ("Qwen", &["Qwen2", "Qwen3"]),
    ("meta-llama", &["Llama-3", "Llama-2", "Meta-Llama-3"]),
    ("mistralai", &["Mistral-"]),
    ("microsoft", &["phi-", "Phi-"]),
    ("allenai", &["OLMo-2"]),
];

/// Returns the hub id behind a model name: short names get their organisation, ids stay as they are.
pub fn hub_id(name: &str) -> String {
    if name.contains('/') {
        return name.to_string();
    }
    if name == "gpt2-small" {
        return "openai-community/gpt2".into();
    }
    let lower = name.to_lowercase();
    let matching = ORGANISATIONS.iter().find(|(_, starts)| {
        starts
            .iter()
            .any(|start| lower.starts_with(&start.to_lowercase()))
    });
    match matching {
        Some((organisation, _)) => format!("{organisation}/{name}"),
        None => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn short_names_get_their_organisation() {
        for (short, id) in [
            ("pythia-160m", "EleutherAI/pythia-160m"),
            ("gpt2", "openai-community/gpt2"),
            ("gpt2-small", "openai-community/gpt2"),
            ("gemma-2-2b", "google/gemma-2-2b"),
            ("someone/gpt2", "someone/gpt2"),
            ("unheard-of", "unheard-of"),
        ] {
            assert_eq!(hub_id(short), id);
        }
    }

    #[test]
    fn values_that_make_no_sense_are_refused_with_their_key() {
        let error = |json: &str| {
            let value = serde_json::from_str(json).expect("JSON");
            config::from_value::<LanguageModelConfig>(value).expect_err("refused")
        };
        assert_eq!(error(r#"{"max_length": 0}"#).key_path(), "max_length");
        assert_eq!(error(r#"{"dtype": "int64"}"#).key_path(), "dtype");
        assert_eq!(error(r#"{"device": "gpu"}"#).key_path(), "device");
        assert_eq!(error(r#"{"backend": "jax"}"#).key_path(), "backend");
        assert!(
            error(r#"{"model_nam": "x"}"#)
                .to_string()
                .contains("did you mean `model_name`?")
        );
    }
}
