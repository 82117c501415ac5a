//! The errors of reconstructions, and the derivatives by the activations of pairs.

use super::launcher::{Argument, Grid, Launcher, check};
use super::pairs::{Pairs, products};
use super::prefixes::Prefixes;
use crate::error::Result;
use crate::tensor::{Kind, Tensor};

use Argument::Whole;

/// The most pairs that a warp holds, as in `decode.cu`.
const HELD: i64 = 8;
/// Threads of a warp.
const WARP: i64 = 32;

/// What the errors of a batch follow from.
pub struct Batch<'a> {
    /// The pairs, with their activations as values.
    pub pairs: &'a Pairs,
    /// The latents of the pairs that somebody asks for the derivative by the activation of; -1 of others. int32, in the shape of
    /// theirs.
    pub reached: &'a Tensor,
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
    /// Returns what kernels that decode are told of it first, with these latents of its pairs.
    fn arguments<'b>(&'b self, latents: &'b Tensor) -> Result<Vec<Argument<'b>>> {
        let [listed, starts, stride] = self.pairs.layout()?;
        Ok(vec![
            Argument::floats(self.decoder)?,
            Argument::floats(self.bias)?,
            Argument::floats(self.label)?,
            Whole(self.decoder.size()[1]),
            Argument::of(latents, Kind::Int)?,
            Argument::floats(&self.pairs.value)?,
            listed,
            starts,
            stride,
        ])
    }
}

/// The error of a batch's reconstructions by all latents, and what follows from it.
pub struct Decoded {
    /// `scale · weight · (reconstruction − label)`, `(1, T, d)`.
    pub residual: Tensor,
    /// `‖reconstruction − label‖²`, `(1, T)`.
    pub squared: Tensor,
    /// For each pair the product of its token's residual with the latent's row of the decoder, in the shape of their values; 0
    /// where a row has no pair, and where nobody asks.
    pub slopes: Tensor,
}

/// Returns what [`residual`] and [`slopes`] give, in one pass over the decoder's rows; `None` where there are several
/// prefixes, or there may be more pairs than a block holds of each token. Where pairs lie one after the other, tokens that have
/// more take two passes.
///
/// # Errors
/// Shapes that do not agree; the device failed.
pub fn decode(launcher: &dyn Launcher, batch: &Batch<'_>) -> Result<Option<Decoded>> {
    let (tokens, stride) = (batch.pairs.tokens(), batch.pairs.stride());
    let width = batch.decoder.size()[1];
    check("labels", batch.label, &[tokens, width])?;
    let is_held = batch.pairs.places.is_some() || stride <= HELD * launcher.threads() / WARP;
    let ([(_, weight)], true) = (batch.prefixes.each(), is_held) else {
        return Ok(None);
    };
    let options = (Kind::Float, launcher.device());
    let decoded = Decoded {
        residual: Tensor::f_empty([1, tokens, width], options)?,
        squared: Tensor::f_empty([1, tokens], options)?,
        slopes: match batch.pairs.places {
            // Nothing is written to places that are left over.
            Some(_) => batch.pairs.value.f_zeros_like()?,
            None => Tensor::f_empty([tokens, stride], options)?,
        },
    };
    let mut arguments = batch.arguments(batch.reached)?;
    arguments.extend([
        Argument::Real(weight * batch.scale),
        Argument::floats(&decoded.residual)?,
        Argument::floats(&decoded.squared)?,
        Argument::floats(&decoded.slopes)?,
    ]);
    let kernel = match batch.pairs.places {
        Some(_) => "decode_lists",
        None => "decode_rows",
    };
    launcher.launch(kernel, Grid::rows(tokens), &arguments)?;
    Ok(Some(decoded))
}

/// Returns for each prefix and token the sum of `weight · scale · (reconstruction − label)` over this prefix and the longer
/// ones, `(n, T, d)`, and `‖reconstruction − label‖²`, `(n, T)`.
///
/// # Errors
/// Shapes that do not agree; the device failed.
pub fn residual(launcher: &dyn Launcher, batch: &Batch<'_>) -> Result<(Tensor, Tensor)> {
    let tokens = batch.pairs.tokens();
    let width = batch.decoder.size()[1];
    check("labels", batch.label, &[tokens, width])?;
    let options = (Kind::Float, launcher.device());
    let (ends, weights) = batch.prefixes.there();
    let prefixes = batch.prefixes.each().len() as i64;
    let residual = Tensor::f_empty([prefixes, tokens, width], options)?;
    let squared = Tensor::f_empty([prefixes, tokens], options)?;
    let mut arguments = batch.arguments(&batch.pairs.index)?;
    arguments.extend([
        Argument::of(ends, Kind::Int64)?,
        Argument::of(weights, Kind::Double)?,
        Whole(prefixes),
        Argument::Real(batch.scale),
        Whole(tokens * width),
        Argument::floats(&residual)?,
        Argument::floats(&squared)?,
    ]);
    launcher.launch("residual_rows", Grid::rows(tokens), &arguments)?;
    Ok((residual, squared))
}

/// Returns for each pair the product of its token's `residual (n, T, d)`, of the shortest prefix with its latent, with the
/// latent's row of the decoder, in the shape of their values; 0 where a row has no pair, and where nobody asks.
///
/// # Errors
/// The device failed.
pub fn slopes(launcher: &dyn Launcher, batch: &Batch<'_>, residual: &Tensor) -> Result<Tensor> {
    let mut slopes = batch.pairs.with_values(&batch.pairs.value.f_zeros_like()?)?;
    slopes.index = batch.reached.shallow_clone();
    products(
        launcher,
        residual,
        batch.decoder,
        None,
        &slopes,
        Some(batch.prefixes),
    )?;
    Ok(slopes.value)
}
