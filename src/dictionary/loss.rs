//! The training loss of a dictionary: reconstruction, sparsity penalty, threshold penalty and Aux-K, by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sae::{Encoded, product};
use super::{ActFn, Pass, SparseAutoEncoder};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor};

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

/// Normalised activations to train on.
pub struct LossInput<'a> {
    /// What the encoder reads, `(…, d_model)`.
    pub x: &'a Tensor,
    /// What the decoder should give, `(…, d_model)`; for an autoencoder the same as `x`.
    pub label: &'a Tensor,
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
    /// The loss on normalised activations, as a differentiable graph. Positions that do not count in `pass` have
    /// values, but no part in any term.
    ///
    /// `dead` is asked once, and only with an `auxk_coefficient`; without it no latent counts as dead.
    ///
    /// # Errors
    /// Shapes that do not fit this dictionary, or a mask that does not fit them.
    pub fn compute_loss(
        &self,
        input: &LossInput<'_>,
        settings: &LossSettings,
        pass: &Pass<'_>,
        dead: Option<DeadLatents<'_>>,
    ) -> Result<LossTerms> {
        let encoded = self.encode_with(input.x, pass)?;
        let counted = pass.counted_of(&encoded.hidden_pre)?;
        let counted = counted.as_ref();
        let reconstructed = self.decode_with(&encoded.feature_acts, pass)?;
        let mut terms = LossTerms {
            loss: Tensor::new(),
            l_rec: token_mean(&squared_error(&reconstructed, input.label)?, counted)?,
            l_s: None,
            l_p: None,
            l_aux: None,
            feature_acts: encoded.feature_acts.shallow_clone(),
            hidden_pre: encoded.hidden_pre.shallow_clone(),
            reconstructed,
        };
        let mut loss = terms.l_rec.shallow_clone();
        if let Some(kind) = settings.sparsity_loss_type {
            let l_s = sparsity(kind, &encoded, settings, counted)?;
            loss = loss.f_add(&token_mean(&l_s, counted)?)?;
            terms.l_s = Some(l_s);
        }
        if settings.lp_coefficient > 0.0
            && let Some(l_p) = self.threshold_penalty(&encoded, settings.lp_coefficient, counted)?
        {
            loss = loss.f_add(&l_p)?;
            terms.l_p = Some(l_p);
        }
        if settings.auxk_coefficient > 0.0 {
            let is_dead = dead.map(|dead| dead(&terms.feature_acts)).transpose()?;
            let residual = input.label.f_sub(&terms.reconstructed)?;
            let l_aux = match is_dead {
                Some(is_dead) => self.auxk(&encoded, &residual, &is_dead, settings, (pass, counted))?,
                None => self.zero()?,
            };
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
        counted: Option<&Tensor>,
    ) -> Result<Option<Tensor>> {
        let (ActFn::JumpRelu, Some(log_threshold)) = (self.cfg.act_fn, &self.log_jumprelu_threshold) else {
            return Ok(None);
        };
        let threshold = log_threshold.f_exp()?.f_to_kind(self.kind())?;
        let below = threshold.f_sub(&encoded.hidden_pre)?.f_relu()?;
        let per_token = sum_last(&below.f_mul(&encoded.decoder_norm)?)?.f_mul_scalar(coefficient)?;
        token_mean(&per_token, counted).map(Some)
    }

    /// `mean_t ‖e − ê‖²` with `e = y − x̂` and ê decoded from dead latents alone
    /// (<https://arxiv.org/abs/2406.04093>, appendix A.2). Gradients also pass through e.
    fn auxk(
        &self,
        encoded: &Encoded,
        residual: &Tensor,
        is_dead: &Tensor,
        settings: &LossSettings,
        (pass, counted): (&Pass<'_>, Option<&Tensor>),
    ) -> Result<Tensor> {
        let k = is_dead
            .f_sum(Kind::Int64)?
            .f_int64_value(&[])?
            .min(settings.k_aux);
        if k == 0 {
            return self.zero();
        }
        let dead_pre = encoded.hidden_pre.f_mul(is_dead)?;
        let dead_acts = self.activate(&dead_pre, &encoded.decoder_norm, k, counted)?;
        let decoded = product(&dead_acts, &self.w_d, pass.amp)?;
        let mean = token_mean(&squared_error(residual, &decoded)?, counted)?;
        Ok(mean.f_mul_scalar(settings.auxk_coefficient)?)
    }

    fn zero(&self) -> Result<Tensor> {
        Ok(Tensor::f_zeros(
            [0i64; 0].as_slice(),
            (self.kind(), self.device()),
        )?)
    }
}

/// The sparsity penalty times λ: `(…)` per token, or 0-d for tanh-quad, whose frequencies are over counted positions.
fn sparsity(
    kind: SparsityLoss,
    encoded: &Encoded,
    settings: &LossSettings,
    counted: Option<&Tensor>,
) -> Result<Tensor> {
    let weighted = encoded.feature_acts.f_mul(&encoded.decoder_norm)?;
    let soft_count = || weighted.f_mul_scalar(settings.tanh_stretch_coefficient)?.f_tanh();
    let penalty = match kind {
        SparsityLoss::Power => weighted.f_norm_scalaropt_dim(settings.p, [-1i64].as_slice(), false)?,
        SparsityLoss::Tanh => sum_last(&soft_count()?)?,
        SparsityLoss::TanhQuad => {
            let frequency = mean_of_positions(&soft_count()?, counted)?;
            let excess = frequency
                .f_div_scalar(settings.frequency_scale)?
                .f_add_scalar(1.0)?;
            frequency.f_mul(&excess)?.f_sum(None::<Kind>)?
        }
    };
    Ok(penalty.f_mul_scalar(settings.l1_coefficient)?)
}

/// Mean of `x (…, n)` over the positions that count, `(n)`.
fn mean_of_positions(x: &Tensor, counted: Option<&Tensor>) -> Result<Tensor> {
    let width = x.size().last().copied().unwrap_or(1);
    let Some(counted) = counted else {
        return Ok(x
            .f_reshape([-1, width])?
            .f_mean_dim([0i64].as_slice(), false, None::<Kind>)?);
    };
    let count = counted.f_sum(x.f_kind()?)?.f_clamp_min(1.0)?;
    let sum = x
        .f_masked_fill(&counted.f_logical_not()?.f_unsqueeze(-1)?, 0.0)?
        .f_reshape([-1, width])?
        .f_sum_dim_intlist([0i64].as_slice(), false, None::<Kind>)?;
    Ok(sum.f_div(&count)?)
}

/// `‖a − b‖²` of each token.
pub(crate) fn squared_error(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    sum_last(&a.f_sub(b)?.f_square()?)
}

/// Sum over the last dimension.
pub(crate) fn sum_last(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>)?)
}

/// Mean over the positions that count (bool `(…)`; `None`: all); 0 when none does. What is 0-d already stays as it is.
fn token_mean(x: &Tensor, counted: Option<&Tensor>) -> Result<Tensor> {
    match counted {
        _ if x.dim() == 0 => Ok(x.shallow_clone()),
        None => Ok(x.f_mean(None::<Kind>)?),
        Some(counted) => {
            let count = counted.f_sum(x.f_kind()?)?.f_clamp_min(1.0)?;
            let sum = x.f_masked_fill(&counted.f_logical_not()?, 0.0)?;
            Ok(sum.f_sum(None::<Kind>)?.f_div(&count)?)
        }
    }
}
