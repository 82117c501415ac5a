//! The training loss of a dictionary: reconstruction, sparsity penalty, threshold penalty and Aux-K, by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sae::{Encoded, product};
use super::{ActFn, SparseAutoEncoder};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::tensor::{DType, Kind, Tensor};

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
    /// Number format of the products; `None` or float32 is no mixed precision.
    pub amp_dtype: Option<DType>,
}

impl Default for LossSettings {
    /// Reconstruction alone, in the dictionary's own dtype.
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
            amp_dtype: None,
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

/// Normalised activations to train on.
pub struct LossInput<'a> {
    /// What the encoder reads, `(…, d_model)`.
    pub x: &'a Tensor,
    /// What the decoder should give, `(…, d_model)`; for an autoencoder the same as `x`.
    pub label: &'a Tensor,
    /// 1 where a position counts, 0 where it does not, `(…)`; without it all count.
    pub mask: Option<&'a Tensor>,
}

/// Every term of one loss, with the tensors it came from. Coefficients are already applied.
pub struct LossTerms {
    /// The sum of all terms, 0-d.
    pub loss: Tensor,
    /// `mean_t ‖x̂ − y‖²`, 0-d.
    pub l_rec: Tensor,
    /// The sparsity penalty: of each token for power and tanh, 0-d for tanh-quad.
    pub l_s: Option<Tensor>,
    /// The threshold penalty, 0-d.
    pub l_p: Option<Tensor>,
    /// The Aux-K loss, 0-d; 0 while no latent is dead.
    pub l_aux: Option<Tensor>,
    /// Activations of the latents, `(…, d_sae)`.
    pub feature_acts: Tensor,
    /// Pre-activations, `(…, d_sae)`.
    pub hidden_pre: Tensor,
    /// Reconstruction, `(…, d_model)`.
    pub reconstructed: Tensor,
}

/// Given the activations of this step's latents, says which latents are dead: bool `(d_sae)`. Used by Aux-K.
pub type DeadLatents<'a> = &'a mut dyn FnMut(&Tensor) -> Result<Tensor>;

impl SparseAutoEncoder {
    /// The loss on normalised activations, as a differentiable graph.
    ///
    /// `dead` is asked once, and only with an `auxk_coefficient`; without it no latent counts as dead.
    ///
    /// # Errors
    /// Shapes that do not fit this dictionary.
    pub fn compute_loss(
        &self,
        input: &LossInput<'_>,
        settings: &LossSettings,
        dead: Option<DeadLatents<'_>>,
    ) -> Result<LossTerms> {
        let encoded = self.encode_with(input.x, settings.amp_dtype)?;
        let reconstructed = self.decode_with(&encoded.feature_acts, settings.amp_dtype)?;
        let mut terms = LossTerms {
            loss: Tensor::new(),
            l_rec: token_mean(&squared_error(&reconstructed, input.label)?, input.mask)?,
            l_s: None,
            l_p: None,
            l_aux: None,
            feature_acts: encoded.feature_acts.shallow_clone(),
            hidden_pre: encoded.hidden_pre.shallow_clone(),
            reconstructed,
        };
        let mut loss = terms.l_rec.shallow_clone();
        if let Some(kind) = settings.sparsity_loss_type {
            let l_s = sparsity(kind, &encoded, settings)?;
            loss = loss.f_add(&token_mean(&l_s, input.mask)?)?;
            terms.l_s = Some(l_s);
        }
        if settings.lp_coefficient > 0.0
            && let Some(l_p) = self.threshold_penalty(&encoded, settings.lp_coefficient, input.mask)?
        {
            loss = loss.f_add(&l_p)?;
            terms.l_p = Some(l_p);
        }
        if settings.auxk_coefficient > 0.0 {
            let is_dead = dead.map(|dead| dead(&terms.feature_acts)).transpose()?;
            let l_aux = self.auxk(&encoded, &terms.reconstructed, input, settings, is_dead.as_ref())?;
            loss = loss.f_add(&l_aux)?;
            terms.l_aux = Some(l_aux);
        }
        terms.loss = loss;
        Ok(terms)
    }

    /// `mean_t Σ relu(θ − h) n`, which draws thresholds down to pre-activations that stay below them
    /// (<https://transformer-circuits.pub/2025/january-update/index.html>). θ is compared with h as it is, even where
    /// the activation function sees h · n; this is the published system's arithmetic.
    fn threshold_penalty(
        &self,
        encoded: &Encoded,
        coefficient: f64,
        mask: Option<&Tensor>,
    ) -> Result<Option<Tensor>> {
        let (ActFn::JumpRelu, Some(log_threshold)) = (self.cfg.act_fn, &self.log_jumprelu_threshold) else {
            return Ok(None);
        };
        let threshold = log_threshold.f_exp()?.f_to_kind(self.kind())?;
        let below = threshold.f_sub(&encoded.hidden_pre)?.f_relu()?;
        let per_token = sum_last(&below.f_mul(&encoded.decoder_norm)?)?.f_mul_scalar(coefficient)?;
        token_mean(&per_token, mask).map(Some)
    }

    /// `mean_t ‖e − ê‖²` with `e = y − x̂` and ê decoded from dead latents alone
    /// (<https://arxiv.org/abs/2406.04093>, appendix A.2). Gradients also pass through e.
    fn auxk(
        &self,
        encoded: &Encoded,
        reconstructed: &Tensor,
        input: &LossInput<'_>,
        settings: &LossSettings,
        is_dead: Option<&Tensor>,
    ) -> Result<Tensor> {
        let count = match is_dead {
            Some(is_dead) => is_dead.f_sum(Kind::Int64)?.f_int64_value(&[])?,
            None => 0,
        };
        let k = count.min(settings.k_aux);
        let (Some(is_dead), true) = (is_dead, k > 0) else {
            return Ok(Tensor::f_zeros(
                [0i64; 0].as_slice(),
                (self.kind(), self.device()),
            )?);
        };
        let dead_pre = encoded.hidden_pre.f_mul(is_dead)?;
        let dead_acts = self.activate(&dead_pre, &encoded.decoder_norm, k)?;
        let residual = input.label.f_sub(reconstructed)?;
        let decoded = product(&dead_acts, &self.w_d, settings.amp_dtype)?;
        let mean = token_mean(&squared_error(&residual, &decoded)?, input.mask)?;
        Ok(mean.f_mul_scalar(settings.auxk_coefficient)?)
    }
}

/// The sparsity penalty times λ: `(…)` per token, or 0-d for tanh-quad, whose frequencies count every position.
fn sparsity(kind: SparsityLoss, encoded: &Encoded, settings: &LossSettings) -> Result<Tensor> {
    let weighted = encoded.feature_acts.f_mul(&encoded.decoder_norm)?;
    let soft_count = || weighted.f_mul_scalar(settings.tanh_stretch_coefficient)?.f_tanh();
    let penalty = match kind {
        SparsityLoss::Power => weighted.f_norm_scalaropt_dim(settings.p, [-1i64].as_slice(), false)?,
        SparsityLoss::Tanh => sum_last(&soft_count()?)?,
        SparsityLoss::TanhQuad => {
            let width = weighted.size().last().copied().unwrap_or(1);
            let frequency =
                soft_count()?
                    .f_reshape([-1, width])?
                    .f_mean_dim([0i64].as_slice(), false, None::<Kind>)?;
            let excess = frequency
                .f_div_scalar(settings.frequency_scale)?
                .f_add_scalar(1.0)?;
            frequency.f_mul(&excess)?.f_sum(None::<Kind>)?
        }
    };
    Ok(penalty.f_mul_scalar(settings.l1_coefficient)?)
}

/// `‖a − b‖²` of each token.
pub(crate) fn squared_error(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    sum_last(&a.f_sub(b)?.f_square()?)
}

/// Sum over the last dimension.
pub(crate) fn sum_last(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>)?)
}

/// Mean over tokens, masked positions left out; 0 when all are. What is 0-d already stays as it is.
pub(crate) fn token_mean(x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    match mask {
        _ if x.dim() == 0 => Ok(x.shallow_clone()),
        None => Ok(x.f_mean(None::<Kind>)?),
        Some(mask) => {
            let weights = mask.f_to_device(x.device())?.f_to_kind(x.f_kind()?)?;
            let count = weights.f_sum(None::<Kind>)?.f_clamp_min(1.0)?;
            Ok(x.f_mul(&weights)?.f_sum(None::<Kind>)?.f_div(&count)?)
        }
    }
}
