//! Which way steps are computed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AutogradEngine, Laps, NativeEngine, StepEngine};
use crate::dictionary::{Custom, SAEConfig};
use crate::error::{Error, Result};

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
}

/// The ways that a trainer has.
#[derive(Default)]
pub(in crate::train) struct Engines {
    /// One that was set by a program.
    own: Option<Box<dyn StepEngine>>,
    autograd: AutogradEngine,
    pub(in crate::train) native: NativeEngine,
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
            StepEngineName::Native => Err(Error::input(format!("the native step cannot do this: {reason}"))
                .hint("leave `step_engine` out")
                .under("step_engine")),
        }
    }
}
