//! OLMo 2 (Walsh et al. 2025, arXiv:2501.00656): Llama with norms after each part instead of before it, and norms
//! over all queries and all keys of a token.

use super::{Family, WeightNames, llama};
use crate::model::config::*;

pub(super) static FAMILY: Family = Family {
    name: "OLMo 2",
    architectures: &["Olmo2ForCausalLM", "Olmo2Model"],
    model_type: "olmo2",
    configure: |config| {
        let base = llama::base(&config.with_defaults(&[("max_position_embeddings", 2048)]))?;
        let bias = config.flag_or("attention_bias", false)?;
        Ok(DecoderConfig {
            norm: Norm::Rms {
                eps: config.number_or("rms_norm_eps", 1e-5)?,
                unit_offset: false,
            },
            placement: Placement::After,
            attention: Attention {
                qk_norm: QkNorm::Whole,
                ..base.attention.with_biases(bias)
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
