//! What is summed for logs, and which latents have been silent.

use super::launcher::{Argument, Grid, Launcher, check};
use super::rows::warps;
use super::sums;
use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor};

use Argument::{Real, Whole};

/// Values that one start of the kernel adds.
const TOGETHER: usize = 16;

/// What the figures of a step follow from, contiguous float32 unless said otherwise.
pub struct Measured<'a> {
    /// `‖reconstruction − label‖²` of each token, `(T)`.
    pub error: &'a Tensor,
    /// What should come out, `(T, d)`.
    pub label: &'a Tensor,
    /// The sum of all activations, 0-d.
    pub activation: &'a Tensor,
    /// How many latents were active over all tokens, int64 0-d.
    pub active: &'a Tensor,
    /// The relative variance that is nothing but rounding.
    pub rounding: f64,
}

/// Figures of one step, 0-d float32 on the device; NaN for what the batch does not have.
pub struct Figures {
    /// The explained variance, the same by its mean over the tokens, the mean length of the error, that over the mean
    /// length of the label.
    pub reconstruction: [Tensor; 4],
    /// The mean of the activations that are not 0.
    pub activation: Tensor,
    /// Active latents a token.
    pub l0: Tensor,
}

/// Returns the figures of one step, and adds the active latents to `total`, float64 0-d.
///
/// # Errors
/// Shapes that do not agree; the device failed.
pub fn figures(launcher: &dyn Launcher, measured: &Measured<'_>, total: &Tensor) -> Result<Figures> {
    let (tokens, width) = measured.label.size2().map_err(Error::from)?;
    check("squared errors", measured.error, &[tokens])?;
    let centre = sums::rows(launcher, measured.label, tokens as f64)?;
    let empty = |count: i64| Tensor::f_empty([count], (Kind::Float, launcher.device()));
    let (spread, squared, figures) = (empty(tokens)?, empty(tokens)?, empty(6)?);
    let arguments = [
        Argument::floats(measured.label)?,
        Argument::floats(&centre)?,
        Whole(tokens),
        Whole(width),
        Argument::floats(&spread)?,
        Argument::floats(&squared)?,
    ];
    launcher.launch("row_spread", warps(launcher, tokens), &arguments)?;
    let arguments = [
        Argument::floats(measured.error)?,
        Argument::floats(&spread)?,
        Argument::floats(&squared)?,
        Whole(tokens),
        Real(measured.rounding),
        Argument::floats(measured.activation)?,
        Argument::of(measured.active, Kind::Int64)?,
        Argument::of(total, Kind::Double)?,
        Argument::floats(&figures)?,
    ];
    launcher.launch("step_figures", Grid::rows(1), &arguments)?;
    let one = |at: i64| figures.f_get(at);
    Ok(Figures {
        reconstruction: [one(0)?, one(1)?, one(2)?, one(3)?],
        activation: one(4)?,
        l0: one(5)?,
    })
}

/// Adds values, float32 0-d, to `sums`, float64 `(2, n)`: each to its sum in the first row and 1 to its count in the
/// second, but for NaN and for what is not there.
///
/// # Errors
/// More or fewer than there are sums; the device failed.
pub fn add(launcher: &dyn Launcher, sums: &Tensor, values: &[Option<&Tensor>]) -> Result<()> {
    let names = values.len() as i64;
    check("sums", sums, &[2, names])?;
    for (group, values) in values.chunks(TOGETHER).enumerate() {
        let mut arguments = vec![
            Argument::of(sums, Kind::Double)?,
            Whole(names),
            Whole((group * TOGETHER) as i64),
        ];
        for place in 0..TOGETHER {
            arguments.push(Argument::floats(values.get(place).copied().flatten())?);
        }
        launcher.launch("add_values", Grid::rows(1), &arguments)?;
    }
    Ok(())
}

/// Returns for how many tokens each latent has not fired, int64 `(S)`, where that was `before` a batch of `tokens` tokens on
/// which it `fired (S)` so often.
///
/// # Errors
/// Shapes that differ; the device failed.
pub fn silence(launcher: &dyn Launcher, fired: &Tensor, before: &Tensor, tokens: i64) -> Result<Tensor> {
    let latents = before.numel() as i64;
    check("counts of firing", fired, &before.size())?;
    let after = Tensor::f_empty(before.size(), (Kind::Int64, launcher.device()))?;
    let arguments = [
        Argument::floats(fired)?,
        Argument::of(before, Kind::Int64)?,
        Whole(tokens),
        Whole(latents),
        Argument::of(&after, Kind::Int64)?,
    ];
    let blocks = (latents / launcher.threads() + 1).max(1);
    launcher.launch("count_silence", Grid::rows(blocks), &arguments)?;
    Ok(after)
}

/// Adds to `sums`, float64 `(S)`, how often each latent `fired (S)`.
///
/// # Errors
/// Shapes that differ; the device failed.
pub fn add_fired(launcher: &dyn Launcher, sums: &Tensor, fired: &Tensor) -> Result<()> {
    let latents = fired.numel() as i64;
    check("sums of firing", sums, &fired.size())?;
    let arguments = [
        Argument::floats(fired)?,
        Whole(latents),
        Argument::of(sums, Kind::Double)?,
    ];
    let blocks = latents / launcher.threads() + 1;
    launcher.launch("add_fired", Grid::rows(blocks), &arguments)
}
