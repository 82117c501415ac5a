//! The norm of all gradients, and what clipping multiplies them by.

use super::launcher::{Argument, Grid, Launcher};
use super::rows::warps;
use crate::error::Result;
use crate::tensor::{Kind, Tensor};

use Argument::{Real, Whole};

/// Gradients that one start of the kernel goes over.
const TOGETHER: usize = 4;

/// Warps that are enough to keep any GPU busy; how many there are follows from the numbers, and not from the GPU.
const MOST_PARTS: i64 = 1 << 13;

/// Numbers that are worth a warp.
const NUMBERS: i64 = 1 << 10;

/// Norms of gradients, 0-d on the device.
#[derive(Debug)]
pub struct Norms {
    /// Of what may be clipped, as it is: `‖g‖₂ / √(number of non-zero entries)`, float32.
    pub before: Tensor,
    /// Of all gradients, once clipped, in the same way, float32.
    pub after: Tensor,
    /// What those that may be clipped are to be multiplied by, float64, where they are clipped.
    pub scale: Option<Tensor>,
}

/// Measures gradients, contiguous float32 tensors, of which the ones in `clipped` are to be scaled by
/// `most / (norm + 1e-6)` where their norm is over `most`; not at all where that is 0. Sums are in float64 and in an order
/// that is the same on every GPU. Nothing is read back.
///
/// # Errors
/// Too little memory; the device failed.
pub fn norms(launcher: &dyn Launcher, clipped: &[Tensor], free: &[Tensor], most: f64) -> Result<Norms> {
    let groups = clipped.chunks(TOGETHER).chain(free.chunks(TOGETHER));
    let held: i64 = clipped.chunks(TOGETHER).map(parts_of).sum();
    let parts = held + free.chunks(TOGETHER).map(parts_of).sum::<i64>();
    let empty = |size: &[i64], kind: Kind| Tensor::f_empty(size, (kind, launcher.device()));
    let squares = empty(&[parts], Kind::Double)?;
    let nonzeros = empty(&[parts], Kind::Int64)?;
    let mut from = 0;
    for group in groups {
        let count = parts_of(group);
        let place = |of: &Tensor| of.f_narrow(0, from, count);
        measure(launcher, group, (&place(&squares)?, &place(&nonzeros)?))?;
        from += count;
    }
    let (before, after) = (empty(&[], Kind::Float)?, empty(&[], Kind::Float)?);
    let scale = (most > 0.0).then(|| empty(&[], Kind::Double)).transpose()?;
    let arguments = [
        Argument::of(&squares, Kind::Double)?,
        Argument::of(&nonzeros, Kind::Int64)?,
        Whole(held),
        Whole(parts),
        Real(most),
        match &scale {
            Some(scale) => Argument::of(scale, Kind::Double)?,
            None => Argument::floats(None)?,
        },
        Argument::floats(&before)?,
        Argument::floats(&after)?,
    ];
    launcher.launch("norm_scale", Grid::rows(1), &arguments)?;
    Ok(Norms { before, after, scale })
}

/// Returns into how many parts the sums over up to [`TOGETHER`] gradients are divided.
pub(super) fn parts_of(gradients: &[Tensor]) -> i64 {
    let count: i64 = gradients.iter().map(|gradient| gradient.numel() as i64).sum();
    (count / NUMBERS).clamp(1, MOST_PARTS)
}

/// Writes the sums of squares and the counts of what is not 0 of the parts of up to [`TOGETHER`] gradients, float64 and
/// int64.
pub(super) fn measure(
    launcher: &dyn Launcher,
    gradients: &[Tensor],
    (squares, nonzeros): (&Tensor, &Tensor),
) -> Result<()> {
    let mut arguments = Vec::with_capacity(2 * TOGETHER + 3);
    for place in 0..TOGETHER {
        let gradient = gradients.get(place);
        arguments.push(Argument::floats(gradient)?);
        arguments.push(Whole(gradient.map_or(0, |gradient| gradient.numel() as i64)));
    }
    let parts = parts_of(gradients);
    arguments.push(Whole(parts));
    arguments.push(Argument::of(squares, Kind::Double)?);
    arguments.push(Argument::of(nonzeros, Kind::Int64)?);
    launcher.launch("norm_parts", warps(launcher, parts), &arguments)
}
