//! Which terms a loss has, and how much each counts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SparsityLoss;
use crate::config::Config;
use crate::error::{Error, Result};

/// Coefficients and kinds of the terms of one loss.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LossSettings {
    /// Which sparsity penalty, if any.
    pub sparsity_loss_type: Option<SparsityLoss>,
    /// Stretch `c` of the tanh penalties.
    pub tanh_stretch_coefficient: f64,
    /// Frequency scale `s` of tanh-quad.
    pub frequency_scale: f64,
    /// The `p` of the power penalty.
    pub p: i64,
    /// Coefficient λ of the sparsity penalty, as it stands at this step.
    pub l1_coefficient: f64,
    /// Coefficient of the threshold penalty of `jumprelu`; 0 leaves it out.
    pub lp_coefficient: f64,
    /// Coefficient of the Aux-K loss; 0 leaves it out.
    pub auxk_coefficient: f64,
    /// Most dead latents that Aux-K uses.
    pub k_aux: i64,
}

impl Default for LossSettings {
    /// Reconstruction alone.
    fn default() -> Self {
        Self {
            sparsity_loss_type: None,
            tanh_stretch_coefficient: 4.0,
            frequency_scale: 0.01,
            p: 1,
            l1_coefficient: 1.0,
            lp_coefficient: 0.0,
            auxk_coefficient: 0.0,
            k_aux: 512,
        }
    }
}

impl Config for LossSettings {
    const NAME: &'static str = "LossSettings";

    fn validate(&self) -> Result<()> {
        if self.p < 1 {
            return Err(Error::input("must be at least 1").under("p"));
        }
        if self.frequency_scale <= 0.0 {
            return Err(Error::input("must be more than 0").under("frequency_scale"));
        }
        if self.k_aux < 1 {
            return Err(Error::input("must be at least 1").under("k_aux"));
        }
        Ok(())
    }
}
