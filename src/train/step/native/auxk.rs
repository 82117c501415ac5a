//! The Aux-K loss by hand: `c · mean_t ‖e − ê‖²`, ê from dead latents alone, and its derivatives, also through e.

use super::facts::Facts;
use super::gradients::Gradients;
use super::penalties::add_thresholds;
use super::terms::Terms;
use crate::dictionary::{Entries, Gate};
use crate::error::Result;
use crate::tensor::{Kind, Tensor};

/// The latents that may take part: all, of which those that are not dead are held at 0, or the dead ones alone.
pub(super) struct Latents {
    /// Their decoder rows, `([heads,] n, d_model)`, and what those are divided by.
    decoder: Tensor,
    divisor: Option<Tensor>,
    /// What their pre-activations are multiplied by before the activation function sees them.
    factor: Tensor,
    threshold: Option<Tensor>,
    /// Which they are; `None`: all.
    chosen: Option<Tensor>,
    /// 1 where there is any dead latent, else 0.
    any: Tensor,
}

impl Latents {
    /// Returns all latents, those of `is_dead (d_sae)` not held at 0. Nothing is read back from the device.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn masked(facts: &Facts<'_>, is_dead: &Tensor) -> Result<Self> {
        let factor = match &facts.factor {
            Some(factor) => factor.f_mul(is_dead)?,
            None => is_dead.f_to_kind(facts.norm.f_kind()?)?,
        };
        Ok(Self {
            decoder: facts.parameter("W_D")?,
            divisor: facts.factor.as_ref().map(|_| facts.divisor()).transpose()?,
            factor,
            threshold: facts.gate.threshold.as_ref().map(Tensor::shallow_clone),
            chosen: None,
            any: is_dead.f_any()?.f_to_kind(facts.norm.f_kind()?)?,
        })
    }

    /// Returns the latents `dead`, int64 `(n)`, of which there are some.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn chosen(facts: &Facts<'_>, dead: &Tensor) -> Result<Self> {
        let of = |x: &Tensor| x.f_index_select(-1, dead);
        let factor = match &facts.factor {
            Some(factor) => of(factor)?,
            None => of(&facts.norm)?.f_ones_like()?,
        };
        Ok(Self {
            decoder: facts.parameter("W_D")?.f_index_select(-2, dead)?,
            divisor: match &facts.factor {
                Some(_) => Some(of(&facts.divisor()?)?),
                None => None,
            },
            any: facts.zero()?.f_add_scalar(1.0)?,
            factor,
            threshold: facts.gate.threshold.as_ref().map(of).transpose()?,
            chosen: Some(dead.shallow_clone()),
        })
    }

    /// Returns what there is of these latents, along `dim`, in the shape of what there is of `all`.
    fn spread(&self, of_these: Tensor, all: &Tensor, dim: i64) -> Result<Tensor> {
        match &self.chosen {
            Some(chosen) => Ok(all.f_zeros_like()?.f_index_copy_(dim, chosen, &of_these)?),
            None => Ok(of_these),
        }
    }

    fn unscaled(&self, x: Tensor) -> Result<Tensor> {
        match &self.divisor {
            Some(divisor) => Ok(x.f_div(divisor)?),
            None => Ok(x),
        }
    }
}

/// What the loss adds.
pub(super) struct AuxK {
    /// Its value, 0-d.
    pub(super) value: Tensor,
    /// Its derivative by the reconstruction, `(tokens, [heads,] d_model)`.
    pub(super) by_reconstruction: Tensor,
    /// Its derivative by the pre-activations of the latents, `(tokens, [heads,] n)`.
    pub(super) by_pre: Tensor,
}

/// Computes the loss on pre-activations `hidden_pre (tokens, [1,] n)` of `latents` and on `error = x̂ − y`, and adds the
/// gradients of decoder and thresholds. Where no latent is dead everything is 0.
///
/// # Errors
/// Too little memory.
pub(super) fn step(
    facts: &Facts<'_>,
    hidden_pre: &Tensor,
    error: &Tensor,
    latents: &Latents,
    gradients: &mut Gradients,
) -> Result<AuxK> {
    let seen = hidden_pre.f_mul(&latents.factor)?;
    let gate = Gate {
        // More than there are dead latents changes nothing: all others are 0.
        k: facts
            .settings
            .k_aux
            .min(latents.factor.size().last().copied().unwrap_or(0)),
        threshold: latents.threshold.as_ref().map(Tensor::shallow_clone),
        ..facts.gate
    };
    let act_fn = facts.sae.cfg.act_fn;
    let acts = latents.unscaled(act_fn.apply(&seen, &gate)?)?;
    // e − ê with e = −error.
    let mut rest = facts.decoded(&acts, &latents.decoder)?.f_add_(error)?.f_neg_()?;
    let share = facts.settings.auxk_coefficient / facts.rows() as f64;
    let value = rest
        .f_square()?
        .f_sum(None::<Kind>)?
        .f_mul_scalar(share)?
        .f_mul(&latents.any)?;
    let by_decoded = rest.f_mul_(&latents.any.f_mul_scalar(-2.0 * share)?)?;
    let by_decoder = facts.by_decoder(&acts, &by_decoded)?;
    let by_decoder = latents.spread(by_decoder, &facts.parameter("W_D")?, -2)?;
    gradients.add("W_D", by_decoder.f_flatten(0, -2)?)?;
    let by_acts = facts.by_acts(&by_decoded, &latents.decoder)?;
    let by_scaled = latents.unscaled(by_acts.shallow_clone())?;
    let spread = |by_threshold| latents.spread(by_threshold, &facts.norm, -1);
    add_thresholds(
        facts,
        &Entries::Every,
        (&seen, &by_scaled),
        &gate,
        spread,
        gradients,
    )?;
    Ok(AuxK {
        value,
        by_pre: by_acts.f_mul(&acts.f_gt(0.0)?)?,
        by_reconstruction: by_decoded,
    })
}

/// Adds the loss and the gradients of encoder and decoder where only pairs are known of other latents: the pre-activations
/// of the dead ones of `is_dead (d_sae)` are computed here from the encoder's inputs `x`, and `error` gives `x̂ − y`. Returns
/// the derivative by the reconstruction; `None` where no latent is dead.
///
/// # Errors
/// Too little memory.
pub(super) fn of_dead(
    facts: &Facts<'_>,
    (x, is_dead): (&Tensor, &Tensor),
    error: impl FnOnce() -> Result<Tensor>,
    terms: &mut Terms,
    gradients: &mut Gradients,
) -> Result<Option<Tensor>> {
    let dead = is_dead.f_nonzero()?.f_squeeze_dim(1)?;
    if dead.numel() == 0 {
        return Ok(None);
    }
    let error = error()?;
    let encoder = facts.encoder()?.f_tr()?;
    let rows = encoder.f_index_select(0, &dead)?;
    let bias = facts.encoder_bias()?;
    let hidden_pre = facts
        .product(x, &rows.f_tr()?)?
        .f_add_(&bias.f_index_select(0, &dead)?)?;
    let latents = Latents::chosen(facts, &dead)?;
    let aux = step(facts, &facts.for_heads(hidden_pre)?, &error, &latents, gradients)?;
    terms.add_auxk(aux.value)?;
    let by_pre = facts.over_heads(aux.by_pre)?;
    let mut by_encoder = encoder.f_zeros_like()?;
    let rows = facts.product(&by_pre.f_tr()?, x)?;
    let _ = by_encoder.f_index_copy_(0, &dead, &rows)?;
    gradients.add("W_E", by_encoder.f_tr()?)?;
    let sums = by_pre.f_sum_dim_intlist([0i64].as_slice(), false, None::<Kind>)?;
    gradients.add("b_E", bias.f_zeros_like()?.f_index_copy(0, &dead, &sums)?)?;
    Ok(Some(aux.by_reconstruction))
}
