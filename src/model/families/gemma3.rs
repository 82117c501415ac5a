//! Gemma 3 (Kamath et al. 2025, arXiv:2503.19786), the text part: five local layers to each global one, with
//! rotations of their own, and norms on queries and keys.

use super::{Family, WeightNames, gemma, gemma2};
use crate::error::Result;
use crate::model::config::*;
use crate::model::hf_config::HfConfig;
use crate::model::rotary::Rope;

pub(super) static FAMILY: Family = Family {
    name: "Gemma 3 (text)",
    architectures: &[
        "Gemma3ForCausalLM",
        "Gemma3ForConditionalGeneration",
        "Gemma3TextModel",
        "Gemma3Model",
    ],
    model_type: "gemma3_text",
    configure,
    names: WeightNames {
        prefixes: &[
            "model.",
            "language_model.model.",
            "model.language_model.",
            "language_model.",
            "",
        ],
        unembed: &["lm_head", "language_model.lm_head"],
        qk_norm: Some(("self_attn.q_norm", "self_attn.k_norm")),
        ..gemma2::NAMES
    },
};

/// What files leave out when it is as in the 4B model's text part.
const DEFAULTS: &[(&str, i64)] = &[
    ("vocab_size", 262_208),
    ("hidden_size", 2304),
    ("intermediate_size", 9216),
    ("num_hidden_layers", 26),
    ("num_attention_heads", 8),
    ("num_key_value_heads", 4),
    ("max_position_embeddings", 131_072),
    ("sliding_window", 4096),
];

fn configure(config: &HfConfig) -> Result<DecoderConfig> {
    // With eyes, the text part is a section of its own, and its logits are not capped.
    let text = config.section_if("text_config")?;
    let has_eyes = text.is_some();
    let config = text.as_ref().unwrap_or(config).with_defaults(DEFAULTS);
    config.refuse_flag("use_bidirectional_attention")?;
    let base = gemma::base(&config)?;
    let n_ctx = config.integer("max_position_embeddings")?;
    let pattern = config.integer_or("sliding_window_pattern", 6)?.max(1) as usize;
    let full = config.rope("rope_theta", 1_000_000.0, n_ctx, "full_attention")?;
    let window = match config.get("rope_parameters") {
        Some(_) => config.rope("rope_local_base_freq", 10_000.0, n_ctx, "sliding_attention")?,
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
            // `attn_logit_softcapping` stands in the files, but nothing reads it: norms of queries and keys took its place.
            qk_norm: QkNorm::PerHead,
            ..base.attention
        },
        logit_soft_cap: if has_eyes {
            None
        } else {
            config.number_if("final_logit_softcapping")?
        },
        ..base
    })
}
