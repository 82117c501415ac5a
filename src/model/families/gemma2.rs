//! Gemma 2 (Riviere et al. 2024, arXiv:2408.00118): norms before and after, soft caps, every other layer local.

use super::{Family, WeightNames, gemma, llama};
use crate::model::config::*;

pub(super) static FAMILY: Family = Family {
    name: "Gemma 2",
    architectures: &["Gemma2ForCausalLM", "Gemma2Model"],
    model_type: "gemma2",
    configure: |config| {
        let config = config.with_defaults(&[
            ("num_key_value_heads", 4),
            ("max_position_embeddings", 8192),
            ("sliding_window", 4096),
        ]);
        let base = gemma::base(&config)?;
        Ok(DecoderConfig {
            placement: Placement::BeforeAndAfter,
            spans: config.spans(base.n_layers, |layer| layer % 2 == 0)?,
            attention: Attention {
                scale: config.number_or("query_pre_attn_scalar", 256.0)?.powf(-0.5),
                soft_cap: config.number_unless_null("attn_logit_softcapping", 50.0)?,
                ..base.attention
            },
            logit_soft_cap: config.number_unless_null("final_logit_softcapping", 30.0)?,
            ..base
        })
    },
    names: NAMES,
};

/// Names with a norm before and after each part.
pub(super) const NAMES: WeightNames = WeightNames {
    ln1_post: Some("post_attention_layernorm"),
    ln2: "pre_feedforward_layernorm",
    ln2_post: Some("post_feedforward_layernorm"),
    ..llama::NAMES
};
