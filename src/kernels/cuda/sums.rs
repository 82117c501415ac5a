//! Sums over rows, of numbers, and of the terms of a loss. Nothing is read back.

use super::launcher::{Argument, Grid, Launcher};
use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor};

use Argument::{Real, Whole};

/// Into how many parts rows are divided at most, and the fewest rows of one.
const PARTS: i64 = 64;
const FEWEST: i64 = 16;

/// Terms that one start of the kernel adds.
const TOGETHER: usize = 8;

/// Returns the sum of the rows `(n, d)` divided by `divisor`, `(d)`.
///
/// # Errors
/// Numbers that are not contiguous float32; the device failed.
pub fn rows(launcher: &dyn Launcher, rows: &Tensor, divisor: f64) -> Result<Tensor> {
    let (count, width) = rows.size2().map_err(Error::from)?;
    let apart = ((count + PARTS - 1) / PARTS).max(FEWEST);
    let parts = (count + apart - 1) / apart;
    let columns = ((width + launcher.threads() - 1) / launcher.threads()).max(1);
    let device = launcher.device();
    let held = Tensor::f_empty([parts, width], (Kind::Double, device))?;
    let sums = Tensor::f_empty([width], (Kind::Float, device))?;
    let held = Argument::of(&held, Kind::Double)?;
    if parts > 0 {
        let arguments = [
            Argument::floats(rows)?,
            Whole(count),
            Whole(width),
            Whole(apart),
            held,
        ];
        launcher.launch("add_rows", Grid::shared(parts, columns), &arguments)?;
    }
    let arguments = [
        held,
        Whole(parts),
        Whole(width),
        Real(divisor),
        Argument::floats(&sums)?,
    ];
    launcher.launch("add_parts", Grid::rows(columns), &arguments)?;
    Ok(sums)
}

/// Returns the sum of numbers times `factor`, 0-d; 0 without any.
///
/// # Errors
/// Numbers that are not contiguous float32; the device failed.
pub fn total(launcher: &dyn Launcher, numbers: Option<&Tensor>, factor: f64) -> Result<Tensor> {
    let sum = Tensor::f_empty([0i64; 0], (Kind::Float, launcher.device()))?;
    let count = numbers.map_or(0, |numbers| numbers.numel() as i64);
    let arguments = [
        Argument::floats(numbers)?,
        Whole(count),
        Real(factor),
        Argument::floats(&sum)?,
    ];
    launcher.launch("add_numbers", Grid::rows(1), &arguments)?;
    Ok(sum)
}

/// Returns the sum of terms, float32 0-d, in their order.
///
/// # Errors
/// There are none; they have another dtype; the device failed.
pub fn terms(launcher: &dyn Launcher, terms: &[&Tensor]) -> Result<Tensor> {
    let Some((first, rest)) = terms.split_first() else {
        return Err(Error::run("a sum needs at least one term"));
    };
    let mut sum = first.shallow_clone();
    for more in rest.chunks(TOGETHER - 1) {
        let next = Tensor::f_empty([0i64; 0], (Kind::Float, launcher.device()))?;
        let mut arguments = vec![Argument::floats(&sum)?];
        for place in 0..TOGETHER - 1 {
            arguments.push(Argument::floats(more.get(place).copied())?);
        }
        arguments.push(Argument::floats(&next)?);
        launcher.launch("add_terms", Grid::rows(1), &arguments)?;
        sum = next;
    }
    Ok(sum)
}
