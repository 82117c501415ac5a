//! The settings that dictionaries of every variant have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activation::ActFn;
use super::scale::NormActivation;
use super::size::{latents, smallest_factor};
use crate::error::{Error, Result, counted};
use crate::tensor::{DType, DeviceSpec};

/// The settings that dictionaries of every variant have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaseConfig {
    /// Width of the activations; must be the model's.
    pub d_model: i64,
    /// Latents for each dimension of the activations: `d_sae = int(d_model * expansion_factor)`. Needed unless `d_sae`
    /// is given.
    #[serde(default)]
    pub expansion_factor: Option<f64>,
    /// Number of latents, given instead of `expansion_factor`. `config.json` has no key for it: it is saved as the
    /// smallest expansion factor that stands for it.
    #[serde(default)]
    pub d_sae: Option<i64>,
    /// Does the decoder add a bias?
    #[serde(default = "yes")]
    pub use_decoder_bias: bool,
    /// Gated linear unit in the encoder: the pre-activations are multiplied by `sigmoid(x W_E_glu + b_E_glu)`.
    #[serde(default)]
    pub use_glu_encoder: bool,
    /// Activation function.
    #[serde(default)]
    pub act_fn: ActFn,
    /// How activations are scaled to the average norm √d_model before the encoder.
    #[serde(default)]
    pub norm_activation: NormActivation,
    /// Should the activation function see the pre-activations times the norm of each latent's decoder row? Then a
    /// latent cannot evade the penalty by trading a small activation for a large decoder row.
    #[serde(default = "yes")]
    pub sparsity_include_decoder_norm: bool,
    /// Active latents per token of `topk`, and on average per token of `batchtopk`.
    #[serde(default = "default_top_k")]
    pub top_k: i64,
    /// Width of the window around the threshold in which a `jumprelu` threshold receives gradient.
    #[serde(default = "default_window")]
    pub jumprelu_threshold_window: f64,
    /// Folder (or weights file) of a trained dictionary to begin with instead of fresh weights, or `org/repo:folder` on
    /// the Hugging Face hub.
    #[serde(default)]
    pub sae_pretrained_name_or_path: Option<String>,
    /// Should loading refuse a weights file with surplus tensors? If not, each is named in a warning. Missing ones are
    /// always refused.
    #[serde(default = "yes")]
    pub strict_loading: bool,
    /// Where the parameters live. Not saved.
    #[serde(default)]
    pub device: DeviceSpec,
    /// Number format of the parameters. Not saved.
    #[serde(default = "default_dtype")]
    pub dtype: DType,
}

fn yes() -> bool {
    true
}

fn default_top_k() -> i64 {
    BaseConfig::DEFAULT_TOP_K
}

fn default_window() -> f64 {
    BaseConfig::DEFAULT_WINDOW
}

fn default_dtype() -> DType {
    DType::FLOAT32
}

impl BaseConfig {
    /// `top_k`, if nothing is said.
    pub const DEFAULT_TOP_K: i64 = 50;
    /// `jumprelu_threshold_window`, if nothing is said.
    pub const DEFAULT_WINDOW: f64 = 2.0;

    /// Returns the number of latents.
    pub fn d_sae(&self) -> i64 {
        let by_factor = |factor: f64| latents(self.d_model, factor);
        self.d_sae
            .or_else(|| self.expansion_factor.map(by_factor))
            .unwrap_or(0)
    }

    /// Returns the expansion factor: as it was given, or else the smallest that stands for `d_sae`.
    pub fn expansion_factor(&self) -> f64 {
        match self.expansion_factor {
            Some(factor) => factor,
            None => smallest_factor(self.d_model, self.d_sae()),
        }
    }
}

impl BaseConfig {
    /// Refuses values that make no sense.
    ///
    /// # Errors
    /// What is wrong, under its key.
    pub(super) fn validate(&self) -> Result<()> {
        if self.d_model < 1 {
            return Err(positive("the width of the activations", self.d_model).under("d_model"));
        }
        self.validate_size()?;
        if self.top_k < 1 {
            return Err(positive("the number of active latents", self.top_k).under("top_k"));
        }
        if self.act_fn.selects_k() && self.top_k > self.d_sae() {
            return Err(Error::input(format!(
                "{} active latents per token were asked for, but the dictionary has {}",
                self.top_k,
                counted(self.d_sae(), "latent")
            ))
            .hint("lower `top_k` or ask for more latents")
            .under("top_k"));
        }
        if !(self.jumprelu_threshold_window > 0.0 && self.jumprelu_threshold_window.is_finite()) {
            return Err(Error::input(format!(
                "the window must be wider than 0, but is {}",
                self.jumprelu_threshold_window
            ))
            .hint("without a window the thresholds receive no gradient; the usual value is 2.0")
            .under("jumprelu_threshold_window"));
        }
        if !self.dtype.is_floating_point() {
            return Err(Error::input(format!(
                "parameters need a floating-point dtype, but `{}` was given",
                self.dtype
            ))
            .under("dtype"));
        }
        Ok(())
    }

    /// Refuses settings that do not give exactly one number of latents.
    fn validate_size(&self) -> Result<()> {
        let factor = match (self.expansion_factor, self.d_sae) {
            (None, None) => {
                return Err(Error::input(
                    "how many latents the dictionary has is not said: neither `expansion_factor` nor `d_sae` is given",
                )
                .hint("usual expansion factors are 4 to 64")
                .under("expansion_factor"));
            }
            (None, Some(d_sae)) if d_sae < 1 => {
                return Err(positive("the number of latents", d_sae).under("d_sae"));
            }
            (None, Some(_)) => return Ok(()),
            (Some(factor), _) => factor,
        };
        if !factor.is_finite() || latents(self.d_model, factor) < 1 {
            return Err(Error::input(format!(
                "expansion factor {factor} with d_model {} leaves no latents",
                self.d_model
            ))
            .hint("give at least 1/d_model; usual values are 4 to 64")
            .under("expansion_factor"));
        }
        match self.d_sae {
            Some(d_sae) if d_sae != latents(self.d_model, factor) => Err(Error::input(format!(
                "{d_sae} latents were asked for, but expansion factor {factor} with d_model {} gives {}",
                self.d_model,
                latents(self.d_model, factor)
            ))
            .hint("give one of `d_sae` and `expansion_factor`")
            .under("d_sae")),
            _ => Ok(()),
        }
    }
}

fn positive(what: &str, given: i64) -> Error {
    Error::input(format!("{what} must be at least 1, but is {given}"))
}
