//! Exact encoding where a number of latents is selected, at about the cost of a product in float16.
//!
//! Tokens are taken as many at a time as the estimates of all their latents fit in [`ESTIMATE_BYTES`]. Nothing is read
//! back from the device: rows without a bound, or with more candidates than there is room for, have all their
//! pre-activations computed in place of the estimates.

use super::launcher::{Argument, Grid, Launcher, check};
use super::screening::slack;
use crate::error::{Error, Result};
use crate::kernels::screen::Counts;
use crate::tensor::{Device, Kind, Tensor};

use Argument::Whole;

/// The bytes of the estimates that are held at a time, at most.
pub const ESTIMATE_BYTES: i64 = 2 << 30;
/// The most latents that can be selected of each row, as in `choose.cu`.
pub const MOST_CHOSEN: i64 = 512;
/// Rows of a block, as in `screen.cu`.
const ROWS: i64 = 4;
/// The most groups of latents, as in `screen.cu`.
const GROUPS: i64 = 1024;
/// Threads of a warp.
const WARP: i64 = 32;
/// Rows longer than this are rounded by a block each.
const WIDE: i64 = 1024;

/// Returns of how many groups of latents the largest bounds are known where `k` are selected: eight times as many come close
/// to the bound that all latents give.
fn groups(k: i64) -> i64 {
    ((8 * k + 255) / 256 * 256).min(GROUPS)
}

/// The encoder of a dictionary with `S` latents for rows of `d` numbers, float32 on the launcher's device.
pub struct Encoder<'a> {
    /// `(S, d)`: the weights of each latent.
    pub weight: &'a Tensor,
    /// `(S)`: what is added to each latent's product.
    pub bias: &'a Tensor,
    /// `(S)`: what pre-activations are multiplied with to get the scores that selection compares. A latent whose factor is
    /// zero is never selected.
    pub factor: Option<&'a Tensor>,
}

impl Encoder<'_> {
    fn latents(&self) -> i64 {
        self.bias.numel() as i64
    }
}

/// Returns how many candidates a row has room for where `k` of `latents` are selected: as many as common rows have, several
/// times over. Early in a training many latents of a large dictionary are close to the last that is selected.
fn room(k: i64, latents: i64) -> i64 {
    (4 * k + 256).max(latents / 32).min(latents)
}

/// Selected pairs of a token and a latent, `(T, k)` each. What is over in a row holds the number of latents and 0.
pub struct Pairs {
    /// The latents, int32, ascending in each row.
    pub index: Tensor,
    /// Their pre-activations, float32, not multiplied with the factor.
    pub value: Tensor,
    /// How many there are in each row, int32 `(T)`.
    pub listed: Tensor,
}

impl Pairs {
    /// Returns room for `k` pairs of each of `tokens` tokens.
    fn with_room(tokens: i64, k: i64, device: Device) -> Result<Self> {
        Ok(Self {
            index: Tensor::f_empty([tokens, k], (Kind::Int, device))?,
            value: Tensor::f_empty([tokens, k], (Kind::Float, device))?,
            listed: Tensor::f_empty([tokens], (Kind::Int, device))?,
        })
    }

    /// Returns how many rows there are, and how many pairs each has room for.
    pub fn shape(&self) -> (i64, i64) {
        let size = self.index.size();
        (size[0], size[1])
    }

    /// Returns the rows from `start` on, in the same memory.
    fn rows(&self, start: i64, rows: i64) -> Result<Self> {
        Ok(Self {
            index: self.index.f_narrow(0, start, rows)?,
            value: self.value.f_narrow(0, start, rows)?,
            listed: self.listed.f_narrow(0, start, rows)?,
        })
    }
}

/// Rows rounded to float16, each times a power of two: `row = back · (rounded + rest)`, `|row| <= norm`, `|back · rest| <=
/// residual`.
pub(super) struct Rounded {
    pub(super) rounded: Tensor,
    pub(super) back: Tensor,
    pub(super) norm: Tensor,
    pub(super) residual: Tensor,
}

/// Rounds the rows of `x (n, d)`.
pub(super) fn round(launcher: &dyn Launcher, x: &Tensor) -> Result<Rounded> {
    let (rows, width) = x.size2()?;
    let device = launcher.device();
    let is_wide = width > WIDE;
    let numbers = || Tensor::f_empty([rows], (Kind::Float, device));
    let made = Rounded {
        rounded: Tensor::f_empty([rows, width], (Kind::Half, device))?,
        back: numbers()?,
        norm: numbers()?,
        residual: numbers()?,
    };
    let arguments = [
        Argument::floats(x)?,
        Whole(rows),
        Whole(width),
        Whole(i64::from(is_wide)),
        Argument::of(&made.rounded, Kind::Half)?,
        Argument::floats(&made.back)?,
        Argument::floats(&made.norm)?,
        Argument::floats(&made.residual)?,
    ];
    let at_once = if is_wide { 1 } else { launcher.threads() / WARP };
    let blocks = (rows + at_once - 1) / at_once;
    launcher.launch("round_rows", Grid::rows(blocks), &arguments)?;
    Ok(made)
}

/// The encoder rounded, and the numbers by which products become estimates and bounds, `(S, 4)`, S rounded up to fours.
struct Screen {
    rounded: Tensor,
    terms: Tensor,
}

impl Screen {
    fn new(launcher: &dyn Launcher, encoder: &Encoder<'_>) -> Result<Self> {
        let latents = encoder.latents();
        let weight = round(launcher, encoder.weight)?;
        let terms = Tensor::f_empty([(latents + 3) / 4 * 4, 4], (Kind::Float, launcher.device()))?;
        let arguments = [
            Argument::floats(encoder.bias)?,
            Argument::floats(encoder.factor)?,
            Argument::floats(&weight.back)?,
            Argument::floats(&weight.norm)?,
            Argument::floats(&weight.residual)?,
            Whole(latents),
            Argument::floats(&terms)?,
        ];
        let blocks = (latents + 3) / launcher.threads() + 1;
        launcher.launch("screen_terms", Grid::rows(blocks), &arguments)?;
        Ok(Self {
            rounded: weight.rounded,
            terms,
        })
    }
}

/// How screening went, counted on the device.
pub struct Counted {
    /// The candidates, and the rows all of whose pre-activations were computed, int64 `(2)`.
    there: Tensor,
    rows: usize,
}

impl Counted {
    /// Returns one that has counted nothing.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new(device: Device) -> Result<Self> {
        Ok(Self {
            there: Tensor::f_zeros([2], (Kind::Int64, device))?,
            rows: 0,
        })
    }

    /// Returns what it has counted, for which it waits for the device.
    ///
    /// # Errors
    /// The device failed.
    pub fn counts(&self) -> Result<Counts> {
        let there = |at: i64| -> Result<usize> { Ok(self.there.f_int64_value(&[at])? as usize) };
        Ok(Counts {
            rows: self.rows,
            candidates: there(0)?,
            redone: 0,
            full: there(1)?,
        })
    }
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
    let (tokens, width) = x.size2()?;
    let latents = encoder.latents();
    check("an encoder", encoder.weight, &[latents, width])?;
    if let Some(factor) = encoder.factor {
        check("factors", factor, &[latents])?;
    }
    let is_small = |count: i64| count < i64::from(i32::MAX);
    if !(1..=MOST_CHOSEN).contains(&k) || !is_small(latents) || !is_small(tokens * k) {
        return Err(Error::run(format!(
            "a kernel cannot select {k} of {latents} latents"
        )));
    }
    let pairs = Pairs::with_room(tokens, k, launcher.device())?;
    if tokens == 0 || latents == 0 {
        let _ = pairs.index.shallow_clone().f_fill_(latents)?;
        let _ = pairs.value.shallow_clone().f_zero_()?;
        let _ = pairs.listed.shallow_clone().f_zero_()?;
        return Ok(pairs);
    }
    let screen = Screen::new(launcher, encoder)?;
    let at_a_time = (bytes / (4 * latents)).max(1);
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
    let (rows, width) = x.size2()?;
    let (latents, (_, k)) = (encoder.latents(), pairs.shape());
    let room = room(k, latents);
    let rounded = round(launcher, x)?;
    let estimate = launcher.product(&rounded.rounded, &screen.rounded)?;
    let candidates = Pairs::with_room(rows, room, launcher.device())?;
    let listed = Argument::of(&candidates.listed, Kind::Int)?;
    let candidate = Argument::of(&candidates.index, Kind::Int)?;
    let arguments = [
        Argument::floats(&estimate)?,
        Argument::floats(&screen.terms)?,
        Argument::floats(&rounded.back)?,
        Argument::floats(&rounded.norm)?,
        Argument::floats(&rounded.residual)?,
        Argument::Real(slack(width)),
        Whole(rows),
        Whole(latents),
        Whole(groups(k)),
        Whole(k),
        Whole(room),
        candidate,
        listed,
        Argument::of(&counted.there, Kind::Int64)?,
    ];
    counted.rows += rows as usize;
    let blocks = (rows + ROWS - 1) / ROWS;
    launcher.launch("screen_rows", Grid::rows(blocks), &arguments)?;
    let biases = Some(encoder.bias);
    products(launcher, x, encoder.weight, biases, &candidates, None)?;
    let arguments = [
        Argument::floats(x)?,
        Argument::floats(encoder.weight)?,
        Argument::floats(encoder.bias)?,
        Whole(width),
        listed,
        Whole(latents),
        Argument::floats(&estimate)?,
    ];
    launcher.launch("fill_rows", Grid::rows(rows), &arguments)?;
    choose(launcher, encoder, &candidates, &estimate, pairs)
}

/// Chooses the largest of `candidates`, or, in rows that have no list, of `full`.
fn choose(
    launcher: &dyn Launcher,
    encoder: &Encoder<'_>,
    candidates: &Pairs,
    full: &Tensor,
    pairs: &Pairs,
) -> Result<()> {
    let ((rows, room), (_, k)) = (candidates.shape(), pairs.shape());
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

/// The groups of latents whose rows differ, by where each ends, int64 `(n)`; the rows `(n, T, d)` are those of each.
pub(super) type Ends<'a> = &'a Tensor;

/// Sets the values of `pairs` to the products of their rows `x (T, d)`, or `(n, T, d)` for the groups that end at `ends`,
/// with those of their latents `(S, d)`, and adds the latents' biases.
pub(super) fn products(
    launcher: &dyn Launcher,
    x: &Tensor,
    latents: &Tensor,
    bias: Option<&Tensor>,
    pairs: &Pairs,
    ends: Option<Ends<'_>>,
) -> Result<()> {
    let (rows, stride) = pairs.shape();
    let width = latents.size()[1];
    let arguments = [
        Argument::floats(x)?,
        Argument::floats(latents)?,
        Argument::floats(bias)?,
        Whole(width),
        Argument::of(&pairs.index, Kind::Int)?,
        Argument::of(&pairs.listed, Kind::Int)?,
        Whole(stride),
        match ends {
            Some(ends) => Argument::of(ends, Kind::Int64)?,
            None => Argument::floats(None)?,
        },
        Whole(rows * width),
        Argument::floats(&pairs.value)?,
    ];
    launcher.launch("pair_products", Grid::shared(rows, stride / 64 + 1), &arguments)
}
