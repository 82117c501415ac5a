//! Phi 1 and 2 (Gunasekar et al. 2023, arXiv:2306.11644): attention and MLP side by side behind one norm, rotary
//! positions on a part of each head, biases everywhere.

use super::{Family, MlpNames, WeightNames, llama};
use crate::error::Result;
use crate::model::config::*;
use crate::model::hf_config::HfConfig;

pub(super) static FAMILY: Family = Family {
    name: "Phi 1 and 2",
    architectures: &["PhiForCausalLM", "PhiModel"],
    model_type: "phi",
    configure,
    names: WeightNames {
        ln2: "input_layernorm",
        qk_norm: Some(("self_attn.q_layernorm", "self_attn.k_layernorm")),
        attn_out: "self_attn.dense",
        mlp_in: MlpNames::Plain("mlp.fc1"),
        mlp_out: "mlp.fc2",
        ln_final: "final_layernorm",
        ..llama::NAMES
    },
};

fn configure(config: &HfConfig) -> Result<DecoderConfig> {
    let config = config.with_defaults(&[("max_position_embeddings", 2048)]);
    let base = llama::base(&config)?;
    Ok(DecoderConfig {
        norm: Norm::Layer {
            eps: config.number_or("layer_norm_eps", 1e-5)?,
        },
        residual: Residual::Parallel,
        position: base
            .position
            .on_part(config.rotary_fraction("partial_rotary_factor", 0.5)?),
        attention: Attention {
            qk_norm: if config.flag_or("qk_layernorm", false)? {
                QkNorm::PerHead
            } else {
                QkNorm::Off
            },
            ..base.attention.with_biases(true)
        },
        mlp: Mlp {
            gated: false,
            activation: config.activation("hidden_act", "gelu_new")?,
            bias: true,
        },
        ..base
    })
}
