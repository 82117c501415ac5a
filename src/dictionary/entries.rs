//! Which numbers there are of latents on tokens: all of them, or those of the active ones alone. What is computed number by
//! number, summed over a token or summed over a latent is written once for both.

use crate::error::Result;
use crate::kernels::cuda::ordered::Ordered;
use crate::tensor::{Kind, Tensor};

/// The places of numbers on tokens and latents.
#[derive(Debug)]
pub enum Entries<'a> {
    /// A number for every latent of every token: values are `(tokens, width)`.
    Every,
    /// So many numbers and no more, on a GPU, where kernels of our own add them up: values are `(n)`, float32.
    Ordered(&'a Ordered<'a>),
}

impl Entries<'_> {
    /// Returns the sums of `values` over the latents of each token, `(tokens)`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn sum_by_token(&self, values: &Tensor) -> Result<Tensor> {
        match self {
            Entries::Every => Ok(values.f_sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>)?),
            Entries::Ordered(pairs) => pairs.sum_by_token(values),
        }
    }

    /// Returns the sums of `values` over the tokens of each latent, `(width)`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn sum_by_latent(&self, values: &Tensor) -> Result<Tensor> {
        match self {
            Entries::Every => Ok(values.f_sum_dim_intlist([0i64].as_slice(), false, None::<Kind>)?),
            Entries::Ordered(pairs) => pairs.sum_by_latent(values),
        }
    }

    /// Returns a 0 for each latent that `values` are of, `(width)`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn zeros_by_latent(&self, values: &Tensor) -> Result<Tensor> {
        let width = match self {
            Entries::Every => values.size().last().copied().unwrap_or(0),
            Entries::Ordered(pairs) => pairs.latents(),
        };
        Ok(Tensor::f_zeros([width], (values.f_kind()?, values.device()))?)
    }

    /// Returns `by_token (tokens)` in a shape that goes with values.
    ///
    /// # Errors
    /// Too little memory.
    pub fn of_token(&self, by_token: &Tensor) -> Result<Tensor> {
        match self {
            Entries::Every => Ok(by_token.f_unsqueeze(-1)?),
            Entries::Ordered(pairs) => pairs.of_token(by_token),
        }
    }

    /// Returns `by_latent (width)` in a shape that goes with values.
    ///
    /// # Errors
    /// Too little memory.
    pub fn of_latent(&self, by_latent: &Tensor) -> Result<Tensor> {
        match self {
            Entries::Every => Ok(by_latent.shallow_clone()),
            Entries::Ordered(pairs) => pairs.of_latent(by_latent),
        }
    }
}
