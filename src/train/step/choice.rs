//! Which way steps are computed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::native::{kernels_are_measured, kernels_refuse};
use super::{AutogradEngine, Laps, NativeEngine, StepEngine};
use crate::dictionary::{Custom, SAEConfig, SparseAutoEncoder};
use crate::error::{Error, Result};
use crate::kernels::cuda;
use crate::tensor::Device;

/// The way in which the gradients of a step are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepEngineName {
    /// By hand where that is possible, else automatically.
    #[default]
    Auto,
    /// By libtorch's automatic differentiation.
    Autograd,
    /// By formulas written out, over active latents alone where few are.
    Native,
    /// By formulas written out, over latents that take part alone, by kernels of our own on an NVIDIA GPU. `auto` takes them
    /// where they can be had and were measured.
    Cuda,
}

/// The ways that a trainer has.
#[derive(Default)]
pub(in crate::train) struct Engines {
    /// One that was set by a program.
    own: Option<Box<dyn StepEngine>>,
    autograd: AutogradEngine,
    pub(in crate::train) native: NativeEngine,
    /// Kernels for a GPU were asked for, whether they could be had or not.
    is_prepared: bool,
}

impl Engines {
    /// Computes steps with `engine` from now on, whatever the settings say.
    pub(in crate::train) fn set(&mut self, engine: Box<dyn StepEngine>) {
        self.own = Some(engine);
    }

    /// Returns what divides the time of steps into parts.
    pub(in crate::train) fn laps(&self) -> &Laps {
        self.native.laps()
    }

    /// Loads kernels for the dictionary's GPU where `name` asks for them, or leaves the choice and they were measured at this:
    /// with a sparsity penalty or without, and with pieces of one's own. Returns what to say where they cannot be had, and
    /// steps are computed over all latents by libtorch instead.
    ///
    /// # Errors
    /// They are asked for what they cannot compute, under `step_engine`.
    pub(in crate::train) fn prepare(
        &mut self,
        name: StepEngineName,
        sae: &SparseAutoEncoder,
        has_penalty: bool,
        custom: &Custom<'_>,
    ) -> Result<Option<String>> {
        let is_asked = name == StepEngineName::Cuda;
        if !is_asked && name != StepEngineName::Auto || std::mem::replace(&mut self.is_prepared, true) {
            return Ok(None);
        }
        let device = sae.device();
        let refused = match device {
            Device::Cuda(_) => kernels_refuse(&sae.cfg),
            _ => Some("the dictionary is not on an NVIDIA GPU"),
        };
        match refused {
            Some(reason) if is_asked => {
                return Err(
                    Error::input(format!("step_engine \"cuda\" cannot do this: {reason}"))
                        .hint("leave `step_engine` out")
                        .under("step_engine"),
                );
            }
            None if NativeEngine::refusal(&sae.cfg, custom).is_none()
                && (is_asked || kernels_are_measured(&sae.cfg, has_penalty)) => {}
            _ => return Ok(None),
        }
        match cuda::load(device) {
            Ok(launcher) => {
                self.native.set_launcher(Some(launcher));
                Ok(None)
            }
            Err(error) => Ok(Some(format!(
                "our own kernels for GPUs are not used, and libtorch goes over all latents: {}",
                error.message()
            ))),
        }
    }

    /// Returns what `name` came to: whose steps these are.
    pub(in crate::train) fn taken(
        &self,
        name: StepEngineName,
        cfg: &SAEConfig,
        custom: &Custom<'_>,
    ) -> StepEngineName {
        match (name.resolved(cfg, custom), self.native.launcher()) {
            (StepEngineName::Autograd, _) => StepEngineName::Autograd,
            (_, Some(_)) => StepEngineName::Cuda,
            (_, None) => StepEngineName::Native,
        }
    }

    /// Returns the one that `name` asks for, for a dictionary like `cfg` with pieces of one's own.
    pub(in crate::train) fn chosen(
        &mut self,
        name: StepEngineName,
        cfg: &SAEConfig,
        custom: &Custom<'_>,
    ) -> &mut dyn StepEngine {
        if let Some(own) = &mut self.own {
            return own.as_mut();
        }
        if name == StepEngineName::Autograd || NativeEngine::refusal(cfg, custom).is_some() {
            &mut self.autograd
        } else {
            &mut self.native
        }
    }
}

impl StepEngineName {
    /// Returns what it comes to for a dictionary like `cfg` with pieces of one's own.
    pub fn resolved(self, cfg: &SAEConfig, custom: &Custom<'_>) -> Self {
        match (self, NativeEngine::refusal(cfg, custom)) {
            (StepEngineName::Autograd, _) | (_, Some(_)) => StepEngineName::Autograd,
            (StepEngineName::Cuda, None) => StepEngineName::Cuda,
            (_, None) => StepEngineName::Native,
        }
    }

    /// Refuses the way by hand for what it cannot compute. Returns what to say where it is not taken by itself.
    ///
    /// # Errors
    /// As said, under `step_engine`.
    pub fn check(self, cfg: &SAEConfig, custom: &Custom<'_>) -> Result<Option<String>> {
        let Some(reason) = NativeEngine::refusal(cfg, custom) else {
            return Ok(None);
        };
        match self {
            StepEngineName::Autograd => Ok(None),
            StepEngineName::Auto => Ok(Some(format!(
                "gradients are computed by automatic differentiation, which is slower: {reason}"
            ))),
            StepEngineName::Native | StepEngineName::Cuda => {
                Err(Error::input(format!("the native step cannot do this: {reason}"))
                    .hint("leave `step_engine` out")
                    .under("step_engine"))
            }
        }
    }
}
