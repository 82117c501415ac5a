//! What a dictionary is: its shape, activation function and normalisation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activation::ActFn;
use super::norm::NormActivation;
use crate::config::{self, Config, Map, Value};
use crate::error::{Error, Result, counted};
use crate::fingerprint::Identified;
use crate::tensor::{DType, DeviceSpec};

/// Keys that say how to load or run a dictionary here, not what it is; not saved.
pub(super) const HOW_TO_LOAD: [&str; 4] =
    ["sae_pretrained_name_or_path", "strict_loading", "device", "dtype"];

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
        let by_factor = |factor: f64| latents(self.d_model, factor);
        self.d_sae
            .or_else(|| self.expansion_factor.map(by_factor))
            .unwrap_or(0)
    }

    /// The expansion factor: as it was given, or else the smallest that stands for `d_sae`.
    pub fn expansion_factor(&self) -> f64 {
        match self.expansion_factor {
            Some(factor) => factor,
            None => smallest_factor(self.d_model, self.d_sae()),
        }
    }

    /// What decides what a dictionary computes, as plain data: all settings but those that say how to load or run it,
    /// with the number of latents as `d_sae`, however it was given.
    ///
    /// # Errors
    /// None in practice; what plain data cannot hold.
    pub fn architecture(&self) -> Result<Map<String, Value>> {
        let mut settings = match config::to_value(self)? {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        for key in HOW_TO_LOAD {
            settings.remove(key);
        }
        settings.remove("expansion_factor");
        settings.insert("d_sae".into(), self.d_sae().into());
        Ok(settings)
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
}

impl SAEConfig {
    /// Exactly one number of latents.
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

/// `int(d_model * factor)`, in float64 as Python has it.
fn latents(d_model: i64, factor: f64) -> i64 {
    (d_model as f64 * factor) as i64
}

/// The smallest float64 `e` with `int(d_model * e) = d_sae`.
fn smallest_factor(d_model: i64, d_sae: i64) -> f64 {
    let mut factor = d_sae as f64 / d_model as f64;
    while latents(d_model, factor) < d_sae {
        factor = factor.next_up();
    }
    while latents(d_model, factor.next_down()) >= d_sae {
        factor = factor.next_down();
    }
    factor
}

/// What a dictionary was begun with is told by what its files hold.
impl Identified for SAEConfig {
    const DECIDES: &'static [&'static str] = &[
        "sae_type",
        "hook_point_in",
        "hook_point_out",
        "d_model",
        "expansion_factor", // as `d_sae`
        "d_sae",
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

    fn normalised(&self) -> Result<Map<String, Value>> {
        let mut fields = self.architecture()?;
        fields.insert("dtype".into(), config::to_value(&self.dtype)?);
        Ok(fields)
    }
}

fn positive(what: &str, given: i64) -> Error {
    Error::input(format!("{what} must be at least 1, but is {given}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::from_value;

    fn of(more: Value) -> Result<SAEConfig> {
        let mut cfg = json!({"hook_point_in": "h", "hook_point_out": "h", "d_model": 896});
        for (key, value) in more.as_object().expect("a table") {
            cfg[key] = value.clone();
        }
        from_value(cfg)
    }

    #[test]
    fn the_smallest_factor_stands_for_the_number_of_latents() {
        for (d_model, d_sae) in [
            (896, 7500),
            (768, 1),
            (3, 7),
            (49, 50),
            (2304, 16384),
            (7, 1_000_003),
            (5, 5),
        ] {
            let factor = smallest_factor(d_model, d_sae);
            assert_eq!(latents(d_model, factor), d_sae, "{d_model} {d_sae}");
            assert_eq!(
                latents(d_model, factor.next_down()),
                d_sae - 1,
                "{d_model} {d_sae}"
            );
        }
        // The nearest float64 to the quotient is too small here.
        assert_eq!(latents(896, 7500.0 / 896.0), 7499);
    }

    #[test]
    fn the_number_of_latents_is_given_one_way() {
        assert_eq!(of(json!({"d_sae": 7500})).expect("valid").d_sae(), 7500);
        assert_eq!(of(json!({"expansion_factor": 0.5})).expect("valid").d_sae(), 448);
        assert_eq!(
            of(json!({"expansion_factor": 2, "d_sae": 1792}))
                .expect("the same")
                .d_sae(),
            1792
        );
        for (more, reason) in [
            (json!({}), "neither `expansion_factor` nor `d_sae` is given"),
            (
                json!({"d_sae": 0}),
                "`d_sae`: the number of latents must be at least 1",
            ),
            (
                json!({"d_sae": 7500, "expansion_factor": 8}),
                "expansion factor 8 with d_model 896 gives 7168",
            ),
        ] {
            let error = of(more).expect_err(reason).to_string();
            assert!(error.contains(reason), "{error}");
        }
        let one = of(json!({"d_sae": 1792}))
            .expect("valid")
            .architecture()
            .expect("plain data");
        let other = of(json!({"expansion_factor": 2.0}))
            .expect("valid")
            .architecture()
            .expect("plain data");
        assert_eq!(one, other);
    }
}
