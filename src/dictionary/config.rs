//! What a dictionary is: its shape, activation function and normalisation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activation::ActFn;
use super::norm::NormActivation;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::fingerprint::Identified;
use crate::tensor::{DType, DeviceSpec};

/// The kind of dictionary that a configuration stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SaeType {
    /// A sparse autoencoder or transcoder: one encoder, one decoder.
    #[default]
    Sae,
}

/// The architecture of a sparse autoencoder, or of a transcoder when the two hook points differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SAEConfig {
    /// Always `"sae"`: one encoder and one decoder.
    #[serde(default)]
    pub sae_type: SaeType,
    /// Hook point that the encoder reads.
    pub hook_point_in: String,
    /// Hook point that the decoder reconstructs. The same as `hook_point_in` makes a sparse autoencoder, another one
    /// a transcoder.
    pub hook_point_out: String,
    /// Width of the activations; must be the model's.
    pub d_model: i64,
    /// Latents for each dimension of the activations: `d_sae = int(d_model * expansion_factor)`.
    pub expansion_factor: f64,
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
    /// Should loading refuse a weights file with missing or surplus tensors?
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
    SAEConfig::DEFAULT_TOP_K
}

fn default_window() -> f64 {
    SAEConfig::DEFAULT_WINDOW
}

fn default_dtype() -> DType {
    DType::FLOAT32
}

impl SAEConfig {
    /// `top_k`, if nothing is said.
    pub const DEFAULT_TOP_K: i64 = 50;
    /// `jumprelu_threshold_window`, if nothing is said.
    pub const DEFAULT_WINDOW: f64 = 2.0;

    /// Number of latents.
    pub fn d_sae(&self) -> i64 {
        (self.d_model as f64 * self.expansion_factor) as i64
    }

    /// Do input and output differ?
    pub fn is_transcoder(&self) -> bool {
        self.hook_point_in != self.hook_point_out
    }

    /// The hook points that a stream must provide: the input, and the output where it is another one.
    pub fn hook_points(&self) -> Vec<&str> {
        let mut points = vec![self.hook_point_in.as_str()];
        if self.is_transcoder() {
            points.push(&self.hook_point_out);
        }
        points
    }
}

impl Config for SAEConfig {
    const NAME: &'static str = "SAEConfig";

    fn validate(&self) -> Result<()> {
        for (key, hook) in [
            ("hook_point_in", &self.hook_point_in),
            ("hook_point_out", &self.hook_point_out),
        ] {
            if hook.trim().is_empty() {
                return Err(Error::input("a hook point is needed, but the name is empty")
                    .hint("e.g. \"blocks.6.hook_resid_post\"")
                    .under(key));
            }
        }
        if self.d_model < 1 {
            return Err(positive("the width of the activations", self.d_model).under("d_model"));
        }
        if !self.expansion_factor.is_finite() || self.d_sae() < 1 {
            return Err(Error::input(format!(
                "expansion factor {} with d_model {} leaves no latents",
                self.expansion_factor, self.d_model
            ))
            .hint("give at least 1/d_model; usual values are 4 to 64")
            .under("expansion_factor"));
        }
        if self.top_k < 1 {
            return Err(positive("the number of active latents", self.top_k).under("top_k"));
        }
        if self.act_fn.selects_k() && self.top_k > self.d_sae() {
            return Err(Error::input(format!(
                "{} active latents per token were asked for, but the dictionary has {} latents",
                self.top_k,
                self.d_sae()
            ))
            .hint("lower `top_k` or raise `expansion_factor`")
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
}

/// What a dictionary was begun with is told by what its files hold.
impl Identified for SAEConfig {
    const DECIDES: &'static [&'static str] = &[
        "sae_type",
        "hook_point_in",
        "hook_point_out",
        "d_model",
        "expansion_factor",
        "use_decoder_bias",
        "use_glu_encoder",
        "act_fn",
        "norm_activation",
        "sparsity_include_decoder_norm",
        "top_k",
        "jumprelu_threshold_window",
        "dtype",
    ];
    const FREE: &'static [&'static str] = &["sae_pretrained_name_or_path", "strict_loading", "device"];
}

fn positive(what: &str, given: i64) -> Error {
    Error::input(format!("{what} must be at least 1, but is {given}"))
}
