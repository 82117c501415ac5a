//! Which latents made the model say a token: input × gradient at the hook point of a dictionary.
//!
//! With g the gradient of the token's logit (less the mean over the vocabulary) by the activations x, and
//! `x = Σ f_i d_i + b + e` as the dictionary has them, `g·x = Σ f_i (g·d_i) + g·b + g·e`: the parts of latents, of the
//! decoder's bias and of what the dictionary does not explain add up to the whole. `g·x` is the first-order effect of x
//! being there, not the logit itself.

use super::hook_points;
use crate::dictionary::{Pass, SparseAutoEncoder};
use crate::error::{Error, Result};
use crate::model::{Gradient, LanguageModel};
use crate::tensor::{Device, Kind, Tensor, no_grad_guard};

/// The part of a latent at a position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// The latent.
    pub latent: i64,
    /// The position, from 0.
    pub position: i64,
    /// Its activation there, in the dictionary's scale.
    pub activation: f64,
    /// What it adds to the token's logit, to first order.
    pub attribution: f64,
}

/// What made the model say a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution {
    /// The token's logit at the last position, less the mean over the vocabulary.
    pub logit: f64,
    /// The sum of all parts: gradient × activations at the written hook point.
    pub total: f64,
    /// The part of the decoder's bias, over all positions.
    pub bias: f64,
    /// The parts of what the dictionary does not explain, by position.
    pub errors: Vec<f64>,
    /// The parts of all latents that fire, the largest in absolute value first.
    pub latents: Vec<Part>,
}

/// Returns which latents of `sae` made the model say `token` after `tokens`, int64 `[1, seq]`.
///
/// # Errors
/// Several texts, a token that the model does not have; a dictionary of another model, or of several hook points.
pub fn attribute(
    model: &LanguageModel,
    sae: &SparseAutoEncoder,
    tokens: &Tensor,
    token: i64,
    pass: &Pass<'_>,
) -> Result<Attribution> {
    let [reads, writes] = hook_points(sae)?;
    if tokens.size().first() != Some(&1) {
        return Err(Error::input(format!(
            "expected the tokens of one text, [1, seq], but was given {:?}",
            tokens.size()
        )));
    }
    let words = model.cfg()?.d_vocab;
    if !(0..words).contains(&token) {
        return Err(Error::input(format!(
            "there is no token {token}: the model has {words}, from 0"
        )));
    }
    let found = model.gradient_at(tokens, writes, &[reads], |logits| {
        let last = logits.f_select(1, -1)?.f_select(0, 0)?.f_to_kind(Kind::Float)?;
        Ok(last.f_select(0, token)?.f_sub(&last.f_mean(Kind::Float)?)?)
    })?;
    divided(sae, &found, [reads, writes], pass)
}

/// Returns the parts of what the model said.
fn divided(
    sae: &SparseAutoEncoder,
    found: &Gradient,
    [reads, writes]: [&str; 2],
    pass: &Pass<'_>,
) -> Result<Attribution> {
    let _no_grad = no_grad_guard();
    let at = |hook: &str| -> Result<Tensor> {
        let x = found.activations.get(hook);
        let x = x.ok_or_else(|| Error::run(format!("the model gave no activations at `{hook}`")))?;
        Ok(x.f_to_device(sae.device())?.f_to_kind(sae.kind())?)
    };
    let acts = sae.encode_with(&sae.normalize_with(&at(reads)?, reads, pass)?, pass)?;
    let acts = acts.feature_acts;
    let output = at(writes)?;
    let factor = sae.norm_factor_with(&output, writes, pass)?;
    // All of the one text, on the CPU and exact.
    let rows = |x: &Tensor| -> Result<Tensor> {
        Ok(x.f_to_device(Device::Cpu)?
            .f_to_kind(Kind::Double)?
            .f_select(0, 0)?)
    };
    let gradient = found.gradient.f_to_device(sae.device())?;
    // Of the dictionary's own output, which is larger by the factor.
    let inner = rows(&gradient.f_to_kind(sae.kind())?.f_div(&factor)?)?;
    let (gradient, output) = (rows(&gradient)?, rows(&output)?);
    let explained = rows(&sae.decode_with(&acts, pass)?.f_div(&factor)?)?;
    let bias = match sae.parameter("b_D") {
        Ok(bias) => {
            let bias = bias
                .f_detach()?
                .f_to_device(Device::Cpu)?
                .f_to_kind(Kind::Double)?;
            along(&inner, &bias)?.iter().sum()
        }
        Err(_) => 0.0,
    };
    Ok(Attribution {
        logit: found.value,
        total: along(&gradient, &output)?.iter().sum(),
        bias,
        errors: along(&gradient, &output.f_sub(&explained)?)?,
        latents: parts(sae, &rows(&acts)?, &inner)?,
    })
}

/// Returns the product of each row of `gradient (seq, d)` with that of `x`, or with the one row `x`.
fn along(gradient: &Tensor, x: &Tensor) -> Result<Vec<f64>> {
    let sums = gradient
        .f_mul(x)?
        .f_sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>)?;
    Ok(Vec::<f64>::try_from(sums)?)
}

/// Returns `f_i (g·d_i)` of every latent that fires, for `acts (seq, d_sae)` and `gradient (seq, d_model)`.
fn parts(sae: &SparseAutoEncoder, acts: &Tensor, gradient: &Tensor) -> Result<Vec<Part>> {
    let decoder = sae.parameter("W_D")?.f_detach()?.f_to_device(Device::Cpu)?;
    let places = acts.f_nonzero()?;
    let (positions, latents) = (places.f_select(1, 0)?, places.f_select(1, 1)?);
    let directions = decoder.f_index_select(0, &latents)?.f_to_kind(Kind::Double)?;
    let slopes = gradient
        .f_index_select(0, &positions)?
        .f_mul(&directions)?
        .f_sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>)?;
    let width = acts.size()[1];
    let flat = positions.f_mul_scalar(width)?.f_add(&latents)?;
    let values = acts.f_reshape([-1])?.f_index_select(0, &flat)?;
    let numbers = |x: &Tensor| -> Result<Vec<i64>> { Ok(Vec::<i64>::try_from(x)?) };
    let attributions = Vec::<f64>::try_from(&values.f_mul(&slopes)?)?;
    let each = numbers(&positions)?
        .into_iter()
        .zip(numbers(&latents)?)
        .zip(Vec::<f64>::try_from(&values)?)
        .zip(attributions);
    let mut parts: Vec<Part> = each
        .map(|(((position, latent), activation), attribution)| Part {
            latent,
            position,
            activation,
            attribution,
        })
        .collect();
    parts.sort_by(|a, b| b.attribution.abs().total_cmp(&a.attribution.abs()));
    Ok(parts)
}
