//! Adam with weight decay apart from the gradients (<https://arxiv.org/abs/1711.05101>), with PyTorch's arithmetic.

use super::adam::{self, MOMENTS};
use super::method::{Method, Rates, Setting, State};
use crate::dictionary::Role;
use crate::error::Result;
use crate::kernels::adam::Moves;
use crate::tensor::Tensor;

#[derive(Debug)]
pub(super) struct AdamW;

impl Method for AdamW {
    fn keeps(&self, _role: Role) -> &'static [&'static str] {
        MOMENTS
    }

    fn kernel(&self, _role: Role) -> Option<Moves> {
        Some(Moves::All)
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting::Betas, Setting::WeightDecay]
    }

    /// Makes one move: `p *= 1 − lr · decay`, then as Adam.
    fn step(&self, parameter: &mut Tensor, gradient: &Tensor, state: &mut State, rates: Rates) -> Result<()> {
        rates.decay(parameter)?;
        adam::step(parameter, gradient, state, rates)
    }
}
