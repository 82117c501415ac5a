//! What a family of models has to tell.

use crate::error::Result;
use crate::model::config::DecoderConfig;
use crate::model::hf_config::HfConfig;

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
    pub(in crate::model) configure: fn(&HfConfig) -> Result<DecoderConfig>,
    /// Where its weights are.
    pub(in crate::model) names: WeightNames,
}

/// Names of a family's weights, without the prefix of the model and of the layer, and without `.weight`/`.bias`.
#[derive(Debug)]
pub(in crate::model) struct WeightNames {
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
pub(in crate::model) enum QkvNames {
    /// Three matrices.
    Separate(&'static str, &'static str, &'static str),
    /// One: all query rows, then all key rows, then all value rows.
    Stacked(&'static str),
    /// One: query, key and value rows of the first head, then of the second, …
    PerHead(&'static str),
}

/// How the MLP's reading matrices are stored.
#[derive(Debug)]
pub(in crate::model) enum MlpNames {
    /// One matrix.
    Plain(&'static str),
    /// The gate and the linear part.
    Gated(&'static str, &'static str),
    /// One matrix: the gate's rows, then the linear part's.
    Stacked(&'static str),
}
