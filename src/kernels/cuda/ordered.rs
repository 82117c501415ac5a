//! The tokens and latents of pairs, and sums over them in one order: libtorch's own sums by place add floats as they come.

use super::by_latent::ByLatent;
use super::launcher::Launcher;
use super::pairs::Pairs;
use crate::error::Result;
use crate::tensor::{Kind, Tensor};

/// Pairs by their tokens and latents. Numbers of them are `(n)`, one for each place that there is room for.
#[derive(Debug)]
pub struct Ordered<'a> {
    launcher: &'a dyn Launcher,
    pairs: &'a Pairs,
    by_latent: &'a ByLatent,
    /// int64 `(n)`.
    token: Tensor,
    /// int64 `(n)`; the last one for places that are left over.
    latent: Tensor,
    latents: i64,
}

impl<'a> Ordered<'a> {
    /// Returns those of pairs of `latents` latents, which `by_latent` has in their order.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new(
        launcher: &'a dyn Launcher,
        (pairs, by_latent): (&'a Pairs, &'a ByLatent),
        latents: i64,
    ) -> Result<Self> {
        let latent = pairs.index.f_view([-1])?.f_clamp_max(latents - 1)?;
        Ok(Self {
            launcher,
            pairs,
            by_latent,
            token: pairs.token()?,
            latent: latent.f_to_kind(Kind::Int64)?,
            latents,
        })
    }

    /// Returns how many latents there are.
    pub fn latents(&self) -> i64 {
        self.latents
    }

    /// Returns the sums of `values`, float32 `(n)`, over the pairs of each token, `(T)`.
    ///
    /// # Errors
    /// The device failed.
    pub fn sum_by_token(&self, values: &Tensor) -> Result<Tensor> {
        self.pairs.sums_by_token(self.launcher, values)
    }

    /// Returns the sums of `values`, float32 `(n)`, over the pairs of each latent, `(S)`.
    ///
    /// # Errors
    /// The device failed.
    pub fn sum_by_latent(&self, values: &Tensor) -> Result<Tensor> {
        self.by_latent.number_sums(self.launcher, values)
    }

    /// Returns what `by_token (T)` has for the token of each pair, `(n)`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn of_token(&self, by_token: &Tensor) -> Result<Tensor> {
        Ok(by_token.f_index_select(0, &self.token)?)
    }

    /// Returns what `by_latent (S)` has for the latent of each pair, `(n)`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn of_latent(&self, by_latent: &Tensor) -> Result<Tensor> {
        Ok(by_latent.f_index_select(0, &self.latent)?)
    }
}
