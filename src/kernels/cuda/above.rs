//! Exact encoding where the latents above their bounds are selected.
//!
//! Latents whose upper bounds are above are marked, counted and listed, and computed in float32. So the list has a few that
//! are not above: whoever looks at their pre-activations sees it. How many there are is read back from the device, once, so
//! that there is room for exactly so many.

use super::estimate::{Counted, ESTIMATE_BYTES, Encoder, Estimates, Screen, rows_at_a_time};
use super::launcher::{Argument, Launcher, check};
use super::marks::{Marks, place};
use super::pairs::{Pairs, products};
use crate::error::Result;
use crate::tensor::{Device, Kind, Tensor};

/// What scores have to be above.
pub struct Bounds<'a> {
    /// `(S)`, none below zero. Where one is NaN, all scores of the latent are selected.
    pub bounds: &'a Tensor,
    /// `(S)`: those that are surely above their bound, and surely by less than this, need no number.
    pub spans: Option<&'a Tensor>,
}

/// The pairs that were found.
pub struct Above {
    /// Those that may be above their bound, with their pre-activations.
    pub pairs: Pairs,
    /// Those that need no number, where there are any; their values mean nothing.
    pub bare: Option<Pairs>,
}

/// Lists the latents of each row of `x (T, d)` whose scores may be above their bounds, NaN above all; a score that is above is
/// never left out. Pre-activations are those of a product in float32. Returns how many pairs were found, and the pairs where
/// they are at most `most`.
///
/// # Errors
/// Shapes that do not agree; the device failed.
pub fn above(
    launcher: &dyn Launcher,
    x: &Tensor,
    encoder: &Encoder<'_>,
    bounds: &Bounds<'_>,
    most: i64,
    counted: &mut Counted,
) -> Result<(i64, Option<Above>)> {
    above_within(launcher, x, (encoder, bounds), (most, ESTIMATE_BYTES), counted)
}

/// Lists as [`above`] does, with estimates of at most `bytes` at a time.
pub(super) fn above_within(
    launcher: &dyn Launcher,
    x: &Tensor,
    (encoder, bounds): (&Encoder<'_>, &Bounds<'_>),
    (most, bytes): (i64, i64),
    counted: &mut Counted,
) -> Result<(i64, Option<Above>)> {
    let (tokens, latents) = encoder.check(x)?;
    check("bounds", bounds.bounds, &[latents])?;
    if let Some(spans) = bounds.spans {
        check("spans", spans, &[latents])?;
    }
    // Pairs are counted in 32 bits.
    let most = most.min(i64::from(i32::MAX));
    if tokens == 0 || latents == 0 || tokens * latents > i64::from(u32::MAX) {
        let none = Pairs::in_a_row(tokens, 1, launcher.device())?;
        none.clear(latents)?;
        let found = (tokens * latents == 0).then_some(Above {
            pairs: none,
            bare: None,
        });
        return Ok((tokens * latents, found));
    }
    let marked = Marked::new(launcher, x, (encoder, bounds), bytes)?;
    let (pairs, bare) = marked.place(launcher, counted)?;
    if pairs + bare > most {
        return Ok((pairs + bare, None));
    }
    let listed = |count: i64, (listed, starts): &(Tensor, Tensor), is_bare: bool| -> Result<Pairs> {
        let list = Pairs::listed(listed, starts, count, launcher.device())?;
        marked.marks.list(launcher, &list, 0, is_bare)?;
        if count == 0 {
            list.clear(latents)?;
        }
        Ok(list)
    };
    let found = Above {
        pairs: listed(pairs, &marked.listed, false)?,
        bare: match &marked.bare {
            Some(there) if bare > 0 => Some(listed(bare, there, true)?),
            _ => None,
        },
    };
    let (weight, bias) = (encoder.weight, encoder.bias);
    products(launcher, x, weight, Some(bias), &found.pairs, None)?;
    Ok((pairs + bare, Some(found)))
}

/// What may be above its bound in each row, and how many that are: for each row, and where they begin.
struct Marked {
    marks: Marks,
    listed: (Tensor, Tensor),
    /// The same of those that need no number.
    bare: Option<(Tensor, Tensor)>,
}

impl Marked {
    /// Marks the latents of all rows, with estimates of at most `bytes` at a time.
    fn new(
        launcher: &dyn Launcher,
        x: &Tensor,
        (encoder, bounds): (&Encoder<'_>, &Bounds<'_>),
        bytes: i64,
    ) -> Result<Self> {
        let (tokens, latents) = (x.size()[0], encoder.latents());
        let device = launcher.device();
        let marked = Self {
            marks: Marks::new(device, tokens, latents)?,
            listed: counts(tokens, device)?,
            bare: bounds.spans.map(|_| counts(tokens, device)).transpose()?,
        };
        let screen = Screen::new(launcher, encoder)?;
        let at_a_time = rows_at_a_time(bytes, latents);
        let mut start = 0;
        while start < tokens {
            let rows = at_a_time.min(tokens - start);
            let estimates = Estimates::new(launcher, &x.f_narrow(0, start, rows)?, &screen)?;
            let part = |counts: &Tensor| counts.f_narrow(0, start, rows);
            let marks = marked.marks.rows(start, rows)?;
            let listed = part(&marked.listed.0)?;
            let bare = match &marked.bare {
                Some((counts, _)) => Some(part(counts)?),
                None => None,
            };
            let mut arguments = estimates.arguments()?;
            arguments.extend([
                Argument::floats(bounds.bounds)?,
                Argument::floats(bounds.spans)?,
                marks.place()?,
                Argument::of(&listed, Kind::Int)?,
                match &bare {
                    Some(counts) => Argument::of(counts, Kind::Int)?,
                    None => Argument::floats(None)?,
                },
            ]);
            launcher.launch("mark_above", estimates.grid(), &arguments)?;
            start += rows;
        }
        Ok(marked)
    }

    /// Finds places for what was marked, and waits for the device to tell how many pairs there are, and how many of those
    /// that need no number.
    fn place(&self, launcher: &dyn Launcher, counted: &mut Counted) -> Result<(i64, i64)> {
        let totals = Tensor::f_zeros([2], (Kind::Int64, launcher.device()))?;
        let range = (0, i64::MAX);
        let (listed, starts) = &self.listed;
        let total = totals.f_narrow(0, 0, 1)?;
        let counted = Some(counted.of_rows(listed.numel() as i64)?);
        place(launcher, (listed, starts), range, Some(&total), counted)?;
        if let Some((listed, starts)) = &self.bare {
            let total = totals.f_narrow(0, 1, 1)?;
            place(launcher, (listed, starts), range, Some(&total), None)?;
        }
        let totals = totals.f_to_device(Device::Cpu)?;
        Ok((totals.f_int64_value(&[0])?, totals.f_int64_value(&[1])?))
    }
}

/// Returns room for the number of pairs of each of `tokens` tokens, and for where they begin, and the last one's end.
fn counts(tokens: i64, device: Device) -> Result<(Tensor, Tensor)> {
    let whole = |count: i64| Tensor::f_empty([count], (Kind::Int, device));
    Ok((whole(tokens)?, whole(tokens + 1)?))
}
