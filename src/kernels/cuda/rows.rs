//! Lengths of rows, and rows of one length.

use super::launcher::{Argument, Grid, Launcher, WARP};
use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor};

use Argument::{Real, Whole};

/// Returns the Euclidean length of each row of `rows (n, d)`, `(n)`, and the length where it is over `floor`, else 0, if
/// that is wanted.
///
/// # Errors
/// Numbers that are not contiguous float32; the device failed.
pub fn lengths(
    launcher: &dyn Launcher,
    rows: &Tensor,
    floor: f64,
    wants_seen: bool,
) -> Result<(Tensor, Option<Tensor>)> {
    let (count, width) = rows.size2().map_err(Error::from)?;
    let empty = || Tensor::f_empty([count], (Kind::Float, launcher.device()));
    let length = empty()?;
    let seen = wants_seen.then(empty).transpose()?;
    let arguments = [
        Argument::floats(rows)?,
        Whole(count),
        Whole(width),
        Real(floor),
        Argument::floats(&length)?,
        Argument::floats(seen.as_ref())?,
    ];
    launcher.launch("row_lengths", warps(launcher, count), &arguments)?;
    Ok((length, seen))
}

/// Returns `rows (…, d)`, each times `root / length`, where a length under `floor` counts as that.
///
/// # Errors
/// Numbers that are not contiguous float32; the device failed.
pub fn scaled(launcher: &dyn Launcher, rows: &Tensor, floor: f64, root: f64) -> Result<Tensor> {
    let size = rows.size();
    let width = size.last().copied().unwrap_or(1);
    let count = rows.numel() as i64 / width.max(1);
    let scaled = Tensor::f_empty(&size, (Kind::Float, launcher.device()))?;
    let arguments = [
        Argument::floats(rows)?,
        Whole(count),
        Whole(width),
        Real(floor),
        Real(root),
        Argument::floats(&scaled)?,
    ];
    launcher.launch("scale_rows", warps(launcher, count), &arguments)?;
    Ok(scaled)
}

/// Returns as many blocks as have a warp for each of `count` rows.
pub(super) fn warps(launcher: &dyn Launcher, count: i64) -> Grid {
    let warps = launcher.threads() / WARP;
    Grid::rows(((count + warps - 1) / warps).max(1))
}
