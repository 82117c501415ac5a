//! The errors of reconstructions, and the derivatives by the activations of pairs.

use super::encode::{Pairs, products};
use super::launcher::{Argument, Grid, Launcher, check};
use crate::error::Result;
use crate::tensor::{Device, Kind, Tensor};

use Argument::Whole;

/// The prefixes of the latents that reconstruct, from the shortest to all, on the device.
pub struct Prefixes {
    ends: Tensor,
    weight: Tensor,
}

impl Prefixes {
    /// Returns the prefixes with these numbers of latents and factors of their errors.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new(prefixes: &[(i64, f64)], device: Device) -> Result<Self> {
        let (ends, weight): (Vec<i64>, Vec<f64>) = prefixes.iter().copied().unzip();
        Ok(Self {
            ends: Tensor::f_from_slice(&ends)?.f_to_device(device)?,
            weight: Tensor::f_from_slice(&weight)?.f_to_device(device)?,
        })
    }

    /// Returns how many there are.
    pub fn count(&self) -> i64 {
        self.ends.numel() as i64
    }

    /// Returns where they end, where there are several.
    pub(super) fn ends(&self) -> Option<&Tensor> {
        (self.count() > 1).then_some(&self.ends)
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

/// Returns for each prefix and token the sum of `weight · scale · (reconstruction − label)` over this prefix and the longer
/// ones, `(n, T, d)`, and `‖reconstruction − label‖²`, `(n, T)`.
///
/// # Errors
/// Shapes that do not agree; the device failed.
pub fn residual(launcher: &dyn Launcher, batch: &Batch<'_>) -> Result<(Tensor, Tensor)> {
    let (tokens, stride) = batch.pairs.shape();
    let width = batch.decoder.size()[1];
    check("labels", batch.label, &[tokens, width])?;
    let options = (Kind::Float, launcher.device());
    let prefixes = batch.prefixes.count();
    let residual = Tensor::f_empty([prefixes, tokens, width], options)?;
    let squared = Tensor::f_empty([prefixes, tokens], options)?;
    let arguments = [
        Argument::floats(batch.decoder)?,
        Argument::floats(batch.bias)?,
        Argument::floats(batch.label)?,
        Whole(width),
        Argument::of(&batch.pairs.index, Kind::Int)?,
        Argument::floats(&batch.pairs.value)?,
        Argument::of(&batch.pairs.listed, Kind::Int)?,
        Whole(stride),
        Argument::of(&batch.prefixes.ends, Kind::Int64)?,
        Argument::of(&batch.prefixes.weight, Kind::Double)?,
        Whole(prefixes),
        Argument::Real(batch.scale),
        Whole(tokens * width),
        Argument::floats(&residual)?,
        Argument::floats(&squared)?,
    ];
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
