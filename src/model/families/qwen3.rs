//! Qwen 3 (Yang et al. 2025, arXiv:2505.09388): Llama with norms on each head's queries and keys.

use super::{Family, WeightNames, llama, qwen2};
use crate::model::config::*;

pub(super) static FAMILY: Family = Family {
    name: "Qwen 3",
    architectures: &["Qwen3ForCausalLM", "Qwen3Model"],
    model_type: "qwen3",
    configure: |config| {
        let config = config.with_defaults(qwen2::DEFAULTS);
        let base = llama::base(&config.with_defaults(&[("head_dim", 128)]))?;
        let bias = config.flag_or("attention_bias", false)?;
        Ok(DecoderConfig {
            spans: config.upper_spans(base.n_layers)?,
            attention: Attention {
                qk_norm: QkNorm::PerHead,
                ..base.attention.with_biases(bias)
            },
            ..base
        })
    },
    names: WeightNames {
        qk_norm: Some(("self_attn.q_norm", "self_attn.k_norm")),
        ..llama::NAMES
    },
};
