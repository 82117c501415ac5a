//! What a loss consists of.

use crate::error::{Error, Result};
use crate::tensor::Tensor;

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
    /// Returns the loss of each token, `(…)`: the sum of the terms, of which those of the whole batch count for each token
    /// alike; 0 where `mask (…)` is. Its mean over the tokens that count is the loss.
    ///
    /// # Errors
    /// Too little memory.
    pub fn per_token(&self, mask: Option<&Tensor>) -> Result<Tensor> {
        let mut sum: Option<Tensor> = None;
        for term in &self.terms {
            sum = Some(match sum {
                Some(sum) => sum.f_add(&term.value)?,
                None => term.value.shallow_clone(),
            });
        }
        let sum = sum.ok_or_else(|| Error::run("a loss needs at least one term"))?;
        let Some(mask) = mask else {
            return Ok(sum);
        };
        let mut counts = mask.f_ne(0)?.f_to_device(sum.device())?;
        // A dictionary with heads has a loss for each of them.
        while counts.dim() < sum.dim() {
            counts = counts.f_unsqueeze(-1)?;
        }
        Ok(sum.f_masked_fill(&counts.f_logical_not()?, 0.0)?)
    }

    /// Returns the value of the term of that name, if the loss has it.
    pub fn term(&self, name: &str) -> Option<&Tensor> {
        let found = self.terms.iter().find(|term| term.name == name);
        found.map(|term| &term.value)
    }
}
