//! Qwen 2 and 2.5 (Yang et al. 2024, arXiv:2407.10671): Llama with biases on queries, keys and values.

use super::{Family, llama};
use crate::model::config::*;

pub(super) static FAMILY: Family = Family {
    name: "Qwen 2",
    architectures: &["Qwen2ForCausalLM"],
    configure: |config| {
        let base = llama::base(config)?;
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
