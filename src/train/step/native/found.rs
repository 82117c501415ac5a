//! What a step found, besides gradients.

use super::terms::Terms;
use crate::tensor::Tensor;

/// What a step found.
pub(super) struct Found {
    pub(super) terms: Terms,
    /// `‖x̂ − y‖²` of each token, `(n, [heads])`, x̂ being what each prefix of the latents reconstructs.
    pub(super) squared_errors: Vec<Tensor>,
    /// How many tokens each latent fired on, in some head where there are heads, float `(d_sae)`.
    pub(super) fired: Tensor,
    /// How many it fired on in each head, `(heads, d_sae)`.
    pub(super) fired_by_head: Option<Tensor>,
    /// Sum of all activations, and how many were active.
    pub(super) activity: (Tensor, Tensor),
    /// How many pairs of a token and a latent take part in gradients, where the form of the next step depends on it; on the
    /// CPU those without a number by what they cost.
    pub(super) pairs: Option<f64>,
}
