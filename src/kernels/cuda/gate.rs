//! What activation functions make of pairs.

use super::launcher::{Argument, Grid, Launcher};
use super::pairs::Pairs;
use crate::error::Result;
use crate::tensor::{Kind, Tensor};

use Argument::{Real, Whole};

/// What pre-activations are compared with.
pub struct Gate<'a> {
    /// `(S)`: what they are multiplied with before.
    pub factor: Option<&'a Tensor>,
    /// `(S)`: what they have to be above, where that is not 0.
    pub threshold: Option<&'a Tensor>,
    /// How far below its threshold one still has a derivative by it.
    pub reach: f64,
}

/// What became of the pairs, in the shape of their values.
pub struct Gated {
    /// The activations, float32: the pre-activations, or 0 where they are not above what they have to be. NaN stays.
    pub activation: Tensor,
    /// 1 where the activation is above 0, else 0, float32.
    pub on: Tensor,
    /// The latents of pairs that the loss has a derivative by the activation of, or by the threshold of; of others -1. int32.
    pub reached: Tensor,
}

/// Returns what becomes of `pairs` of `latents` latents.
///
/// # Errors
/// The device failed.
pub fn gate(launcher: &dyn Launcher, pairs: &Pairs, latents: i64, gate: &Gate<'_>) -> Result<Gated> {
    let gated = Gated {
        activation: pairs.value.f_empty_like()?,
        on: pairs.value.f_empty_like()?,
        reached: pairs.index.f_empty_like()?,
    };
    let arguments = [
        Argument::of(&pairs.index, Kind::Int)?,
        Argument::floats(&pairs.value)?,
        Whole(pairs.room()),
        Argument::floats(gate.factor)?,
        Argument::floats(gate.threshold)?,
        Real(gate.reach),
        Whole(latents),
        Argument::floats(&gated.activation)?,
        Argument::floats(&gated.on)?,
        Argument::of(&gated.reached, Kind::Int)?,
    ];
    let blocks = pairs.room() / launcher.threads() + 1;
    launcher.launch("gate_pairs", Grid::rows(blocks), &arguments)?;
    Ok(gated)
}
