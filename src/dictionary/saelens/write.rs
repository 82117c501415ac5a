//! Writing a folder for SAELens.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use super::{NAMES, SETTINGS_FILE, THRESHOLD, WEIGHTS_FILE};
use crate::atomic;
use crate::dictionary::file_names;
use crate::dictionary::scale::norm_floor;
use crate::dictionary::{ActFn, Capability, LOG_THRESHOLD, NormActivation, SAEConfig, SparseAutoEncoder};
use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor, no_grad_guard, safetensors};

impl SparseAutoEncoder {
    /// Writes the dictionary into `folder` as SAELens has them. `model_name` goes into its notes.
    ///
    /// # Errors
    /// Kinds of dictionaries that SAELens does not have: crosscoders, encoders with `use_glu_encoder`, gated transcoders,
    /// batchtopk and transcoders with topk (convert these to jumprelu first), normalisation by the input. The folder
    /// cannot be written.
    pub fn to_saelens(&self, folder: impl AsRef<Path>, model_name: &str) -> Result<()> {
        let folder = folder.as_ref();
        if folder.join(file_names::SETTINGS_FILE).exists() {
            return Err(Error::input(format!(
                "`{}` holds a dictionary of saescript, whose weights have the name that SAELens's have",
                folder.display()
            ))
            .hint("choose another folder for the one in SAELens's format"));
        }
        self.require_thresholds()?;
        let sae = self.for_saelens()?;
        let mut settings = json!({
            "d_in": sae.cfg.d_model, "d_sae": sae.cfg.d_sae(), "dtype": sae.cfg.dtype, "device": "cpu",
            "apply_b_dec_to_input": false, "normalize_activations": "none", "reshape_activations": "none",
            "metadata": {
                "sae_lens_version": "6.37.6", "sae_lens_training_version": "6.37.6", "model_name": model_name,
                "hook_name": sae.cfg.reads()[0],
            },
        });
        settings["architecture"] = architecture(&sae.cfg).into();
        if sae.cfg.act_fn.selects_k() {
            settings["k"] = sae.cfg.top_k.into();
            settings["rescale_acts_by_decoder_norm"] = sae.cfg.sparsity_include_decoder_norm.into();
        }
        if sae.cfg.is_transcoder() {
            settings["d_out"] = sae.cfg.d_model.into();
            settings["metadata"]["hook_name_out"] = sae.cfg.writes()[0].into();
        }
        atomic::write(folder.join(SETTINGS_FILE), settings.to_string())?;
        let _no_grad = no_grad_guard();
        let mut named: Vec<(&str, Tensor)> = Vec::new();
        for (theirs, ours) in NAMES {
            match sae.parameter(ours) {
                Ok(values) => named.push((theirs, values.f_detach()?)),
                Err(_) if ours == "b_D" => {
                    let none = Tensor::f_zeros([sae.cfg.d_model], (sae.kind(), sae.device()))?;
                    named.push((theirs, none));
                }
                Err(_) => (),
            }
        }
        if let Ok(log_threshold) = sae.parameter(LOG_THRESHOLD) {
            let mut threshold = log_threshold.f_to_kind(Kind::Double)?.f_exp()?;
            if sae.cfg.sparsity_include_decoder_norm {
                threshold = threshold.f_div(&sae.decoder_norm()?.f_clamp_min(norm_floor(sae.kind()))?)?;
            }
            named.push((THRESHOLD, threshold.f_to_kind(sae.kind())?));
        }
        let tensors: Vec<(&str, &Tensor)> = named.iter().map(|(name, tensor)| (*name, tensor)).collect();
        safetensors::write(folder.join(WEIGHTS_FILE), &tensors, &BTreeMap::new())
    }

    /// Returns a folded copy, and refuses kinds of dictionaries that SAELens does not have.
    fn for_saelens(&self) -> Result<Self> {
        self.cfg.require(Capability::SaeLens)?;
        let refused = |reason: &str, hint: &str| Err(Error::input(reason).hint(hint));
        if self.cfg.use_glu_encoder {
            return refused(
                "SAELens has no place for a gated encoder of this kind",
                "dictionaries and transcoders without `use_glu_encoder` can be exported",
            );
        }
        if self.cfg.is_transcoder()
            && let Some(kind) = self.cfg.variant.saelens_architecture()
        {
            return refused(
                &format!("SAELens has {kind} autoencoders, but no {kind} transcoders"),
                "transcoders with relu and jumprelu can be exported",
            );
        }
        if self.cfg.is_transcoder() && self.cfg.act_fn == ActFn::TopK {
            return refused(
                "SAELens has transcoders with relu and jumprelu, but none with topk",
                "convert it to jumprelu first",
            );
        }
        if self.cfg.act_fn.is_custom() {
            return refused(
                "SAELens has no place for an activation function of one's own",
                "dictionaries with relu, jumprelu and topk can be exported",
            );
        }
        if !self.cfg.act_fn.is_per_token() {
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
}

/// Returns what SAELens calls the architecture.
fn architecture(cfg: &SAEConfig) -> &'static str {
    cfg.variant
        .saelens_architecture()
        .unwrap_or(match (cfg.act_fn, cfg.is_transcoder()) {
            (ActFn::Relu, false) => "standard",
            (ActFn::Relu, true) => "transcoder",
            (ActFn::JumpRelu, false) => "jumprelu",
            (ActFn::JumpRelu, true) => "jumprelu_transcoder",
            _ => "topk",
        })
}
