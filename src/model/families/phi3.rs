//! Phi 3 and 4 (Abdin et al. 2024, arXiv:2404.14219): Llama with stacked matrices.

use super::{Family, MlpNames, QkvNames, WeightNames, llama};
use crate::error::Result;
use crate::model::config::*;
use crate::model::hf_config::HfConfig;

pub(super) static FAMILY: Family = Family {
    name: "Phi 3",
    architectures: &["Phi3ForCausalLM", "Phi3Model"],
    model_type: "phi3",
    configure,
    names: WeightNames {
        qkv: QkvNames::Stacked("self_attn.qkv_proj"),
        mlp_in: MlpNames::Stacked("mlp.gate_up_proj"),
        ..llama::NAMES
    },
};

fn configure(config: &HfConfig) -> Result<DecoderConfig> {
    let config = config
        .with_defaults(&[
            ("max_position_embeddings", 4096),
            ("original_max_position_embeddings", 4096),
        ])
        // What was later called longrope.
        .with_text_replaced("rope_scaling", "type", &["su", "yarn"], "longrope");
    let base = llama::base(&config)?;
    Ok(DecoderConfig {
        norm: Norm::Rms {
            eps: config.number_or("rms_norm_eps", 1e-5)?,
            unit_offset: false,
        },
        position: base
            .position
            .on_part(config.rotary_fraction("partial_rotary_factor", 1.0)?),
        spans: vec![config.window()?; base.n_layers],
        ..base
    })
}
