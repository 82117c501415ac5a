//! The errors of reconstructions, and the derivatives by the activations of pairs.

use super::encode::{Pairs, products};
use super::launcher::{Argument, Grid, Launcher, check};
use crate::error::Result;
use crate::tensor::{Device, Kind, Tensor};

use Argument::Whole;

/// The most pairs that a warp holds, as in `decode.cu`.
const HELD: i64 = 8;
/// Threads of a warp.
const WARP: i64 = 32;

/// The prefixes of the latents that reconstruct, from the shortest to all.
pub struct Prefixes {
    each: Vec<(i64, f64)>,
    /// Where they end and what their errors are multiplied by, int64 and float64 on the device.
    there: (Tensor, Tensor),
}

impl Prefixes {
    /// Returns the prefixes with these numbers of latents and factors of their errors.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new(prefixes: &[(i64, f64)], device: Device) -> Result<Self> {
        let (ends, weight): (Vec<i64>, Vec<f64>) = prefixes.iter().copied().unzip();
        let there = |numbers: Tensor| numbers.f_to_device(device);
        Ok(Self {
            each: prefixes.to_vec(),
            there: (
                there(Tensor::f_from_slice(&ends)?)?,
                there(Tensor::f_from_slice(&weight)?)?,
            ),
        })
    }

    /// Returns `kept`, made anew where it is not of these prefixes.
    ///
    /// # Errors
    /// Too little memory.
    pub fn kept<'a>(kept: &'a mut Option<Self>, prefixes: &[(i64, f64)], device: Device) -> Result<&'a Self> {
        match kept.take().filter(|kept| kept.each == prefixes) {
            Some(same) => Ok(kept.insert(same)),
            None => Ok(kept.insert(Self::new(prefixes, device)?)),
        }
    }

    /// Returns the number of latents and the factor of each.
    fn each(&self) -> &[(i64, f64)] {
        &self.each
    }

    /// Returns where they end, where there are several.
    pub(super) fn ends(&self) -> Option<&Tensor> {
        (self.each.len() > 1).then_some(&self.there.0)
    }
}

/// What the errors of a batch follow from.
pub struct Batch<'a> {
    /// The pairs, with their activations as values.
    pub pairs: &'a Pairs,
    /// `(S, d)`.
    pub decoder: &'a Tensor,
    /// `(d)`, if there is one.
    pub bias: Option<&'a Tensor>,
    /// What should come out, `(T, d)`.
    pub label: &'a Tensor,
    /// The prefixes of the latents that reconstruct.
    pub prefixes: &'a Prefixes,
    /// A factor of all errors.
    pub scale: f64,
}

impl Batch<'_> {
    /// Returns what both kernels that decode are told of it first.
    fn arguments(&self) -> Result<Vec<Argument<'_>>> {
        Ok(vec![
            Argument::floats(self.decoder)?,
            Argument::floats(self.bias)?,
            Argument::floats(self.label)?,
            Whole(self.decoder.size()[1]),
            Argument::of(&self.pairs.index, Kind::Int)?,
            Argument::floats(&self.pairs.value)?,
            Argument::of(&self.pairs.listed, Kind::Int)?,
            Whole(self.pairs.shape().1),
        ])
    }
}

/// The error of a batch's reconstructions by all latents, and what follows from it.
pub struct Decoded {
    /// `scale · weight · (reconstruction − label)`, `(1, T, d)`.
    pub residual: Tensor,
    /// `‖reconstruction − label‖²`, `(1, T)`.
    pub squared: Tensor,
    /// For each pair the product of its token's residual with the latent's row of the decoder, `(T, k)`; 0 where a row has
    /// no pair.
    pub slopes: Tensor,
}

/// Returns what [`residual`] and [`slopes`] give, in one pass over the decoder's rows; `None` where there are several
/// prefixes, or more pairs than a block holds.
///
/// # Errors
/// Shapes that do not agree; the device failed.
pub fn decode(launcher: &dyn Launcher, batch: &Batch<'_>) -> Result<Option<Decoded>> {
    let (tokens, stride) = batch.pairs.shape();
    let width = batch.decoder.size()[1];
    check("labels", batch.label, &[tokens, width])?;
    let ([(_, weight)], true) = (batch.prefixes.each(), stride <= HELD * launcher.threads() / WARP) else {
        return Ok(None);
    };
    let options = (Kind::Float, launcher.device());
    let decoded = Decoded {
        residual: Tensor::f_empty([1, tokens, width], options)?,
        squared: Tensor::f_empty([1, tokens], options)?,
        slopes: Tensor::f_empty([tokens, stride], options)?,
    };
    let mut arguments = batch.arguments()?;
    arguments.extend([
        Argument::Real(weight * batch.scale),
        Argument::floats(&decoded.residual)?,
        Argument::floats(&decoded.squared)?,
        Argument::floats(&decoded.slopes)?,
    ]);
    launcher.launch("decode_rows", Grid::rows(tokens), &arguments)?;
    Ok(Some(decoded))
}

/// Returns for each prefix and token the sum of `weight · scale · (reconstruction − label)` over this prefix and the longer
/// ones, `(n, T, d)`, and `‖reconstruction − label‖²`, `(n, T)`.
///
/// # Errors
/// Shapes that do not agree; the device failed.
pub fn residual(launcher: &dyn Launcher, batch: &Batch<'_>) -> Result<(Tensor, Tensor)> {
    let (tokens, _) = batch.pairs.shape();
    let width = batch.decoder.size()[1];
    check("labels", batch.label, &[tokens, width])?;
    let options = (Kind::Float, launcher.device());
    let prefixes = batch.prefixes.each.len() as i64;
    let residual = Tensor::f_empty([prefixes, tokens, width], options)?;
    let squared = Tensor::f_empty([prefixes, tokens], options)?;
    let mut arguments = batch.arguments()?;
    arguments.extend([
        Argument::of(&batch.prefixes.there.0, Kind::Int64)?,
        Argument::of(&batch.prefixes.there.1, Kind::Double)?,
        Whole(prefixes),
        Argument::Real(batch.scale),
        Whole(tokens * width),
        Argument::floats(&residual)?,
        Argument::floats(&squared)?,
    ]);
    launcher.launch("residual_rows", Grid::rows(tokens), &arguments)?;
    Ok((residual, squared))
}

/// Returns for each pair the product of its token's residual, of the shortest prefix with its latent, with the latent's row
/// of the decoder, `(T, k)`; 0 where a row has no pair.
///
/// # Errors
/// The device failed.
pub fn slopes(
    launcher: &dyn Launcher,
    pairs: &Pairs,
    residual: &Tensor,
    decoder: &Tensor,
    prefixes: &Prefixes,
) -> Result<Tensor> {
    let slopes = Pairs {
        index: pairs.index.shallow_clone(),
        value: pairs.value.f_zeros_like()?,
        listed: pairs.listed.shallow_clone(),
    };
    products(launcher, residual, decoder, None, &slopes, prefixes.ends())?;
    Ok(slopes.value)
}
