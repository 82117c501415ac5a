//! Gemma (Mesnard et al. 2024, arXiv:2403.08295): Llama with scaled embeddings, norms stored as their difference
//! from 1, GELU and a tied unembedding.

use super::{Family, llama};
use crate::error::Result;
use crate::model::config::*;
use crate::model::hf_config::HfConfig;

pub(super) static FAMILY: Family = Family {
    name: "Gemma",
    architectures: &["GemmaForCausalLM"],
    configure: base,
    names: llama::NAMES,
};

/// What all Gemmas have in common.
pub(super) fn base(config: &HfConfig) -> Result<DecoderConfig> {
    let config = config.with_default("head_dim", 256);
    let base = llama::base(&config)?;
    Ok(DecoderConfig {
        norm: Norm::Rms {
            eps: config.number_or("rms_norm_eps", 1e-6)?,
            unit_offset: true,
        },
        mlp: Mlp {
            // `hidden_act` is what older files say, and it was never what the models were trained with.
            activation: config.activation("hidden_activation", "gelu_pytorch_tanh")?,
            ..base.mlp
        },
        embedding_scale: Some((base.d_model as f64).sqrt()),
        tied_embeddings: config.flag_or("tie_word_embeddings", true)?,
        ..base
    })
}
