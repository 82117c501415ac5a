//! The pairs without a number: those over their threshold, but off, and outside of its window. The threshold penalty, which
//! does not look at the decoder norm that the activation function multiplies by, says the same of all of a latent's.

use super::super::facts::Facts;
use super::room::Room;
use crate::error::Result;
use crate::kernels::pattern::Pattern;
use crate::kernels::scatter::{Addends, scatter};
use crate::tensor::Tensor;
use crate::tensor::slices::numbers_mut;

/// What the bare pairs of each latent add up to.
pub(super) struct Summed {
    /// How many there are, float `(d_sae)`.
    pub(super) count: Tensor,
    /// The sums of their tokens' inputs, `(d_sae, d_model)`.
    pub(super) inputs: Tensor,
}

/// Adds up the bare pairs; `None` where there are none.
///
/// # Errors
/// Too little memory.
pub(super) fn add_up(room: &mut Room, facts: &Facts<'_>) -> Result<Option<Summed>> {
    let bare = &room.rows.bare;
    if bare.index.is_empty() {
        return Ok(None);
    }
    room.bare_by_latent
        .sort(Pattern::new(&bare.offsets, &bare.index, facts.latents()));
    room.some.clear();
    room.some.resize(bare.index.len(), 1.0);
    let mut inputs = room.by_bare.take(&facts.parameter("W_E")?.f_tr()?)?;
    let tokens = if room.reads_its_label {
        &room.label
    } else {
        &room.input
    };
    let pattern = room.bare_by_latent.pattern();
    let addends = [Addends {
        end: pattern.rows(),
        tokens,
    }];
    scatter(pattern, &room.some, &addends, numbers_mut(&mut inputs)?);
    let count: Vec<f32> = (0..pattern.rows())
        .map(|latent| pattern.row(latent).len() as f32)
        .collect();
    Ok(Some(Summed {
        count: Tensor::f_from_slice(&count)?,
        inputs,
    }))
}
