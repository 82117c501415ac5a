//! Adam for dictionaries: only what has a gradient moves.

use super::adam::MOMENTS;
use super::method::{EPSILON, Method, Rates, Setting, State};
use crate::dictionary::Role;
use crate::error::Result;
use crate::kernels::adam::Moves;
use crate::tensor::Tensor;

#[derive(Debug)]
pub(super) struct SparseAdam;

impl Method for SparseAdam {
    fn keeps(&self, _role: Role) -> &'static [&'static str] {
        MOMENTS
    }

    fn kernel(&self, _role: Role) -> Option<Moves> {
        Some(Moves::WhereGradient)
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting::Betas]
    }

    /// Makes one move in which moments decay everywhere, but gain, and the parameter moves, only where the gradient is
    /// not 0; a gradient that is 0 throughout leaves everything as it was.
    fn step(&self, parameter: &mut Tensor, gradient: &Tensor, state: &mut State, rates: Rates) -> Result<()> {
        let active = gradient.f_ne(0.0)?;
        if active.f_any()?.f_int64_value(&[])? == 0 {
            return Ok(());
        }
        state.steps += 1;
        let power = state.steps as i32;
        let correction1 = 1.0 - rates.beta1.powi(power);
        let correction2 = 1.0 - rates.beta2.powi(power);
        let [exp_avg, exp_avg_sq] = &mut state.tensors[..] else {
            return Ok(());
        };
        let gain = gradient.f_mul_scalar(1.0 - rates.beta1)?;
        let _ = exp_avg.f_mul_scalar_(rates.beta1)?.f_add_(&gain)?;
        let gain = gradient.f_square()?.f_mul_scalar_(1.0 - rates.beta2)?;
        let _ = exp_avg_sq.f_mul_scalar_(rates.beta2)?.f_add_(&gain)?;
        let scale = exp_avg_sq.f_sqrt()?.f_add_scalar_(EPSILON)?;
        let update = exp_avg
            .f_div(&scale)?
            .f_mul_scalar_(rates.lr * correction2.sqrt() / correction1)?
            .f_mul_(&active)?;
        let _ = parameter.f_sub_(&update)?;
        Ok(())
    }
}
