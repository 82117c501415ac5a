//! Optimisers and gradient clipping.

mod adam;
mod clip;
mod sparse_adam;

pub use clip::{GradientNorms, clip};

use super::config::{OptimizerClass, TrainerConfig};
use crate::dictionary::{LOG_THRESHOLD, SparseAutoEncoder};
use crate::error::Result;
use crate::tensor::Tensor;

/// First and second moment of one parameter, and how often it was moved.
#[derive(Debug)]
pub struct Moments {
    /// Running mean of the gradient.
    pub exp_avg: Tensor,
    /// Running mean of its square.
    pub exp_avg_sq: Tensor,
    /// Moves so far.
    pub steps: u64,
}

/// The numbers that one move needs.
#[derive(Clone, Copy, Debug)]
struct Rates {
    lr: f64,
    beta1: f64,
    beta2: f64,
}

/// Added to the root of the second moment, as in PyTorch.
const EPSILON: f64 = 1e-8;

/// The optimiser of one training: a kind, and the moments of every parameter in the order of
/// [`SparseAutoEncoder::parameters`].
#[derive(Debug)]
pub struct Optimizer {
    class: OptimizerClass,
    betas: (f64, f64),
    threshold_factor: f64,
    moments: Vec<Moments>,
}

impl Optimizer {
    /// A fresh optimiser for the parameters of `sae`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new(cfg: &TrainerConfig, sae: &SparseAutoEncoder) -> Result<Self> {
        let moments = sae.parameters().into_iter().map(|(_, parameter)| {
            let zeros = || -> Result<Tensor> { Ok(parameter.f_detach()?.f_zeros_like()?) };
            Ok(Moments {
                exp_avg: zeros()?,
                exp_avg_sq: zeros()?,
                steps: 0,
            })
        });
        Ok(Self {
            class: cfg.optimizer_class,
            betas: cfg.betas,
            threshold_factor: cfg.jumprelu_lr_factor,
            moments: moments.collect::<Result<_>>()?,
        })
    }

    /// Moves every parameter by its gradient, in the same order. Thresholds have a learning rate of their own.
    ///
    /// # Errors
    /// Too little memory.
    pub fn step(&mut self, sae: &SparseAutoEncoder, gradients: &[Tensor], lr: f64) -> Result<()> {
        let _no_grad = tch::no_grad_guard();
        let parameters = sae.parameters();
        for (((name, parameter), gradient), moments) in
            parameters.into_iter().zip(gradients).zip(&mut self.moments)
        {
            let factor = if name == LOG_THRESHOLD {
                self.threshold_factor
            } else {
                1.0
            };
            let rates = Rates {
                lr: lr * factor,
                beta1: self.betas.0,
                beta2: self.betas.1,
            };
            let mut parameter = parameter.shallow_clone();
            match self.class {
                OptimizerClass::Adam => adam::step(&mut parameter, gradient, moments, rates)?,
                OptimizerClass::SparseAdam => sparse_adam::step(&mut parameter, gradient, moments, rates)?,
            }
        }
        Ok(())
    }

    /// The moments, in the order of the parameters.
    pub fn moments(&self) -> &[Moments] {
        &self.moments
    }

    /// The moments, to be restored from a checkpoint.
    pub fn moments_mut(&mut self) -> &mut [Moments] {
        &mut self.moments
    }
}
