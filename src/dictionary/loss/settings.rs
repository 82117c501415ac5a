//! Which terms a loss has, and how much each counts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Error, Result};

/// The sparsity penalty on the activations of the latents `f`, weighted by their decoder norms `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SparsityLoss {
    /// `‖f · n‖_p` of each token; p = 1 is the usual L¹.
    Power,
    /// `Σ tanh(c f n)` of each token, which stops growing with f
    /// (<https://transformer-circuits.pub/2024/feb-update/index.html#dict-learning-tanh>).
    Tanh,
    /// `Σ p (1 + p/s)` with the soft firing frequency `p = mean tanh(c f n)`: frequent latents cost more.
    TanhQuad,
}

impl SparsityLoss {
    /// Returns whether the stretch `c` takes part.
    pub fn is_stretched(self) -> bool {
        matches!(self, SparsityLoss::Tanh | SparsityLoss::TanhQuad)
    }

    /// Returns whether the frequency scale `s` takes part.
    pub fn is_scaled(self) -> bool {
        self == SparsityLoss::TanhQuad
    }

    /// Returns whether the power `p` takes part.
    pub fn has_power(self) -> bool {
        self == SparsityLoss::Power
    }
}

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

impl LossSettings {
    /// Returns whether something of the whole batch has to be known before gradients of a part of it can be computed.
    pub fn needs_whole_batch(&self) -> bool {
        self.auxk_coefficient > 0.0 || self.sparsity_loss_type.is_some_and(SparsityLoss::is_scaled)
    }

    /// Returns whether the threshold penalty asks for all latents that are over their thresholds, on or not.
    pub fn every_over(&self) -> bool {
        self.lp_coefficient > 0.0
    }
}

impl Default for LossSettings {
    /// Returns the settings of a loss of reconstruction alone.
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
