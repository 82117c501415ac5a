//! Exact encoding where a number of latents of a whole batch is selected.
//!
//! Lower bounds of all scores are counted by their first bits. What as many of them reach as are selected, as many scores
//! reach, so that only latents whose upper bounds reach it are candidates; they are listed and computed in float32. Rows whose
//! candidates have no room in the list have all their pre-activations computed in place of the estimates. The rank of the last
//! score that is selected is found among all candidates, some bits at a time.
//!
//! Tokens are taken as many at a time as the estimates of all their latents fit in [`ESTIMATE_BYTES`]. What was selected of
//! the tokens before competes with the candidates of the next ones. Nothing is read back from the device.

use super::encode::room;
use super::estimate::{Counted, ESTIMATE_BYTES, Encoder, Estimates, Screen, fill, rows_at_a_time};
use super::launcher::{Argument, Grid, Launcher};
use super::marks::{Marks, place};
use super::pairs::{Pairs, products};
use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, Tensor};

use Argument::Whole;

/// By how many first bits scores and ranks are counted, as in `batch.cu`.
const DIGIT: i64 = 13;
/// The digits of a rank, from the top: what is below each, and how many bits it has.
const DIGITS: [(i64, i64); 3] = [(32 - DIGIT, DIGIT), (32 - 2 * DIGIT, DIGIT), (0, 32 - 2 * DIGIT)];
/// Blocks that share the counting of numbers, at most: each has counts of its own to add to those of all.
const COUNTING: i64 = 1024;

/// What a selection has room for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of the estimates that are held at a time.
    pub(super) bytes: i64,
    /// Candidates of the tokens that are taken at a time, for each of them.
    pub(super) room: i64,
}

/// Selects of all rows of `x (T, d)` together the `T · k` largest scores above zero, of equal ones those in the earlier row,
/// then those with smaller indices; NaN before all others. Latents and pre-activations are those of a product in float32.
/// There is room for `T · k` pairs, one after the other.
///
/// # Errors
/// Shapes that do not agree; the device failed.
pub fn largest_of_batch(
    launcher: &dyn Launcher,
    x: &Tensor,
    encoder: &Encoder<'_>,
    k: i64,
    counted: &mut Counted,
) -> Result<Pairs> {
    let limits = Limits {
        bytes: ESTIMATE_BYTES,
        room: room(k, encoder.latents()),
    };
    largest_of_batch_within(launcher, x, encoder, (k, limits), counted)
}

/// Selects as [`largest_of_batch`] does, within other limits.
pub(super) fn largest_of_batch_within(
    launcher: &dyn Launcher,
    x: &Tensor,
    encoder: &Encoder<'_>,
    (k, limits): (i64, Limits),
    counted: &mut Counted,
) -> Result<Pairs> {
    let (tokens, latents) = encoder.check(x)?;
    let count = tokens * k;
    let at_a_time = rows_at_a_time(limits.bytes, latents).min(tokens);
    let room = at_a_time * limits.room;
    if k < 1 || count + room >= i64::from(i32::MAX) {
        return Err(Error::run(format!(
            "a kernel cannot select {count} latents of {tokens} tokens"
        )));
    }
    let selected = Pairs::in_a_row(tokens, count, launcher.device())?;
    if tokens == 0 || latents == 0 {
        selected.clear(latents)?;
        return Ok(selected);
    }
    let screen = Screen::new(launcher, encoder)?;
    // What was selected before stands in front of the candidates.
    let front = if at_a_time < tokens { count } else { 0 };
    let selecting = Selecting {
        encoder,
        candidates: Pairs::in_a_row(tokens, front + room, launcher.device())?,
        cut: Cut::new(launcher.device())?,
        selected,
        front,
    };
    let mut start = 0;
    while start < tokens {
        let rows = at_a_time.min(tokens - start);
        let x = x.f_narrow(0, start, rows)?;
        selecting.tile(launcher, (&x, start), &screen, counted)?;
        start += rows;
        if start < tokens {
            selecting.keep(start)?;
        }
    }
    Ok(selecting.selected)
}

/// What the selection of a batch works on.
struct Selecting<'a> {
    encoder: &'a Encoder<'a>,
    /// Those of the tokens so far, in front as many as are selected.
    candidates: Pairs,
    cut: Cut,
    selected: Pairs,
    front: i64,
}

impl Selecting<'_> {
    /// Selects of the tokens so far, up to the rows `x` from token `start` on.
    fn tile(
        &self,
        launcher: &dyn Launcher,
        (x, start): (&Tensor, i64),
        screen: &Screen,
        counted: &mut Counted,
    ) -> Result<()> {
        let rows = x.size()[0];
        let estimates = Estimates::new(launcher, x, screen)?;
        let floor = self.floor(launcher, &estimates, start)?;
        let marks = Marks::new(launcher.device(), rows, self.encoder.latents())?;
        let tile = self.candidates.rows(start, rows)?;
        let mut arguments = estimates.arguments()?;
        arguments.extend([
            Argument::floats(&floor)?,
            marks.place()?,
            Argument::of(&tile.listed, Kind::Int)?,
        ]);
        launcher.launch("mark_reaching", estimates.grid(), &arguments)?;
        let range = (self.front, self.candidates.room());
        let counted = Some(counted.of_rows(rows)?);
        place(launcher, (&tile.listed, tile.starts()?), range, None, counted)?;
        marks.list(launcher, &tile, start, false)?;
        let (weight, bias) = (self.encoder.weight, self.encoder.bias);
        products(launcher, x, weight, Some(bias), &tile, None)?;
        fill(launcher, x, self.encoder, &tile.listed, &estimates.product)?;
        self.select(launcher, &estimates.product, (start, rows))
    }

    /// Returns a number that as many scores reach as are selected, float32 `(1)`.
    fn floor(&self, launcher: &dyn Launcher, estimates: &Estimates, start: i64) -> Result<Tensor> {
        let bins = Argument::of(&self.cut.bins, Kind::Int)?;
        let mut arguments = estimates.arguments()?;
        arguments.push(bins);
        let grid = Grid::rows(estimates.grid().blocks.min(COUNTING));
        launcher.launch("lower_bins", grid, &arguments)?;
        if start > 0 {
            let mut arguments = self.all(&estimates.product, start)?;
            arguments.insert(6, Whole(start));
            arguments.extend([Whole(31 - DIGIT), Whole(DIGIT), Argument::floats(None)?, bins]);
            launcher.launch("rank_bins", Grid::rows(start.min(COUNTING)), &arguments)?;
        }
        let floor = Tensor::f_empty([1], (Kind::Float, launcher.device()))?;
        let arguments = [bins, Whole(self.selected.room()), Argument::floats(&floor)?];
        launcher.launch("batch_floor", Grid::rows(1), &arguments)?;
        Ok(floor)
    }

    /// Returns what kernels are told of the candidates: those of the tokens from `start` on that have no list are `full`.
    fn all<'b>(&'b self, full: &'b Tensor, start: i64) -> Result<Vec<Argument<'b>>> {
        let [listed, starts, _] = self.candidates.layout()?;
        Ok(vec![
            Argument::of(&self.candidates.index, Kind::Int)?,
            Argument::floats(&self.candidates.value)?,
            starts,
            listed,
            Argument::floats(full)?,
            Whole(start),
            Argument::floats(self.encoder.factor)?,
            Whole(self.encoder.latents()),
        ])
    }

    /// Selects among the candidates of all tokens so far.
    fn select(&self, launcher: &dyn Launcher, full: &Tensor, (start, rows): (i64, i64)) -> Result<()> {
        let tokens = start + rows;
        let all = self.all(full, start)?;
        let bins = Argument::of(&self.cut.bins, Kind::Int)?;
        let cut = Argument::of(&self.cut.there, Kind::Int)?;
        let count = Whole(self.selected.room());
        for (digit, (shift, bits)) in DIGITS.into_iter().enumerate() {
            let mut arguments = all.clone();
            arguments.insert(6, Whole(tokens));
            let known = if digit == 0 { Argument::floats(None)? } else { cut };
            arguments.extend([Whole(shift), Whole(bits), known, bins]);
            launcher.launch("rank_bins", Grid::rows(tokens.min(COUNTING)), &arguments)?;
            let arguments = [bins, Whole(shift), Whole(bits), count, cut];
            launcher.launch("cut_digit", Grid::rows(1), &arguments)?;
        }
        let counts = || Tensor::f_empty([tokens], (Kind::Int, launcher.device()));
        let (above, ties) = (counts()?, counts()?);
        let (above, ties) = (Argument::of(&above, Kind::Int)?, Argument::of(&ties, Kind::Int)?);
        let mut arguments = all.clone();
        arguments.extend([cut, above, ties]);
        launcher.launch("count_kept", Grid::rows(tokens), &arguments)?;
        let selected = self.selected.rows(0, tokens)?;
        let [listed, starts, _] = selected.layout()?;
        let arguments = [above, ties, Whole(tokens), cut, listed, starts];
        launcher.launch("place_kept", Grid::rows(1), &arguments)?;
        let mut arguments = all;
        arguments.extend([cut, ties, starts, count]);
        arguments.extend(selected.columns()?);
        launcher.launch("gather_kept", Grid::rows(tokens), &arguments)
    }

    /// Puts what was selected of the tokens before `start` in front of the candidates.
    fn keep(&self, start: i64) -> Result<()> {
        let (from, to) = (self.selected.rows(0, start)?, self.candidates.rows(0, start)?);
        let copy = |from: &Tensor, to: &Tensor| -> Result<()> {
            let count = from.numel() as i64;
            Ok(to.f_narrow(0, 0, count)?.f_copy_(from)?)
        };
        copy(&from.index, &to.index)?;
        copy(&from.value, &to.value)?;
        copy(&from.listed, &to.listed)?;
        copy(from.starts()?, to.starts()?)
    }
}

/// What is kept of the candidates, and the counts by which it is found.
struct Cut {
    /// The rank of the last one that is selected, how many of those that have it are, and whether there are as many as are
    /// wanted, int32 `(3)`.
    there: Tensor,
    /// How many there are of each digit, int32; 0 but while digits are counted.
    bins: Tensor,
}

impl Cut {
    fn new(device: Device) -> Result<Self> {
        Ok(Self {
            there: Tensor::f_empty([3], (Kind::Int, device))?,
            bins: Tensor::f_zeros([1 << DIGIT], (Kind::Int, device))?,
        })
    }
}
