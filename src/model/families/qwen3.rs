//! Qwen 3 (Yang et al. 2025, arXiv:2505.09388): Llama with norms on each head's queries and keys.

use super::{Family, WeightNames, llama};
use crate::model::config::*;

pub(super) static FAMILY: Family = Family {
    name: "Qwen 3",
    architectures: &["Qwen3ForCausalLM"],
    configure: |config| {
        let base = llama::base(&config.with_default("head_dim", 128))?;
        Ok(DecoderConfig {
            spans: config.upper_spans(base.n_layers)?,
            attention: Attention {
                qk_norm: QkNorm::PerHead,
                ..base.attention
            },
            ..base
        })
    },
    names: WeightNames {
        qk_norm: Some(("self_attn.q_norm", "self_attn.k_norm")),
        ..llama::NAMES
    },
};
