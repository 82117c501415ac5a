//! Moves of the Adam family in one pass over parameter, moments and gradient, for float32 on the CPU.

use super::method::{EPSILON, Rates, State};
use crate::error::Result;
use crate::kernels::adam::{Moves, Moving, Rule, adam};
use crate::kernels::norms;
use crate::tensor::slices::{in_memory_order, numbers, numbers_mut};
use crate::tensor::{Device, Kind, Tensor};

/// Makes one move of the Adam family, `gradient` times `scale`, if the numbers lie as the kernel wants them. Returns
/// whether it has.
///
/// # Errors
/// None in practice.
pub(super) fn step(
    parameter: &Tensor,
    gradient: &Tensor,
    state: &mut State,
    rates: &Rates,
    moves: Moves,
    scale: f64,
) -> Result<bool> {
    if parameter.device() != Device::Cpu || parameter.f_kind()? != Kind::Float || parameter.numel() == 0 {
        return Ok(false);
    }
    let [mean, square] = &state.tensors[..] else {
        return Ok(false);
    };
    let detached = parameter.f_detach()?;
    let ordered = [&detached, mean, square, gradient].map(in_memory_order);
    let [
        Some(mut parameter),
        Some(mut mean),
        Some(mut square),
        Some(gradient),
    ] = ordered
    else {
        return Ok(false);
    };
    if [&mean, &square, &gradient]
        .iter()
        .any(|other| other.size() != parameter.size())
    {
        return Ok(false);
    }
    let gradient = numbers(&gradient)?;
    if moves == Moves::WhereGradient && norms::statistics(gradient, &mut Vec::new()).nonzeros == 0 {
        return Ok(true);
    }
    state.steps += 1;
    let rule = Rule {
        lr: rates.lr,
        beta1: rates.beta1,
        beta2: rates.beta2,
        epsilon: EPSILON,
        weight_decay: rates.decays(),
        step: state.steps as i32,
        gradient_scale: scale as f32,
        moves,
    };
    let moving = Moving {
        parameter: numbers_mut(&mut parameter)?,
        mean: numbers_mut(&mut mean)?,
        square: numbers_mut(&mut square)?,
        gradient,
    };
    adam(moving, &rule);
    Ok(true)
}
