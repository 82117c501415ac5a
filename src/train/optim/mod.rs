//! Optimisers and gradient clipping. An optimiser is one file and one row of [`OptimizerClass::method`].

mod adam;
mod adamw;
mod clip;
mod muon;
mod sgd;
mod signum;
mod sparse_adam;

pub use clip::{GradientNorms, clip};

use std::fmt::Debug;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::TrainerConfig;
use crate::dictionary::{Role, SparseAutoEncoder};
use crate::error::Result;
use crate::tensor::Tensor;

/// Which optimiser moves the parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerClass {
    /// Adam (<https://arxiv.org/abs/1412.6980>) as in PyTorch.
    #[default]
    Adam,
    /// Adam that moves only what has a gradient, so that a latent which wakes up is not thrown by stale moments.
    SparseAdam,
    /// Adam whose `weight_decay` shrinks the matrices apart from the gradients (<https://arxiv.org/abs/1711.05101>).
    AdamW,
    /// Gradient descent with `momentum`, as in PyTorch.
    Sgd,
    /// The sign of a running mean of the gradient, by `momentum` (<https://arxiv.org/abs/1802.04434>).
    Signum,
    /// Matrices along the nearest orthogonal matrix to their gradient's running mean, by `momentum`; everything else by
    /// AdamW (<https://kellerjordan.github.io/posts/muon>).
    Muon,
}

impl OptimizerClass {
    /// The table of optimisers.
    fn method(self) -> &'static dyn Method {
        match self {
            OptimizerClass::Adam => &adam::Adam,
            OptimizerClass::SparseAdam => &sparse_adam::SparseAdam,
            OptimizerClass::AdamW => &adamw::AdamW,
            OptimizerClass::Sgd => &sgd::Sgd,
            OptimizerClass::Signum => &signum::Signum,
            OptimizerClass::Muon => &muon::Muon,
        }
    }

    /// Returns how many numbers it keeps for each number of a parameter.
    pub fn kept(self, role: Role) -> usize {
        self.method().keeps(role).len()
    }

    /// Does it use this setting?
    pub fn uses(self, setting: Setting) -> bool {
        self.method().settings().contains(&setting)
    }
}

/// Settings that only some optimisers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `betas`.
    Betas,
    /// `weight_decay`.
    WeightDecay,
    /// `momentum`.
    Momentum,
}

/// How an optimiser moves one parameter. What it remembers stands in a [`State`].
trait Method: Debug + Sync {
    /// Returns the names of the tensors that it keeps for a parameter, each of the parameter's shape.
    fn keeps(&self, role: Role) -> &'static [&'static str];

    /// Returns the settings that it uses.
    fn settings(&self) -> &'static [Setting];

    /// Moves a parameter by its gradient.
    ///
    /// # Errors
    /// Too little memory.
    fn step(&self, parameter: &mut Tensor, gradient: &Tensor, state: &mut State, rates: Rates) -> Result<()>;
}

/// What an optimiser remembers of one parameter.
#[derive(Debug)]
pub struct State {
    /// Tensors of the parameter's shape, in the order of their names.
    pub tensors: Vec<Tensor>,
    /// Moves so far.
    pub steps: u64,
}

/// The numbers that one move needs.
#[derive(Clone, Copy, Debug)]
struct Rates {
    role: Role,
    lr: f64,
    beta1: f64,
    beta2: f64,
    momentum: f64,
    weight_decay: f64,
}

impl Rates {
    /// Shrinks a matrix by its decay, apart from the gradient. Biases and thresholds have none.
    fn decay(&self, parameter: &mut Tensor) -> Result<()> {
        if self.role == Role::Weight && self.weight_decay != 0.0 {
            let _ = parameter.f_mul_scalar_(1.0 - self.lr * self.weight_decay)?;
        }
        Ok(())
    }
}

/// Added to the root of the second moment, as in PyTorch.
const EPSILON: f64 = 1e-8;

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
            let kept = method.keeps(parameter.role).iter();
            Ok(State {
                tensors: kept.map(zeros).collect::<Result<_>>()?,
                steps: 0,
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

    /// Moves every parameter by its gradient, in the same order. Thresholds have a learning rate of their own.
    ///
    /// # Errors
    /// Too little memory.
    pub fn step(&mut self, sae: &SparseAutoEncoder, gradients: &[Tensor], lr: f64) -> Result<()> {
        let _no_grad = tch::no_grad_guard();
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
            let mut tensor = parameter.tensor.shallow_clone();
            self.method.step(&mut tensor, gradient, state, rates)?;
        }
        Ok(())
    }

    /// What is remembered of each parameter, with the names of its tensors.
    pub fn states<'a>(
        &'a mut self,
        sae: &'a SparseAutoEncoder,
    ) -> impl Iterator<Item = (&'static str, &'static [&'static str], &'a mut State)> {
        let method = self.method;
        let parameters = sae.parameters().iter();
        parameters
            .zip(&mut self.states)
            .map(move |(parameter, state)| (parameter.name, method.keeps(parameter.role), state))
    }
}

#[cfg(test)]
mod tests;
