//! The optimiser of one training.

use super::fused;
use super::method::{Method, Rates, State};
use crate::dictionary::{Role, SparseAutoEncoder};
use crate::error::Result;
use crate::kernels::cuda::Launcher;
use crate::tensor::{Device, Tensor, no_grad_guard};
use crate::train::config::TrainerConfig;
use crate::train::kept::{Kept, Saved, Saving};

/// The optimiser of one training: a method, and what it remembers of every parameter in the order of
/// [`SparseAutoEncoder::parameters`].
#[derive(Debug)]
pub struct Optimizer {
    method: &'static dyn Method,
    cfg: Coefficients,
    states: Vec<State>,
}

/// The settings that do not change over the training.
#[derive(Clone, Copy, Debug)]
struct Coefficients {
    betas: (f64, f64),
    momentum: f64,
    weight_decay: f64,
    threshold_factor: f64,
}

impl Optimizer {
    /// Returns a fresh optimiser for the parameters of `sae`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new(cfg: &TrainerConfig, sae: &SparseAutoEncoder) -> Result<Self> {
        let method = cfg.optimizer_class.method();
        let states = sae.parameters().iter().map(|parameter| {
            let zeros = |_: &&str| -> Result<Tensor> { Ok(parameter.tensor.f_detach()?.f_zeros_like()?) };
            let kinds = method.keeps(parameter.role);
            Ok(State {
                name: parameter.name,
                kinds,
                tensors: kinds.iter().map(zeros).collect::<Result<_>>()?,
                steps: 0,
                counted: None,
            })
        });
        Ok(Self {
            method,
            cfg: Coefficients {
                betas: cfg.betas,
                momentum: cfg.momentum,
                weight_decay: cfg.weight_decay,
                threshold_factor: cfg.jumprelu_lr_factor,
            },
            states: states.collect::<Result<_>>()?,
        })
    }

    /// Returns what it remembers of each parameter, in the order of the dictionary's.
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// Moves every parameter by its gradient, in the same order. Thresholds have a learning rate of their own; the
    /// gradients of all others are multiplied by `scale` (0-d) first, if it is there. Kernels for a GPU are those of
    /// `launcher`, and none is put off any more when this returns.
    ///
    /// # Errors
    /// Too little memory; the device failed.
    pub fn step(
        &mut self,
        sae: &SparseAutoEncoder,
        gradients: &[Tensor],
        (lr, scale): (f64, Option<&Tensor>),
        launcher: Option<&dyn Launcher>,
    ) -> Result<()> {
        let _no_grad = no_grad_guard();
        let parameters = sae.parameters().iter();
        for ((parameter, gradient), state) in parameters.zip(gradients).zip(&mut self.states) {
            let factor = if parameter.role == Role::Threshold {
                self.cfg.threshold_factor
            } else {
                1.0
            };
            let rates = Rates {
                role: parameter.role,
                lr: lr * factor,
                beta1: self.cfg.betas.0,
                beta2: self.cfg.betas.1,
                momentum: self.cfg.momentum,
                weight_decay: self.cfg.weight_decay,
            };
            let scale = scale.filter(|_| parameter.role != Role::Threshold);
            let moved = match (self.method.kernel(parameter.role), launcher) {
                (Some(moves), Some(launcher)) => {
                    let kept = (&parameter.tensor, &mut *state);
                    fused::step_on(launcher, kept, gradient, (&rates, moves), scale)?
                }
                _ => false,
            };
            if !moved {
                state.count_here()?;
                self.method.go(&parameter.tensor, gradient, state, rates, scale)?;
            }
        }
        launcher.map_or(Ok(()), Launcher::flush)
    }
}

impl dyn Method {
    /// Moves one parameter, by the kernel where there is one for these numbers.
    pub(super) fn go(
        &self,
        parameter: &Tensor,
        gradient: &Tensor,
        state: &mut State,
        rates: Rates,
        scale: Option<&Tensor>,
    ) -> Result<()> {
        if let Some(moves) = self.kernel(rates.role)
            && parameter.device() == Device::Cpu
        {
            let factor = match scale {
                Some(scale) => scale.f_double_value(&[])?,
                None => 1.0,
            };
            if fused::step(parameter, gradient, state, &rates, moves, factor)? {
                return Ok(());
            }
        }
        let mut parameter = parameter.shallow_clone();
        match scale {
            Some(scale) => {
                let scaled = gradient.f_mul(&scale.f_to_kind(gradient.f_kind()?)?)?;
                self.step(&mut parameter, &scaled, state, rates)
            }
            None => self.step(&mut parameter, gradient, state, rates),
        }
    }
}

impl Kept for Optimizer {
    fn save(&self, checkpoint: &mut Saving) -> Result<()> {
        for state in &self.states {
            for (kind, tensor) in state.kinds.iter().zip(&state.tensors) {
                checkpoint.tensor(format!("{kind}.{}", state.name), tensor);
            }
            checkpoint.fact(format!("moves.{}", state.name), state.moves()?)?;
        }
        Ok(())
    }

    fn restore(&mut self, checkpoint: &Saved) -> Result<()> {
        for state in &mut self.states {
            for (kind, tensor) in state.kinds.iter().zip(&mut state.tensors) {
                checkpoint.fill(tensor, &format!("{kind}.{}", state.name))?;
            }
            state.steps = checkpoint.fact(&format!("moves.{}", state.name))?;
            state.counted = None;
        }
        Ok(())
    }
}
