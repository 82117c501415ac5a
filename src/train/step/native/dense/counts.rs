//! What is counted of activations.

use super::super::facts::Facts;
use super::super::form;
use crate::dictionary::Selection;
use crate::error::Result;
use crate::tensor::{Device, Kind, Tensor};

/// What is counted of the latents of some tokens; `(d_sae)` each, in float32 but for sums.
pub(super) struct Counts {
    /// On how many tokens each is on.
    pub(super) fired: Tensor,
    /// The sum of its activations, in the format of the dictionary.
    pub(super) sum: Tensor,
    /// The bounds over which it takes part in gradients, and on how many tokens it is over them, where somebody wants to
    /// know.
    pub(super) taking_part: Option<(Tensor, Tensor)>,
    /// Its soft count, where the penalty is tanh-quad and the whole batch has not been counted yet.
    pub(super) soft: Option<Tensor>,
}

impl Counts {
    /// Returns counts of nothing, with soft counts where the penalty is made of them.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn with_soft(facts: &Facts<'_>) -> Result<Self> {
        let mut counts = Self::new(facts)?;
        if facts
            .settings
            .sparsity_loss_type
            .is_some_and(|kind| kind.is_scaled())
        {
            counts.soft = Some(counts.sum.f_zeros_like()?);
        }
        Ok(counts)
    }

    /// Returns counts of nothing.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn new(facts: &Facts<'_>) -> Result<Self> {
        let sae = facts.sae;
        let zeros = |kind| Tensor::f_zeros([sae.cfg.d_sae()], (kind, sae.device()));
        let has_kernels = facts.has_kernels;
        let taking_part = if form::depends_on_density(&sae.cfg, sae.kind(), sae.device(), has_kernels) {
            match facts.selection()? {
                Selection::Above { bounds, .. } => Some((bounds, zeros(Kind::Float)?)),
                Selection::Largest(_) | Selection::Batch(_) => None,
            }
        } else {
            None
        };
        Ok(Self {
            fired: zeros(Kind::Float)?,
            sum: zeros(sae.kind())?,
            taking_part,
            soft: None,
        })
    }

    /// Returns how many activations were on so far; `None` where one would have to wait for that.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn active(&self) -> Result<Option<f64>> {
        match self.fired.device() {
            Device::Cpu => Ok(Some(self.fired.f_sum(Kind::Double)?.f_double_value(&[])?)),
            _ => Ok(None),
        }
    }

    /// Returns the sum of all activations, and how many were active, 0-d each.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn activity(&self) -> Result<(Tensor, Tensor)> {
        Ok((self.sum.f_sum(None::<Kind>)?, self.fired.f_sum(Kind::Int64)?))
    }

    /// Returns how many pairs of a token and a latent take part in gradients, where somebody wants to know.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn pairs(&self) -> Result<Option<u64>> {
        let Some((_, over)) = &self.taking_part else {
            return Ok(None);
        };
        Ok(Some(over.f_sum(Kind::Int64)?.f_int64_value(&[])?.max(0) as u64))
    }
}
