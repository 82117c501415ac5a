//! From batchtopk or topk to jumprelu, so that each token is encoded by itself.
//!
//! In a batch the k-th largest activation decides which latents are on; on average over batches that is the smallest
//! activation that is on, and it becomes the one threshold of all latents.

use super::{ActFn, Capability, LOG_THRESHOLD, Pass, SparseAutoEncoder};
use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor, no_grad_guard};

/// Averages the smallest activation that is on over batches.
#[derive(Clone, Debug, Default)]
pub struct ThresholdEstimate {
    sum: f64,
    batches: u64,
}

impl ThresholdEstimate {
    /// Adds one batch of normalised activations `x (…, d_model)` whose positions all count. Activations are measured as
    /// the activation function sees them: times the decoder norms where those take part. A batch in which nothing is on
    /// is left out.
    ///
    /// # Errors
    /// The width of `x` is not d_model.
    pub fn add(&mut self, sae: &SparseAutoEncoder, x: &Tensor) -> Result<()> {
        let _no_grad = no_grad_guard();
        let encoded = sae.encode_with(x, &Pass::default())?;
        let mut acts = encoded.feature_acts;
        if sae.cfg.sparsity_include_decoder_norm {
            acts = acts.f_mul(&encoded.decoder_norm)?;
        }
        let on = acts.f_gt(0.0)?;
        let least = acts.f_masked_fill(&on.f_logical_not()?, f64::INFINITY)?.f_min()?;
        let least = least.f_to_kind(Kind::Double)?.f_double_value(&[])?;
        if least.is_finite() {
            self.sum += least;
            self.batches += 1;
        }
        Ok(())
    }

    /// Returns the threshold, if there was a batch with anything on.
    pub fn threshold(&self) -> Option<f64> {
        (self.batches > 0).then(|| self.sum / self.batches as f64)
    }
}

impl SparseAutoEncoder {
    /// Returns the same dictionary as jumprelu with one threshold for all latents (in the scale of
    /// [`ThresholdEstimate`]).
    ///
    /// # Errors
    /// It is not of the top-k family, or the threshold is not a positive number.
    pub fn to_jumprelu(&self, threshold: f64) -> Result<Self> {
        self.cfg.require(Capability::JumpRelu)?;
        if !self.cfg.act_fn.selects_k() {
            return Err(Error::input(format!(
                "only topk and batchtopk dictionaries are converted to jumprelu, but this one is \"{}\"",
                self.cfg.act_fn.name()
            )));
        }
        if !(threshold > 0.0 && threshold.is_finite()) {
            return Err(Error::input(format!(
                "a threshold must be a positive number, but is {threshold}"
            )));
        }
        let mut cfg = self.cfg.clone();
        cfg.change(|cfg| cfg.act_fn = ActFn::JumpRelu)?;
        let mut converted = Self::zeros(cfg)?;
        for parameter in self.parameters() {
            converted.set_parameter(parameter.name, &parameter.tensor)?;
        }
        let options = (Kind::Double, self.device());
        let thresholds = Tensor::f_full([self.cfg.d_sae()], threshold.ln(), options)?;
        converted.set_parameter(LOG_THRESHOLD, &thresholds)?;
        converted.dataset_norms = self.dataset_norms.clone();
        Ok(converted)
    }
}
