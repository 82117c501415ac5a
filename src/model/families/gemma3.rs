//! Gemma 3 (Kamath et al. 2025, arXiv:2503.19786), the text part: five local layers to each global one, with
//! rotations of their own, and norms on queries and keys.

use super::{Family, WeightNames, gemma, gemma2};
use crate::error::Result;
use crate::model::config::*;
use crate::model::hf_config::HfConfig;
use crate::model::rotary::Rope;

pub(super) static FAMILY: Family = Family {
    name: "Gemma 3 (text)",
    architectures: &["Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"],
    configure,
    names: WeightNames {
        prefixes: &["model.", "language_model.model.", "model.language_model.", ""],
        qk_norm: Some(("self_attn.q_norm", "self_attn.k_norm")),
        ..gemma2::NAMES
    },
};

/// What files leave out when it is as in the 4B model's text part.
const DEFAULTS: &[(&str, i64)] = &[
    ("vocab_size", 262_208),
    ("num_attention_heads", 8),
    ("num_key_value_heads", 4),
    ("max_position_embeddings", 131_072),
    ("sliding_window", 4096),
];

fn configure(config: &HfConfig) -> Result<DecoderConfig> {
    let mut config = config.section_or_self("text_config")?;
    for (key, value) in DEFAULTS {
        config = config.with_default(key, *value);
    }
    let base = gemma::base(&config)?;
    let pattern = config.integer_or("sliding_window_pattern", 6)?.max(1) as usize;
    let full = config.rope("rope_theta", 1_000_000.0, base.n_ctx, "full_attention")?;
    let window = match config.get("rope_parameters") {
        Some(_) => config.rope("rope_local_base_freq", 10_000.0, base.n_ctx, "sliding_attention")?,
        None => Rope::plain(config.number_or("rope_local_base_freq", 10_000.0)?),
    };
    Ok(DecoderConfig {
        placement: Placement::BeforeAndAfter,
        position: Position::Rotary {
            dims: base.d_head,
            full,
            window,
        },
        spans: config.spans(base.n_layers, |layer| !(layer + 1).is_multiple_of(pattern))?,
        attention: Attention {
            scale: config.number_or("query_pre_attn_scalar", 256.0)?.powf(-0.5),
            soft_cap: config.number_if("attn_logit_softcapping")?,
            qk_norm: QkNorm::PerHead,
            ..base.attention
        },
        logit_soft_cap: config.number_if("final_logit_softcapping")?,
        ..base
    })
}
