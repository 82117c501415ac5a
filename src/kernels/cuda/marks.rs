//! Which latents of which rows may be selected, and lists of them.

use super::launcher::{Argument, Grid, Launcher};
use super::pairs::Pairs;
use crate::error::Result;
use crate::tensor::{Device, Kind, Tensor};

use Argument::Whole;

/// By how much the bits of latents that need no number are above the others, as in `mark.cu`.
const BARE: i64 = 4;

/// A byte for each four latents of each row.
pub(super) struct Marks {
    there: Tensor,
    latents: i64,
}

impl Marks {
    /// Returns room for marks of `latents` latents in `rows` rows.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn new(device: Device, rows: i64, latents: i64) -> Result<Self> {
        Ok(Self {
            there: Tensor::f_empty([rows, (latents + 3) / 4], (Kind::Uint8, device))?,
            latents,
        })
    }

    /// Returns the marks of the rows from `start` on, in the same memory.
    ///
    /// # Errors
    /// There are not so many.
    pub(super) fn rows(&self, start: i64, rows: i64) -> Result<Self> {
        Ok(Self {
            there: self.there.f_narrow(0, start, rows)?,
            latents: self.latents,
        })
    }

    /// Returns where kernels mark latents.
    ///
    /// # Errors
    /// None.
    pub(super) fn place(&self) -> Result<Argument<'_>> {
        Argument::of(&self.there, Kind::Uint8)
    }

    /// Writes the latents of `pairs`, whose rows begin with the token `start`: those that may be selected, or those that are
    /// bare.
    ///
    /// # Errors
    /// The device failed.
    pub(super) fn list(
        &self,
        launcher: &dyn Launcher,
        pairs: &Pairs,
        start: i64,
        is_bare: bool,
    ) -> Result<()> {
        let [listed, starts, _] = pairs.layout()?;
        let [index, _, token] = pairs.columns()?;
        let shift = if is_bare { BARE } else { 0 };
        let arguments = [
            self.place()?,
            Whole(self.latents),
            Whole(shift),
            listed,
            starts,
            Whole(start),
            index,
            token,
        ];
        launcher.launch("list_marked", Grid::rows(pairs.tokens()), &arguments)
    }
}

/// Finds places for as many pairs of each token as `listed`, int32 `(T)`, says, one token after the other: from `range.0` on,
/// and before `range.1`. Where they begin, and the last one's end, goes to `starts`, int32 `(T + 1)`. Tokens whose pairs have
/// no place there get none, but a count of -1. `total`, int64 `(1)`, becomes the number of pairs, and `counted` grows.
///
/// # Errors
/// The device failed.
pub(super) fn place(
    launcher: &dyn Launcher,
    (listed, starts): (&Tensor, &Tensor),
    range: (i64, i64),
    total: Option<&Tensor>,
    counted: Option<Argument<'_>>,
) -> Result<()> {
    let nowhere = Argument::floats(None)?;
    let arguments = [
        Argument::of(listed, Kind::Int)?,
        Whole(listed.numel() as i64),
        Whole(range.0),
        Whole(range.1),
        Argument::of(starts, Kind::Int)?,
        match total {
            Some(total) => Argument::of(total, Kind::Int64)?,
            None => nowhere,
        },
        counted.unwrap_or(nowhere),
    ];
    launcher.launch("place_rows", Grid::rows(1), &arguments)
}
