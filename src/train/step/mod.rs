//! One step: from normalised activations to losses, gradients and the few figures that metrics need.
//!
//! A [`StepEngine`] is a way to compute it. The trainer, its metrics and its loggers see nothing else of a step.
//!
//! ```text
//! autograd   libtorch's automatic differentiation of the loss as it is written: works for everything, and is what the
//!            other is held to
//! native     gradients by hand, over active latents alone where few are
//! choice     which of them a training takes
//! profile    where the time goes
//! ```

mod autograd;
mod choice;
mod native;
mod output;
mod profile;

pub use autograd::AutogradEngine;
pub(super) use choice::Engines;
pub use choice::StepEngineName;
pub(super) use native::step_bytes;
pub use native::{Form, NativeEngine, StepLimits};
pub use output::StepOutput;
pub(super) use profile::Laps;
pub use profile::{Part, Profile, Spent};

use super::dead::DeadTracker;
use crate::dictionary::{LossInput, LossSettings, Pass, SparseAutoEncoder};
use crate::error::Result;

/// Computes losses and gradients of one batch.
pub trait StepEngine {
    /// Makes the forward and backward pass over normalised activations, all of which count. Records the firing of this
    /// batch in `dead` before Aux-K asks which latents are dead. What it is given and what it returns lasts until the next step.
    ///
    /// # Errors
    /// Shapes that do not fit, too little memory.
    fn compute(
        &mut self,
        sae: &SparseAutoEncoder,
        input: &LossInput<'_>,
        settings: &LossSettings,
        pass: &Pass<'_>,
        dead: &mut DeadTracker,
    ) -> Result<StepOutput>;
}
