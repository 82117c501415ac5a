//! The reference system's record of a latent, as `mongoexport` gives it, with arrays as lists.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::numbers::{Float, Short, Whole};

/// One document of the collection `features`; other fields, as `_id`, are passed over.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Document {
    #[serde(default)]
    pub sae_name: Option<String>,
    #[serde(default)]
    pub sae_series: Option<String>,
    pub index: Whole,
    pub analyses: Vec<AnalysisRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logits: Option<LogitsRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpretation: Option<Interpretation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<BTreeMap<String, Float>>,
}

/// What one analysis found.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AnalysisRecord {
    pub name: String,
    pub act_times: Whole,
    #[serde(default)]
    pub n_analyzed_tokens: Option<Whole>,
    pub max_feature_acts: Float,
    pub samplings: Vec<Sampling>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder_norms: Option<Vec<Short>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder_similarity_matrices: Option<Vec<Vec<Short>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder_inner_product_matrices: Option<Vec<Vec<Short>>>,
}

/// The contexts of one subsample, and the activations in them that are not 0.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Sampling {
    pub name: String,
    /// Sample, then position, of each activation.
    pub feature_acts_indices: [Vec<Short>; 2],
    pub feature_acts_values: Vec<Short>,
    pub context_idx: Vec<Whole>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard_idx: Option<Vec<Whole>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_shards: Option<Vec<Whole>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_name: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_name: Option<Vec<String>>,
    /// The token of the record that each context begins with, where one begins within a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Vec<Whole>>,
    /// Whatever else the meta had.
    #[serde(flatten)]
    pub others: IndexMap<String, Value>,
}

/// What a latent adds to the logits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LogitsRecord {
    pub top_positive: Vec<TokenRecord>,
    pub top_negative: Vec<TokenRecord>,
}

/// A token and its logit.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TokenRecord {
    pub token: String,
    pub logit: Short,
    /// Its number, which the text alone does not always tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<Whole>,
}

/// A label.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Interpretation {
    pub text: String,
}
