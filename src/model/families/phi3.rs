//! Phi 3 and 4 (Abdin et al. 2024, arXiv:2404.14219): Llama with stacked matrices.

use super::{Family, MlpNames, QkvNames, WeightNames, llama};
use crate::model::config::*;

pub(super) static FAMILY: Family = Family {
    name: "Phi 3",
    architectures: &["Phi3ForCausalLM"],
    configure: |config| {
        let base = llama::base(config)?;
        Ok(DecoderConfig {
            position: base.position.on_part(config.rotary_fraction(1.0)?),
            spans: config.spans(base.n_layers, |_| true)?,
            ..base
        })
    },
    names: WeightNames {
        qkv: QkvNames::Stacked("self_attn.qkv_proj"),
        mlp_in: MlpNames::Stacked("mlp.gate_up_proj"),
        ..llama::NAMES
    },
};
