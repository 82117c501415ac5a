//! Mistral (Jiang et al. 2023, arXiv:2310.06825): Llama with a sliding window of attention.

use super::{Family, llama};
use crate::model::config::*;

pub(super) static FAMILY: Family = Family {
    name: "Mistral",
    architectures: &["MistralForCausalLM", "MistralModel"],
    model_type: "mistral",
    configure: |config| {
        let config = config.with_defaults(&[
            ("num_key_value_heads", 8),
            ("max_position_embeddings", 131_072),
            ("sliding_window", 4096),
        ]);
        let base = llama::base(&config)?;
        Ok(DecoderConfig {
            spans: vec![config.window()?; base.n_layers],
            ..base
        })
    },
    names: llama::NAMES,
};
