//! Dictionaries in the format of SAELens: `cfg.json` and `sae_weights.safetensors`.
//!
//! SAELens dictionaries read activations as the model has them, so ours are folded on the way out. Thresholds there are
//! compared with the pre-activations themselves, so ours are divided by the decoder norms where those take part.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::json;

use super::files::LoadOptions;
use super::norm::norm_floor;
use super::sae::LOG_THRESHOLD;
use super::{ActFn, NormActivation, SAEConfig, SparseAutoEncoder};
use crate::atomic;
use crate::config::{Value, from_value, parse};
use crate::error::{Context, Error, Result};
use crate::tensor::{DType, Tensor, safetensors};

/// The settings file that tells a folder of SAELens from one of ours.
pub(super) const SETTINGS_FILE: &str = "cfg.json";
const WEIGHTS_FILE: &str = "sae_weights.safetensors";

/// Their names of our parameters.
const NAMES: [(&str, &str); 4] = [
    ("W_enc", "W_E"),
    ("b_enc", "b_E"),
    ("W_dec", "W_D"),
    ("b_dec", "b_D"),
];

/// The keys of `cfg.json` that matter here.
#[derive(Deserialize)]
struct Settings {
    architecture: String,
    d_in: i64,
    d_sae: i64,
    #[serde(default)]
    apply_b_dec_to_input: bool,
    #[serde(default)]
    normalize_activations: Option<Value>,
    #[serde(default)]
    reshape_activations: Option<String>,
    #[serde(default)]
    k: Option<i64>,
    #[serde(default)]
    rescale_acts_by_decoder_norm: bool,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    hook_name: Option<String>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    hook_name: Option<String>,
}

impl SparseAutoEncoder {
    /// Writes the dictionary into `folder` as SAELens has them. `model_name` goes into its notes.
    ///
    /// # Errors
    /// Kinds of dictionaries that SAELens does not have: transcoders, gated encoders, batchtopk (convert it to jumprelu
    /// first), normalisation by the input. The folder cannot be written.
    pub fn to_saelens(&self, folder: impl AsRef<Path>, model_name: &str) -> Result<()> {
        let folder = folder.as_ref();
        let sae = self.for_saelens()?;
        let mut settings = json!({
            "d_in": sae.cfg.d_model, "d_sae": sae.cfg.d_sae(), "dtype": sae.cfg.dtype, "device": "cpu",
            "apply_b_dec_to_input": false, "normalize_activations": "none", "reshape_activations": "none",
            "metadata": {
                "sae_lens_version": "6.37.6", "sae_lens_training_version": "6.37.6", "model_name": model_name,
                "hook_name": sae.cfg.hook_point_in,
            },
        });
        let architecture = match sae.cfg.act_fn {
            ActFn::Relu => "standard",
            ActFn::JumpRelu => "jumprelu",
            _ => {
                settings["k"] = sae.cfg.top_k.into();
                settings["rescale_acts_by_decoder_norm"] = sae.cfg.sparsity_include_decoder_norm.into();
                "topk"
            }
        };
        settings["architecture"] = architecture.into();
        atomic::write(folder.join(SETTINGS_FILE), settings.to_string())?;
        let _no_grad = tch::no_grad_guard();
        let mut named: Vec<(&str, Tensor)> = Vec::new();
        for (theirs, ours) in NAMES {
            let values = match sae.parameter(ours) {
                Ok(values) => values.f_detach()?,
                Err(_) => Tensor::f_zeros([sae.cfg.d_model], (sae.kind(), sae.device()))?,
            };
            named.push((theirs, values));
        }
        if let Ok(log_threshold) = sae.parameter(LOG_THRESHOLD) {
            let mut threshold = log_threshold.f_exp()?;
            if sae.cfg.sparsity_include_decoder_norm {
                threshold = threshold.f_div(&sae.decoder_norm()?.f_clamp_min(norm_floor(sae.kind()))?)?;
            }
            named.push(("threshold", threshold));
        }
        let tensors: Vec<(&str, &Tensor)> = named.iter().map(|(name, tensor)| (*name, tensor)).collect();
        safetensors::write(folder.join(WEIGHTS_FILE), &tensors, &BTreeMap::new())
    }

    /// A folded copy, if SAELens has this kind of dictionary.
    fn for_saelens(&self) -> Result<Self> {
        let refused = |reason: &str, hint: &str| Err(Error::input(reason).hint(hint));
        if self.cfg.is_transcoder() || self.cfg.use_glu_encoder {
            return refused(
                "SAELens has no place for transcoders and gated encoders of this kind",
                "only plain sparse autoencoders can be exported",
            );
        }
        if self.cfg.act_fn == ActFn::BatchTopK {
            return refused(
                "a batchtopk dictionary depends on the whole batch, which SAELens cannot express",
                "convert it to jumprelu first",
            );
        }
        let mut copy = self.copy()?;
        match self.cfg.norm_activation {
            NormActivation::Inference => {}
            NormActivation::DatasetWise => copy.standardize_parameters_of_dataset_norm()?,
            _ => {
                return refused(
                    "token-wise and batch-wise normalisation cannot be folded into the weights",
                    "train with \"dataset-wise\" for a dictionary that can be exported",
                );
            }
        }
        Ok(copy)
    }

    /// Reads a folder that SAELens wrote.
    ///
    /// # Errors
    /// Missing or broken files; architectures other than standard, jumprelu and topk; settings without a counterpart.
    pub fn from_saelens(folder: impl AsRef<Path>, options: &LoadOptions) -> Result<Self> {
        let folder = folder.as_ref();
        let path = folder.join(SETTINGS_FILE);
        let reading = || format!("while reading `{}`", path.display());
        let text = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, error))?;
        let value: Value = serde_json::from_str(&text)
            .map_err(|error| Error::input(format!("this is not JSON: {error}")))
            .context(reading())?;
        let settings: Settings = parse(value).context(reading())?;
        settings.check().context(reading())?;
        let file = safetensors::read(folder.join(WEIGHTS_FILE))?;
        let mut cfg = settings.to_config().context(reading())?;
        cfg.device = options.device;
        cfg.dtype = options
            .dtype
            .or_else(|| file.dtype("W_enc"))
            .unwrap_or(DType::FLOAT32);
        let mut sae = Self::zeros(cfg)?;
        for (theirs, ours) in NAMES {
            sae.set_parameter(ours, &file.tensor(theirs, sae.device(), None)?)?;
        }
        let _no_grad = tch::no_grad_guard();
        if settings.apply_b_dec_to_input {
            // (x − b) W + c = x W + (c − b W)
            let (w_e, b_d) = (sae.parameter("W_E")?, sae.parameter("b_D")?);
            let shifted = sae
                .parameter("b_E")?
                .f_sub(&b_d.f_unsqueeze(0)?.f_matmul(w_e)?.f_squeeze()?)?;
            sae.set_parameter("b_E", &shifted)?;
        }
        if sae.cfg.act_fn == ActFn::JumpRelu {
            let threshold = file.tensor("threshold", sae.device(), None)?;
            sae.set_parameter(LOG_THRESHOLD, &threshold.f_log()?)?;
        }
        Ok(sae)
    }

    /// Another dictionary with the same values.
    ///
    /// # Errors
    /// Too little memory.
    pub fn copy(&self) -> Result<Self> {
        let mut copy = Self::zeros(self.cfg.clone())?;
        for (name, values) in self.parameters() {
            copy.set_parameter(name, values)?;
        }
        copy.dataset_norms = self.dataset_norms.clone();
        Ok(copy)
    }
}

impl Settings {
    /// Refuses what has no counterpart here.
    fn check(&self) -> Result<()> {
        let normalisation = self
            .normalize_activations
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or("none");
        if normalisation != "none" {
            return Err(Error::input(format!(
                "it normalises activations by \"{normalisation}\", which has no counterpart here"
            ))
            .under("normalize_activations"));
        }
        match self.reshape_activations.as_deref() {
            None | Some("none") => Ok(()),
            Some(other) => Err(Error::input(format!(
                "it reshapes activations by \"{other}\", which has no counterpart here"
            ))
            .under("reshape_activations")),
        }
    }

    fn to_config(&self) -> Result<SAEConfig> {
        let act_fn = match self.architecture.as_str() {
            "standard" => ActFn::Relu,
            "jumprelu" => ActFn::JumpRelu,
            "topk" => ActFn::TopK,
            other => {
                return Err(
                    Error::unknown("architecture", other, &["standard", "jumprelu", "topk"])
                        .under("architecture"),
                );
            }
        };
        let hook = self.metadata.hook_name.as_ref().or(self.hook_name.as_ref());
        let hook = hook.ok_or_else(|| Error::input("it does not say which hook point it belongs to"))?;
        from_value(json!({
            "hook_point_in": hook, "hook_point_out": hook, "d_model": self.d_in, "act_fn": act_fn,
            "expansion_factor": self.d_sae as f64 / self.d_in as f64, "norm_activation": "inference",
            "top_k": self.k.unwrap_or(50), "sparsity_include_decoder_norm": self.rescale_acts_by_decoder_norm,
        }))
    }
}
