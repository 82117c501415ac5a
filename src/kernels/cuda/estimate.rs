//! Estimates of all pre-activations of some tokens, at the cost of a product in float16, and what their bounds follow from
//! (`screening` has the formula).

use super::launcher::{Argument, Grid, Launcher, WARP, check};
use super::screening::slack;
use crate::error::{Error, Result};
use crate::kernels::screen::Counts;
use crate::tensor::{Device, Kind, Tensor};

use Argument::Whole;

/// The bytes of the estimates that are held at a time, at most.
pub const ESTIMATE_BYTES: i64 = 2 << 30;
/// Rows of a block, as in `screen.cu`.
const ROWS: i64 = 4;
/// Rows longer than this are rounded by a block each.
const WIDE: i64 = 1024;

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
    /// Returns the number of latents.
    pub(super) fn latents(&self) -> i64 {
        self.bias.numel() as i64
    }

    /// Returns how many tokens `x (T, d)` has, and how many latents there are.
    ///
    /// # Errors
    /// Shapes that do not agree.
    pub(super) fn check(&self, x: &Tensor) -> Result<(i64, i64)> {
        let (tokens, width) = x.size2()?;
        let latents = self.latents();
        check("an encoder", self.weight, &[latents, width])?;
        if let Some(factor) = self.factor {
            check("factors", factor, &[latents])?;
        }
        if latents >= i64::from(i32::MAX) || tokens >= i64::from(i32::MAX) {
            return Err(Error::run(format!(
                "a kernel cannot select among {latents} latents of {tokens} tokens"
            )));
        }
        Ok((tokens, latents))
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
pub(super) struct Screen {
    rounded: Tensor,
    terms: Tensor,
}

impl Screen {
    /// Rounds an encoder.
    ///
    /// # Errors
    /// The device failed.
    pub(super) fn new(launcher: &dyn Launcher, encoder: &Encoder<'_>) -> Result<Self> {
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

/// Estimates of some rows.
pub(super) struct Estimates {
    /// The products of the rounded rows and latents, `(n, S)`; rows that are computed in full have their pre-activations here.
    pub(super) product: Tensor,
    row: Rounded,
    terms: Tensor,
    width: i64,
}

impl Estimates {
    /// Estimates the pre-activations of the rows `x (n, d)`.
    ///
    /// # Errors
    /// Too little memory; the device failed.
    pub(super) fn new(launcher: &dyn Launcher, x: &Tensor, screen: &Screen) -> Result<Self> {
        let row = round(launcher, x)?;
        Ok(Self {
            product: launcher.product(&row.rounded, &screen.rounded)?,
            row,
            terms: screen.terms.shallow_clone(),
            width: x.size()[1],
        })
    }

    /// Returns what all kernels that look at estimates are told of them first.
    ///
    /// # Errors
    /// A product in another format.
    pub(super) fn arguments(&self) -> Result<Vec<Argument<'_>>> {
        let (rows, latents) = self.product.size2()?;
        Ok(vec![
            Argument::floats(&self.product)?,
            Argument::floats(&self.terms)?,
            Argument::floats(&self.row.back)?,
            Argument::floats(&self.row.norm)?,
            Argument::floats(&self.row.residual)?,
            Argument::Real(slack(self.width)),
            Whole(rows),
            Whole(latents),
        ])
    }

    /// Returns blocks for all rows.
    pub(super) fn grid(&self) -> Grid {
        Grid::rows((self.row.norm.numel() as i64 + ROWS - 1) / ROWS)
    }
}

/// Returns how many rows are estimated at a time where estimates take at most `bytes`.
pub(super) fn rows_at_a_time(bytes: i64, latents: i64) -> i64 {
    (bytes / (4 * latents.max(1))).max(1)
}

/// Computes all pre-activations of the rows `x (n, d)` that have no list (a count of -1 in `listed`) in place of their
/// estimates `product (n, S)`.
///
/// # Errors
/// The device failed.
pub(super) fn fill(
    launcher: &dyn Launcher,
    x: &Tensor,
    encoder: &Encoder<'_>,
    listed: &Tensor,
    product: &Tensor,
) -> Result<()> {
    let (rows, width) = x.size2()?;
    let arguments = [
        Argument::floats(x)?,
        Argument::floats(encoder.weight)?,
        Argument::floats(encoder.bias)?,
        Whole(width),
        Argument::of(listed, Kind::Int)?,
        Whole(encoder.latents()),
        Argument::floats(product)?,
    ];
    launcher.launch("fill_rows", Grid::rows(rows), &arguments)
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

    /// Counts some more rows, and returns where the kernels count.
    ///
    /// # Errors
    /// None.
    pub(super) fn of_rows(&mut self, rows: i64) -> Result<Argument<'_>> {
        self.rows += rows as usize;
        Argument::of(&self.there, Kind::Int64)
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
