//! Exact encoding where a number of latents of each token is selected, at about the cost of a product in float16.
//!
//! Tokens are taken as many at a time as the estimates of all their latents fit in [`ESTIMATE_BYTES`]. Nothing is read
//! back from the device: rows without a bound, or with more candidates than there is room for, have all their
//! pre-activations computed in place of the estimates.

use super::estimate::{Counted, ESTIMATE_BYTES, Encoder, Estimates, Screen, fill, rows_at_a_time};
use super::launcher::{Argument, Grid, Launcher, WARP};
use super::pairs::{Pairs, products};
use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor};

use Argument::Whole;

/// The most latents that can be selected of each row, as in `choose.cu`.
pub const MOST_CHOSEN: i64 = 512;
/// The most groups of latents, as in `screen.cu`.
const GROUPS: i64 = 1024;

/// Returns of how many groups of latents the largest bounds are known where `k` are selected: eight times as many come close
/// to the bound that all latents give.
fn groups(k: i64) -> i64 {
    ((8 * k + 255) / 256 * 256).min(GROUPS)
}

/// Returns how many candidates a row has room for where `k` of `latents` are selected: as many as common rows have, several
/// times over. Early in a training many latents of a large dictionary are close to the last that is selected.
pub(super) fn room(k: i64, latents: i64) -> i64 {
    (4 * k + 256).max(latents / 32).min(latents)
}

/// Selects for each row of `x (T, d)` the `k` largest scores above zero, those with smaller indices among equal ones; NaN
/// before all others. Latents and pre-activations are those of a product in float32.
///
/// # Errors
/// Shapes that do not agree; the device failed.
pub fn largest(
    launcher: &dyn Launcher,
    x: &Tensor,
    encoder: &Encoder<'_>,
    k: i64,
    counted: &mut Counted,
) -> Result<Pairs> {
    largest_within(launcher, x, encoder, (k, ESTIMATE_BYTES), counted)
}

/// Selects as [`largest`] does, with estimates of at most `bytes` at a time.
pub(super) fn largest_within(
    launcher: &dyn Launcher,
    x: &Tensor,
    encoder: &Encoder<'_>,
    (k, bytes): (i64, i64),
    counted: &mut Counted,
) -> Result<Pairs> {
    let (tokens, latents) = encoder.check(x)?;
    if !(1..=MOST_CHOSEN).contains(&k) || tokens * k >= i64::from(i32::MAX) {
        return Err(Error::run(format!(
            "a kernel cannot select {k} of {latents} latents"
        )));
    }
    let pairs = Pairs::with_room(tokens, k, launcher.device())?;
    if tokens == 0 || latents == 0 {
        pairs.clear(latents)?;
        return Ok(pairs);
    }
    let screen = Screen::new(launcher, encoder)?;
    let at_a_time = rows_at_a_time(bytes, latents);
    let mut start = 0;
    while start < tokens {
        let rows = at_a_time.min(tokens - start);
        let x = x.f_narrow(0, start, rows)?;
        tile(
            launcher,
            &x,
            (encoder, &screen),
            &pairs.rows(start, rows)?,
            counted,
        )?;
        start += rows;
    }
    Ok(pairs)
}

/// Selects for the rows `x`.
fn tile(
    launcher: &dyn Launcher,
    x: &Tensor,
    (encoder, screen): (&Encoder<'_>, &Screen),
    pairs: &Pairs,
    counted: &mut Counted,
) -> Result<()> {
    let (rows, latents, k) = (pairs.tokens(), encoder.latents(), pairs.stride());
    let room = room(k, latents);
    let estimates = Estimates::new(launcher, x, screen)?;
    let candidates = Pairs::with_room(rows, room, launcher.device())?;
    let mut arguments = estimates.arguments()?;
    arguments.extend([
        Whole(groups(k)),
        Whole(k),
        Whole(room),
        Argument::of(&candidates.index, Kind::Int)?,
        Argument::of(&candidates.listed, Kind::Int)?,
        counted.of_rows(rows)?,
    ]);
    launcher.launch("screen_rows", estimates.grid(), &arguments)?;
    products(launcher, x, encoder.weight, Some(encoder.bias), &candidates, None)?;
    fill(launcher, x, encoder, &candidates.listed, &estimates.product)?;
    choose(launcher, encoder, &candidates, &estimates.product, pairs)
}

/// Chooses the largest of `candidates`, or, in rows that have no list, of `full`.
fn choose(
    launcher: &dyn Launcher,
    encoder: &Encoder<'_>,
    candidates: &Pairs,
    full: &Tensor,
    pairs: &Pairs,
) -> Result<()> {
    let (rows, room, k) = (candidates.tokens(), candidates.stride(), pairs.stride());
    let listed = Argument::of(&candidates.listed, Kind::Int)?;
    let chosen = [
        Argument::floats(encoder.factor)?,
        Whole(encoder.latents()),
        Whole(k),
        Argument::of(&pairs.index, Kind::Int)?,
        Argument::floats(&pairs.value)?,
        Argument::of(&pairs.listed, Kind::Int)?,
    ];
    let mut arguments = vec![
        Argument::of(&candidates.index, Kind::Int)?,
        Argument::floats(&candidates.value)?,
        listed,
        Whole(rows),
        Whole(room),
    ];
    arguments.extend(chosen);
    let at_once = launcher.threads() / WARP;
    let blocks = (rows + at_once - 1) / at_once;
    launcher.launch("choose_listed", Grid::rows(blocks), &arguments)?;
    let mut arguments = vec![Argument::floats(full)?, listed];
    arguments.extend(chosen);
    launcher.launch("choose_filled", Grid::rows(rows), &arguments)
}
