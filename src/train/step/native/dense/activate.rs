//! From pre-activations to activations.

use super::super::facts::Facts;
use super::super::select::Selector;
use super::counts::Counts;
use super::encode::Encoded;
use super::{fused, seen, tensors};
use crate::error::Result;
use crate::tensor::{Tensor, Workspace};
use crate::train::step::Part;

/// The activations of some tokens, which have been counted.
pub(super) struct Activations {
    /// `(n, [heads ·] d_sae)`.
    pub(super) numbers: Tensor,
    /// The part of them that is on; 1 where that is not known.
    pub(super) filled: f64,
    /// What the activation function saw, as far as kernels want to know.
    pub(super) seen: Tensor,
}

/// Returns the activations of what was encoded, in the workspace, and counts them.
///
/// # Errors
/// Too little memory.
pub(super) fn activate(
    facts: &Facts<'_>,
    encoded: &Encoded,
    selector: &mut Selector,
    workspace: &Workspace,
    counts: &mut Counts,
) -> Result<Activations> {
    let before = counts.active()?;
    let (seen, numbers) = if fused::serves(facts) {
        let seen = seen::seen(facts, &encoded.hidden_pre, selector, workspace)?;
        let room = workspace.empty_like(&seen)?;
        let numbers = fused::activate(facts, &seen, room, counts)?;
        (seen, numbers)
    } else {
        let seen = encoded.hidden_pre.shallow_clone();
        let numbers = tensors::activate(facts, &seen, selector, counts)?;
        (seen, numbers)
    };
    let on = before.zip(counts.active()?).map(|(before, now)| now - before);
    let filled = on.map_or(1.0, |on| on / numbers.numel() as f64);
    facts.laps.end(Part::Encode);
    Ok(Activations {
        numbers,
        filled,
        seen,
    })
}
