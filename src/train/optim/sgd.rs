//! Stochastic gradient descent with momentum, with PyTorch's arithmetic.

use super::method::{Method, Rates, Setting, State};
use crate::dictionary::Role;
use crate::error::Result;
use crate::tensor::Tensor;

#[derive(Debug)]
pub(super) struct Sgd;

impl Method for Sgd {
    fn keeps(&self, _role: Role) -> &'static [&'static str] {
        &["momentum_buffer"]
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting::Momentum]
    }

    /// Makes one move: `b = μ b + g`, `p −= lr · b`.
    fn step(&self, parameter: &mut Tensor, gradient: &Tensor, state: &mut State, rates: Rates) -> Result<()> {
        state.steps += 1;
        for buffer in &mut state.tensors {
            let _ = buffer.f_mul_scalar_(rates.momentum)?.f_add_(gradient)?;
            let _ = parameter.f_sub_(&buffer.f_mul_scalar(rates.lr)?)?;
        }
        Ok(())
    }
}
