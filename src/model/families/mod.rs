//! The families of models that are known: each file maps a `config.json` and weight names to the one decoder.
//!
//! To add one, write a file like the others and add its row to [`FAMILIES`].

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

use super::config::DecoderConfig;
use super::hf_config::HfConfig;
use crate::error::{Error, Result};

/// A family of models.
#[derive(Debug)]
pub struct Family {
    /// What people call it.
    pub name: &'static str,
    /// The classes in `config.json` that belong to it: language models, then those without an unembedding.
    pub architectures: &'static [&'static str],
    /// What `model_type` says where no class is named.
    pub model_type: &'static str,
    /// Maps a `config.json`.
    pub(super) configure: fn(&HfConfig) -> Result<DecoderConfig>,
    /// Where its weights are.
    pub(super) names: WeightNames,
}

/// Names of a family's weights, without the prefix of the model and of the layer, and without `.weight`/`.bias`.
#[derive(Debug)]
pub(super) struct WeightNames {
    /// What stands before all names but the unembedding's; files differ within a family.
    pub prefixes: &'static [&'static str],
    /// Token embeddings, `[d_vocab, d_model]`.
    pub embed: &'static str,
    /// Learned positions, `[n_ctx, d_model]`.
    pub pos_embed: Option<&'static str>,
    /// The list of blocks.
    pub layers: &'static str,
    /// The norm before attention; with `Placement::After` the one behind it.
    pub ln1: &'static str,
    /// The second norm behind attention.
    pub ln1_post: Option<&'static str>,
    /// The norm before the MLP; with `Placement::After` the one behind it.
    pub ln2: &'static str,
    /// The second norm behind the MLP.
    pub ln2_post: Option<&'static str>,
    /// Queries, keys and values.
    pub qkv: QkvNames,
    /// Norms of queries and of keys.
    pub qk_norm: Option<(&'static str, &'static str)>,
    /// The output of attention.
    pub attn_out: &'static str,
    /// What the MLP reads with.
    pub mlp_in: MlpNames,
    /// What the MLP writes with.
    pub mlp_out: &'static str,
    /// The norm before the unembedding.
    pub ln_final: &'static str,
    /// The unembedding, full names of which files have one.
    pub unembed: &'static [&'static str],
    /// Matrices are stored `[in, out]` instead of `[out, in]`.
    pub transposed: bool,
}

/// How queries, keys and values are stored.
#[derive(Debug)]
pub(super) enum QkvNames {
    /// Three matrices.
    Separate(&'static str, &'static str, &'static str),
    /// One: all query rows, then all key rows, then all value rows.
    Stacked(&'static str),
    /// One: query, key and value rows of the first head, then of the second, …
    PerHead(&'static str),
}

/// How the MLP's reading matrices are stored.
#[derive(Debug)]
pub(super) enum MlpNames {
    /// One matrix.
    Plain(&'static str),
    /// The gate and the linear part.
    Gated(&'static str, &'static str),
    /// One matrix: the gate's rows, then the linear part's.
    Stacked(&'static str),
}

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
