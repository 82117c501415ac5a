//! Moves of the Adam family in one pass over parameter, moments and gradient, for float32: on the CPU, and by kernels for
//! GPUs where a launcher is given.

use super::method::{EPSILON, Rates, State};
use crate::error::Result;
use crate::kernels::adam::{Moves, Moving, Rule, adam};
use crate::kernels::cuda::{self, Launcher};
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
    if parameter.device() != Device::Cpu {
        return Ok(false);
    }
    let Some([mut parameter, mut mean, mut square, gradient]) = in_order(parameter, gradient, state)? else {
        return Ok(false);
    };
    let gradient = numbers(&gradient)?;
    if moves == Moves::WhereGradient && norms::statistics(gradient).nonzeros == 0 {
        return Ok(true);
    }
    state.steps += 1;
    let rule = rule(state, rates, moves, scale);
    let moving = Moving {
        parameter: numbers_mut(&mut parameter)?,
        mean: numbers_mut(&mut mean)?,
        square: numbers_mut(&mut square)?,
        gradient,
    };
    adam(moving, &rule);
    Ok(true)
}

/// Makes one move as [`step`] does, by the kernels that `launcher` starts. Nothing is read back from the device: where there
/// has to be a gradient, it counts the moves itself.
///
/// # Errors
/// The device failed.
pub(super) fn step_on(
    launcher: &dyn Launcher,
    (parameter, state): (&Tensor, &mut State),
    gradient: &Tensor,
    (rates, moves): (&Rates, Moves),
    scale: Option<&Tensor>,
) -> Result<bool> {
    if parameter.device() != launcher.device() {
        return Ok(false);
    }
    let Some([parameter, mean, square, gradient]) = in_order(parameter, gradient, state)? else {
        return Ok(false);
    };
    let due = if moves == Moves::WhereGradient {
        let rule = rule(state, rates, moves, 1.0);
        let counted = state.counted_on(launcher.device())?;
        Some(cuda::adam::due(launcher, &gradient, counted, &rule)?)
    } else {
        state.steps += 1;
        None
    };
    let scale = scale.map(|scale| scale.f_to_kind(Kind::Double)).transpose()?;
    let moving = cuda::adam::Moving {
        parameter: &parameter,
        mean: &mean,
        square: &square,
        gradient: &gradient,
        scale: scale.as_ref(),
        due: due.as_ref(),
    };
    cuda::adam::adam(launcher, &moving, &rule(state, rates, moves, 1.0))?;
    Ok(true)
}

/// Returns parameter, moments and gradient with their dimensions in the order of memory, where they are float32 numbers of
/// one shape that lie so.
fn in_order(parameter: &Tensor, gradient: &Tensor, state: &State) -> Result<Option<[Tensor; 4]>> {
    let [mean, square] = &state.tensors[..] else {
        return Ok(None);
    };
    if parameter.f_kind()? != Kind::Float || parameter.numel() == 0 {
        return Ok(None);
    }
    let detached = parameter.f_detach()?;
    let ordered = [&detached, mean, square, gradient].map(in_memory_order);
    let [Some(parameter), Some(mean), Some(square), Some(gradient)] = ordered else {
        return Ok(None);
    };
    let is_same = |other: &Tensor| other.size() == parameter.size();
    if ![&mean, &square, &gradient].into_iter().all(is_same) {
        return Ok(None);
    }
    Ok(Some([parameter, mean, square, gradient]))
}

/// Returns how far the numbers of a parameter move.
fn rule(state: &State, rates: &Rates, moves: Moves, scale: f64) -> Rule {
    Rule {
        lr: rates.lr,
        beta1: rates.beta1,
        beta2: rates.beta2,
        epsilon: EPSILON,
        weight_decay: rates.decays(),
        step: state.steps as i32,
        gradient_scale: scale as f32,
        moves,
    }
}
