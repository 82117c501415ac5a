//! What every optimiser is.

use std::fmt::Debug;

use crate::dictionary::Role;
use crate::error::Result;
use crate::kernels::adam::Moves;
use crate::tensor::{Device, Kind, Tensor};

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
pub(super) trait Method: Debug + Sync {
    /// Returns the names of the tensors that it keeps for a parameter, each of the parameter's shape.
    fn keeps(&self, role: Role) -> &'static [&'static str];

    /// Returns the settings that it uses.
    fn settings(&self) -> &'static [Setting];

    /// Returns which numbers of a parameter Adam's kernel moves as this method would; `None` where it does something
    /// else.
    fn kernel(&self, role: Role) -> Option<Moves> {
        let _ = role;
        None
    }

    /// Moves a parameter by its gradient.
    ///
    /// # Errors
    /// Too little memory.
    fn step(&self, parameter: &mut Tensor, gradient: &Tensor, state: &mut State, rates: Rates) -> Result<()>;
}

/// What an optimiser remembers of one parameter.
#[derive(Debug)]
pub struct State {
    /// The parameter's name.
    pub name: &'static str,
    /// The names of the tensors.
    pub kinds: &'static [&'static str],
    /// Tensors of the parameter's shape, in the order of their names.
    pub tensors: Vec<Tensor>,
    /// Moves so far, but for those that are counted on a device.
    pub(super) steps: u64,
    /// Moves so far, int64 `(1)`, where only the device knows whether each was one.
    pub(super) counted: Option<Tensor>,
}

impl State {
    /// Returns how many moves there were.
    ///
    /// # Errors
    /// The device failed.
    pub fn moves(&self) -> Result<u64> {
        match &self.counted {
            Some(counted) => Ok(counted.f_int64_value(&[0])?.max(0) as u64),
            None => Ok(self.steps),
        }
    }

    /// Returns the count of moves on a device, which it begins where there is none.
    pub(super) fn counted_on(&mut self, device: Device) -> Result<&Tensor> {
        match &mut self.counted {
            Some(counted) => Ok(counted),
            none => Ok(none.insert(Tensor::f_full([1], self.steps as i64, (Kind::Int64, device))?)),
        }
    }

    /// Counts here again.
    pub(super) fn count_here(&mut self) -> Result<()> {
        self.steps = self.moves()?;
        self.counted = None;
        Ok(())
    }
}

/// The numbers that one move needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    pub(super) role: Role,
    pub(super) lr: f64,
    pub(super) beta1: f64,
    pub(super) beta2: f64,
    pub(super) momentum: f64,
    pub(super) weight_decay: f64,
}

impl Rates {
    /// Returns the decay of this parameter, apart from the gradient. Biases and thresholds have none.
    pub(super) fn decays(&self) -> f64 {
        if self.role == Role::Weight {
            self.weight_decay
        } else {
            0.0
        }
    }

    /// Shrinks a parameter by its decay.
    pub(super) fn decay(&self, parameter: &mut Tensor) -> Result<()> {
        if self.decays() != 0.0 {
            let _ = parameter.f_mul_scalar_(1.0 - self.lr * self.decays())?;
        }
        Ok(())
    }
}

/// Added to the root of the second moment, as in PyTorch.
pub(super) const EPSILON: f64 = 1e-8;
