//! To which scale activations are brought, and the least norm that is divided by.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tensor::Kind;

/// How activations are scaled before everything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NormActivation {
    /// Each token to norm √d_model.
    TokenWise,
    /// Each batch (each sequence, where there is a sequence dimension) to the mean norm √d_model.
    BatchWise,
    /// By one number per hook point, measured over the first batches of the stream.
    #[default]
    DatasetWise,
    /// Not at all: the factors are folded into the weights.
    Inference,
}

/// Returns the least norm that is divided by. Shorter vectors are as good as 0, and the reciprocal of their norm would
/// be infinite, or overflow in the squares of a backward pass.
pub fn norm_floor(kind: Kind) -> f64 {
    match kind {
        // Its reciprocal, times √d_model of any model, stays below the largest number of the format.
        Kind::Half => 1e-2,
        _ => 1e-12,
    }
}
