//! Gemma (Mesnard et al. 2024, arXiv:2403.08295): Llama with scaled embeddings, norms stored as their difference
//! from 1, GELU and a tied unembedding.

use super::{Family, llama};
use crate::error::Result;
use crate::model::config::*;
use crate::model::hf_config::HfConfig;

pub(super) static FAMILY: Family = Family {
    name: "Gemma",
    architectures: &["GemmaForCausalLM", "GemmaModel"],
    model_type: "gemma",
    configure,
    names: llama::NAMES,
};

fn configure(config: &HfConfig) -> Result<DecoderConfig> {
    let config = config.with_defaults(&[("num_key_value_heads", 16), ("max_position_embeddings", 8192)]);
    let base = base(&config)?;
    // The first files said "gelu" and meant its approximation. Later ones have the key `hidden_activation` too; where
    // that is null, `hidden_act` counts.
    let key = match config.get("hidden_activation") {
        None if config.has("hidden_activation") => "hidden_act",
        _ => "hidden_activation",
    };
    Ok(DecoderConfig {
        mlp: Mlp {
            activation: config.activation(key, "gelu_pytorch_tanh")?,
            ..base.mlp
        },
        ..base
    })
}

/// Returns what all Gemmas have in common.
pub(super) fn base(config: &HfConfig) -> Result<DecoderConfig> {
    let config = config.with_defaults(&[("head_dim", 256)]);
    let base = llama::base(&config)?;
    let bias = config.flag_or("attention_bias", false)?;
    Ok(DecoderConfig {
        norm: Norm::Rms {
            eps: config.number_or("rms_norm_eps", 1e-6)?,
            unit_offset: true,
        },
        attention: base.attention.with_biases(bias),
        mlp: Mlp {
            activation: config.activation("hidden_activation", "gelu_pytorch_tanh")?,
            ..base.mlp
        },
        embedding_scale: Some((base.d_model as f64).sqrt()),
        tied_embeddings: config.flag_or("tie_word_embeddings", true)?,
        ..base
    })
}
