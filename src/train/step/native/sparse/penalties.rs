//! What penalties and thresholds say of the pairs, and the derivatives by their pre-activations.

use super::room::Room;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::slices::numbers;

use super::super::facts::Facts;
use super::super::gradients::Gradients;
use super::super::listed::{BareSums, Listed, derive, says_anything};
use super::super::terms::Terms;

/// Adds the sparsity penalty, the thresholds' gradients and the threshold penalty, and sets the derivatives by the
/// pre-activations of the pairs.
///
/// # Errors
/// Too little memory.
pub(super) fn add_penalties(
    room: &mut Room,
    facts: &Facts<'_>,
    (x, bare): (&Tensor, Option<BareSums>),
    terms: &mut Terms,
    gradients: &mut Gradients,
) -> Result<()> {
    if !says_anything(facts) {
        room.by_pre.clear();
        room.by_pre.extend_from_slice(&room.by_acts);
        return Ok(());
    }
    let entries = room.entries(facts)?;
    let listed = Listed {
        entries: &entries,
        hidden_pre: &Tensor::f_from_slice(&room.rows.value)?,
        acts: &Tensor::f_from_slice(&room.acts)?,
    };
    let by_acts = Tensor::f_from_slice(&room.by_acts)?;
    let by_pre = derive(facts, &listed, by_acts, (x, bare), (terms, gradients))?;
    room.by_pre.clear();
    // No numbers are in no place.
    if by_pre.numel() > 0 {
        room.by_pre.extend_from_slice(numbers(&by_pre)?);
    }
    Ok(())
}
