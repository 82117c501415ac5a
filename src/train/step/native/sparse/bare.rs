//! The pairs without a number.

use super::super::facts::Facts;
use super::super::listed::BareSums;
use super::room::Room;
use crate::error::Result;
use crate::kernels::pattern::Pattern;
use crate::kernels::scatter::{Addends, scatter};
use crate::tensor::Tensor;
use crate::tensor::slices::numbers_mut;

/// Adds up the bare pairs; `None` where there are none.
///
/// # Errors
/// Too little memory.
pub(super) fn add_up(room: &mut Room, facts: &Facts<'_>) -> Result<Option<BareSums>> {
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
    Ok(Some(BareSums {
        count: Tensor::f_from_slice(&count)?,
        inputs,
    }))
}
