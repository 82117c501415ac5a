//! The training loss of a dictionary: a list of terms, each with its value, its name and the name of its metric.
//!
//! A new term is a file of this folder and a line of [`TERMS`].

mod auxk;
mod means;
mod settings;
mod sparsity;
mod threshold;

pub use means::{squared_error, sum_last};
pub use settings::LossSettings;
pub use sparsity::SparsityLoss;

use self::means::token_mean;
use super::{Encoded, Pass, SparseAutoEncoder};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The terms besides the reconstruction, in the order in which they are summed.
static TERMS: &[&dyn LossTerm] = &[&sparsity::Sparsity, &threshold::ThresholdPenalty, &auxk::AuxK];

/// A part of the loss.
trait LossTerm: Sync {
    /// Returns the term, or several; none where it does not apply.
    fn terms(&self, context: &LossContext<'_>) -> Result<Vec<Term>>;
}

/// Normalised activations to train on.
pub struct LossInput<'a> {
    /// What the encoder reads, `(…, d_model)`.
    pub x: &'a Tensor,
    /// What the decoder should give, `(…, d_model)`; for an autoencoder the same as `x`.
    pub label: &'a Tensor,
}

/// What a term is computed from.
pub struct LossContext<'a> {
    /// The dictionary.
    pub sae: &'a SparseAutoEncoder,
    /// What its encoder gave.
    pub encoded: &'a Encoded,
    /// What its decoder gave, `(…, d_model)`.
    pub reconstructed: &'a Tensor,
    /// What it should have given.
    pub label: &'a Tensor,
    /// Coefficients and kinds.
    pub settings: &'a LossSettings,
    /// How the dictionary is passed through.
    pub pass: &'a Pass<'a>,
    /// Which positions count, bool `(…)`; `None`: all.
    pub counted: Option<&'a Tensor>,
    /// Which latents are dead, bool `(d_sae)`; `None`: none.
    pub is_dead: Option<&'a Tensor>,
}

impl LossContext<'_> {
    /// Returns the mean of `x (…)` over the positions that count, heads among them; what is 0-d stays as it is.
    ///
    /// # Errors
    /// Too little memory.
    pub fn mean(&self, x: &Tensor) -> Result<Tensor> {
        token_mean(x, self.counted)
    }
}

/// One term of a loss, its coefficient applied.
#[derive(Debug)]
pub struct Term {
    /// Its name, e.g. `l_rec`.
    pub name: String,
    /// The name of its training metric.
    pub metric: String,
    /// Its value: of each token, `(…)`, or 0-d.
    pub value: Tensor,
}

impl Term {
    /// Returns the term by which every dictionary is measured.
    pub fn reconstruction(value: Tensor) -> Self {
        Term {
            name: "l_rec".into(),
            metric: "losses/mse_loss".into(),
            value,
        }
    }
}

/// Every term of one loss, with the tensors it came from.
pub struct LossTerms {
    /// The sum of all terms, 0-d; or what a loss of one's own gave.
    pub loss: Tensor,
    /// The terms, in the order in which they were summed.
    pub terms: Vec<Term>,
    /// Activations of the latents, `(…, d_sae)`.
    pub feature_acts: Tensor,
    /// Pre-activations, `(…, d_sae)`.
    pub hidden_pre: Tensor,
    /// Reconstruction, `(…, d_model)`.
    pub reconstructed: Tensor,
}

impl LossTerms {
    /// Returns the value of the term of that name, if the loss has it.
    pub fn term(&self, name: &str) -> Option<&Tensor> {
        let found = self.terms.iter().find(|term| term.name == name);
        found.map(|term| &term.value)
    }
}

/// Given the activations of this step's latents, says which latents are dead: bool `(d_sae)`. Used by Aux-K.
pub type DeadLatents<'a> = &'a mut dyn FnMut(&Tensor) -> Result<Tensor>;

impl SparseAutoEncoder {
    /// Returns the loss on normalised activations, as a differentiable graph. Positions that do not count in `pass` have
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

/// A loss of one's own has to be one number with gradients.
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

/// Returns the mean of `‖reconstructed − label‖²` over the positions that count, 0-d.
///
/// # Errors
/// Too little memory.
pub fn mean_squared_error(context: &LossContext<'_>, reconstructed: &Tensor) -> Result<Tensor> {
    context.mean(&squared_error(reconstructed, context.label)?)
}
