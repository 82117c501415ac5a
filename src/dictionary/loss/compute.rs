//! The sum of the terms.

use super::means::{squared_error, token_mean};
use super::term::LossTerm;
use super::terms::{LossTerms, Term};
use super::{LossSettings, auxk, sparsity, threshold};
use crate::dictionary::Pass;
use crate::dictionary::variant::{LossContext, SparseAutoEncoder};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The terms besides the reconstruction, in the order in which they are summed.
static TERMS: &[&dyn LossTerm] = &[&sparsity::Sparsity, &threshold::ThresholdPenalty, &auxk::AuxK];

/// Normalised activations to train on.
pub struct LossInput<'a> {
    /// What the encoder reads, `(…, d_model)`.
    pub x: &'a Tensor,
    /// What the decoder should give, `(…, d_model)`; for an autoencoder the same as `x`.
    pub label: &'a Tensor,
}

impl LossContext<'_> {
    /// Returns the mean of `x (…)` over the positions that count, heads among them; what is 0-d stays as it is.
    ///
    /// # Errors
    /// Too little memory.
    pub fn mean(&self, x: &Tensor) -> Result<Tensor> {
        token_mean(x, self.counted)
    }

    /// Returns the mean of `‖reconstructed − label‖²` over the positions that count, 0-d, or where the pass asks for it that of
    /// each token.
    ///
    /// # Errors
    /// Too little memory.
    pub fn squared_error(&self, reconstructed: &Tensor) -> Result<Tensor> {
        let errors = squared_error(reconstructed, self.label)?;
        if self.pass.per_token {
            return Ok(errors);
        }
        self.mean(&errors)
    }
}

/// Given the activations of this step's latents, says which latents are dead: bool `(d_sae)`. Used by Aux-K.
pub type DeadLatents<'a> = &'a mut dyn FnMut(&Tensor) -> Result<Tensor>;

impl SparseAutoEncoder {
    /// Returns the loss on normalised activations, as a differentiable graph. Positions that do not count in `pass`
    /// have values, but no part in any term.
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
        let counted = self.counted_of(input.x, pass)?;
        let reconstructed = self.decode_with(&encoded.feature_acts, pass)?;
        let is_dead = match dead {
            Some(dead) if settings.auxk_coefficient > 0.0 => Some(dead(&encoded.feature_acts)?),
            _ => None,
        };
        let context = LossContext {
            sae: self,
            encoded: &encoded,
            reconstructed: &reconstructed,
            label: input.label,
            settings,
            pass,
            counted: counted.as_ref(),
            is_dead: is_dead.as_ref(),
        };
        let mut terms = self.cfg.variant.reconstruction_terms(&context)?;
        for term in TERMS {
            terms.extend(term.terms(&context)?);
        }
        let loss = sum_of(&context, &terms)?;
        let mut all = LossTerms {
            loss,
            terms,
            feature_acts: encoded.feature_acts,
            hidden_pre: encoded.hidden_pre,
            reconstructed,
        };
        if let Some(custom) = pass.custom.loss {
            all.loss = own_loss(custom(&all)?)?;
        }
        Ok(all)
    }
}

fn sum_of(context: &LossContext<'_>, terms: &[Term]) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for term in terms {
        let value = context.mean(&term.value)?;
        sum = Some(match sum {
            Some(sum) => sum.f_add(&value)?,
            None => value,
        });
    }
    sum.ok_or_else(|| Error::run("a loss needs at least one term"))
}

/// Returns a loss of one's own as 0-d, and refuses one that is not a single number or has no gradients.
fn own_loss(loss: Tensor) -> Result<Tensor> {
    if loss.numel() != 1 {
        return Err(Error::input(format!(
            "`loss` has to give a single number, but gave a tensor of shape {:?}",
            loss.size()
        ))
        .hint("end it with `.sum()` or `.mean()`"));
    }
    if !loss.requires_grad() {
        return Err(Error::input("what `loss` gave does not depend on the parameters")
            .hint("compute it from `out.loss`, the terms or the tensors of `out`"));
    }
    Ok(loss.f_reshape([0i64; 0].as_slice())?)
}
