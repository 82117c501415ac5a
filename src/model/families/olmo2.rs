//! OLMo 2 (Walsh et al. 2025, arXiv:2501.00656): Llama with norms after each part instead of before it, and norms
//! over all queries and all keys of a token.

use super::{Family, WeightNames, llama};
use crate::model::config::*;

pub(super) static FAMILY: Family = Family {
    name: "OLMo 2",
    architectures: &["Olmo2ForCausalLM"],
    configure: |config| {
        let base = llama::base(config)?;
        Ok(DecoderConfig {
            placement: Placement::After,
            attention: Attention {
                qk_norm: QkNorm::Whole,
                ..base.attention
            },
            ..base
        })
    },
    names: WeightNames {
        ln1: "post_attention_layernorm",
        ln2: "post_feedforward_layernorm",
        qk_norm: Some(("self_attn.q_norm", "self_attn.k_norm")),
        ..llama::NAMES
    },
};
