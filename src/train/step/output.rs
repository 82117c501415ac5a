//! What a step computed.

use crate::dictionary::{LossInput, SparseAutoEncoder, Term};
use crate::tensor::Tensor;

/// What one step computed. All tensors stay on the device; the scalars are 0-d. The engine may put what its next step computes in
/// the place of all others: who keeps them copies them.
pub struct StepOutput {
    /// The sum of all terms.
    pub loss: Tensor,
    /// The terms of the loss, 0-d and without their graph.
    pub terms: Vec<Term>,
    /// Gradients in the order of [`SparseAutoEncoder::parameters`].
    pub gradients: Vec<Tensor>,
    /// `‖reconstruction − label‖²` of each token, `(n)`; `(n, heads)` for a dictionary with heads.
    pub squared_error: Tensor,
    /// How many tokens each latent fired on, in some head where there are heads, float `(d_sae)`.
    pub fired: Tensor,
    /// How many it fired on in each head, float `(heads, d_sae)`, where there are heads.
    pub fired_by_head: Option<Tensor>,
    /// Sum of all latent activations, and how many were active.
    pub activity: (Tensor, Tensor),
    /// Number of tokens.
    pub tokens: i64,
}

/// Returns the number of tokens.
pub(super) fn count_tokens(sae: &SparseAutoEncoder, input: &LossInput<'_>) -> i64 {
    let size = input.x.size();
    let inner = if sae.cfg.hooks.heads().is_some() { 2 } else { 1 };
    size[..size.len().saturating_sub(inner)].iter().product()
}
