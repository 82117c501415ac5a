//! Mistral (Jiang et al. 2023, arXiv:2310.06825): Llama with a sliding window of attention.

use super::{Family, llama};
use crate::model::config::*;

pub(super) static FAMILY: Family = Family {
    name: "Mistral",
    architectures: &["MistralForCausalLM"],
    configure: |config| {
        let base = llama::base(config)?;
        Ok(DecoderConfig {
            spans: config.spans(base.n_layers, |_| true)?,
            ..base
        })
    },
    names: llama::NAMES,
};
