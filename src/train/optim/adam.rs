//! Adam (<https://arxiv.org/abs/1412.6980>) with PyTorch's arithmetic, without weight decay.

use super::method::{EPSILON, Method, Rates, Setting, State};
use crate::dictionary::Role;
use crate::error::Result;
use crate::kernels::adam::Moves;
use crate::tensor::Tensor;

#[derive(Debug)]
pub(super) struct Adam;

/// The running means of the gradient and of its square.
pub(super) const MOMENTS: &[&str] = &["exp_avg", "exp_avg_sq"];

impl Method for Adam {
    fn keeps(&self, _role: Role) -> &'static [&'static str] {
        MOMENTS
    }

    fn kernel(&self, _role: Role) -> Option<Moves> {
        Some(Moves::All)
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting::Betas]
    }

    fn step(&self, parameter: &mut Tensor, gradient: &Tensor, state: &mut State, rates: Rates) -> Result<()> {
        step(parameter, gradient, state, rates)
    }
}

/// Makes one move: `p −= lr · m̂ / (√v̂ + ε)` with bias-corrected moments.
pub(super) fn step(parameter: &mut Tensor, gradient: &Tensor, state: &mut State, rates: Rates) -> Result<()> {
    state.steps += 1;
    let power = state.steps as i32;
    let correction1 = 1.0 - rates.beta1.powi(power);
    let correction2 = (1.0 - rates.beta2.powi(power)).sqrt();
    let [exp_avg, exp_avg_sq] = &mut state.tensors[..] else {
        return Ok(());
    };
    let _ = exp_avg.f_lerp_(gradient, 1.0 - rates.beta1)?;
    let square = gradient.f_square()?.f_mul_scalar_(1.0 - rates.beta2)?;
    let _ = exp_avg_sq.f_mul_scalar_(rates.beta2)?.f_add_(&square)?;
    let scale = exp_avg_sq
        .f_sqrt()?
        .f_div_scalar_(correction2)?
        .f_add_scalar_(EPSILON)?;
    let update = exp_avg.f_div(&scale)?.f_mul_scalar_(rates.lr / correction1)?;
    let _ = parameter.f_sub_(&update)?;
    Ok(())
}
