//! The families of models that are known: each file maps a `config.json` and weight names to the one decoder.
//!
//! To add one, write a file like the others and add its row to [`FAMILIES`].

mod family;
mod gemma;
mod gemma2;
mod gemma3;
mod gpt2;
mod gpt_neox;
mod llama;
mod mistral;
mod olmo2;
mod phi;
mod phi3;
mod qwen2;
mod qwen3;

pub use family::Family;
pub(super) use family::{MlpNames, QkvNames, WeightNames};

use super::hf_config::HfConfig;
use crate::error::{Error, Result};

/// Every family, in the order in which they are listed to users.
pub static FAMILIES: &[&Family] = &[
    &gpt2::FAMILY,
    &gpt_neox::FAMILY,
    &llama::FAMILY,
    &mistral::FAMILY,
    &qwen2::FAMILY,
    &qwen3::FAMILY,
    &gemma::FAMILY,
    &gemma2::FAMILY,
    &gemma3::FAMILY,
    &phi::FAMILY,
    &phi3::FAMILY,
    &olmo2::FAMILY,
];

/// Returns the family of the model that `config` describes.
///
/// # Errors
/// None knows its architecture; the message lists what is supported. Quantized weights.
pub(super) fn family_of(config: &HfConfig) -> Result<&'static Family> {
    if config.get("quantization_config").is_some() {
        let error = Error::input("quantized weights (the key `quantization_config`) are not supported");
        return Err(config.blame(error.hint("load the checkpoint that was not quantized")));
    }
    let architectures = config.architectures();
    let known = |family: &&&Family| {
        family
            .architectures
            .iter()
            .any(|architecture| architectures.contains(architecture))
    };
    let typed =
        |family: &&&Family| architectures.is_empty() && config.model_type() == Some(family.model_type);
    if let Some(family) = FAMILIES.iter().find(known).or(FAMILIES.iter().find(typed)) {
        return Ok(family);
    }
    let supported: Vec<String> = FAMILIES
        .iter()
        .map(|family| format!("{} ({})", family.name, family.architectures[0]))
        .collect();
    let error = match architectures.first() {
        Some(name) => Error::input(format!("models of architecture `{name}` are not supported")),
        None => Error::input("config.json names no architecture (its key `architectures`)"),
    };
    Err(config.blame(error.hint(format!("supported: {}", supported.join("; ")))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_named_and_owns_its_architectures() {
        let mut seen = std::collections::HashSet::new();
        let mut types = std::collections::HashSet::new();
        for family in FAMILIES {
            assert!(!family.name.is_empty() && !family.architectures.is_empty());
            assert!(
                types.insert(family.model_type),
                "{} is claimed twice",
                family.model_type
            );
            assert!(!family.names.prefixes.is_empty(), "{}", family.name);
            for architecture in family.architectures {
                assert!(seen.insert(architecture), "{architecture} is claimed twice");
                assert!(architecture.starts_with(char::is_uppercase), "{architecture}");
            }
        }
        assert!(seen.len() >= 12);
    }
}
