//! Parts of the latents that reconstruct by themselves.

use super::loss::Term;
use crate::error::Result;
use crate::tensor::Tensor;

/// The first so many latents, as far as the loss looks at what they reconstruct without the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prefix {
    /// How many latents they are.
    pub latents: i64,
    /// The weight of their error in the loss.
    pub weight: f64,
}

impl Prefix {
    /// Returns the term of its `error`, 0-d or of each token; `is_all`: it is all latents.
    ///
    /// # Errors
    /// Too little memory.
    pub fn term(self, error: &Tensor, is_all: bool) -> Result<Term> {
        Ok(self.term_of(error.f_mul_scalar(self.weight)?, is_all))
    }

    /// Returns the term whose value, the error times the weight, is known.
    pub fn term_of(self, value: Tensor, is_all: bool) -> Term {
        if is_all {
            return Term::reconstruction(value);
        }
        Term {
            name: format!("l_rec_{}", self.latents),
            metric: format!("losses/inner_mse_loss_{}", self.latents),
            value,
        }
    }
}
