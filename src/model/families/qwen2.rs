//! Qwen 2 and 2.5 (Yang et al. 2024, arXiv:2407.10671): Llama with biases on queries, keys and values.

use super::{Family, llama};
use crate::model::config::*;

/// What files of Qwen 2 and 3 may leave out.
pub(super) const DEFAULTS: &[(&str, i64)] = &[
    ("num_key_value_heads", 32),
    ("max_position_embeddings", 32_768),
    ("sliding_window", 4096),
];

pub(super) static FAMILY: Family = Family {
    name: "Qwen 2",
    architectures: &["Qwen2ForCausalLM", "Qwen2Model"],
    model_type: "qwen2",
    configure: |config| {
        let config = config.with_defaults(DEFAULTS);
        let base = llama::base(&config)?;
        Ok(DecoderConfig {
            spans: config.upper_spans(base.n_layers)?,
            attention: Attention {
                qkv_bias: true,
                out_bias: false,
                ..base.attention
            },
            ..base
        })
    },
    names: llama::NAMES,
};
