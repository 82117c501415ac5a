//! Signum (<https://arxiv.org/abs/1802.04434>): every number moves by the learning rate, against the sign of the gradient's
//! running mean.

use super::method::{Method, Rates, Setting, State};
use crate::dictionary::Role;
use crate::error::Result;
use crate::tensor::Tensor;

#[derive(Debug)]
pub(super) struct Signum;

impl Method for Signum {
    fn keeps(&self, _role: Role) -> &'static [&'static str] {
        &["exp_avg"]
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting::Momentum]
    }

    /// Makes one move: `m = μ m + (1 − μ) g`, `p −= lr · sign(m)`.
    fn step(&self, parameter: &mut Tensor, gradient: &Tensor, state: &mut State, rates: Rates) -> Result<()> {
        state.steps += 1;
        for mean in &mut state.tensors {
            let gain = gradient.f_mul_scalar(1.0 - rates.momentum)?;
            let _ = mean.f_mul_scalar_(rates.momentum)?.f_add_(&gain)?;
            let _ = parameter.f_sub_(&mean.f_sign()?.f_mul_scalar_(rates.lr)?)?;
        }
        Ok(())
    }
}
