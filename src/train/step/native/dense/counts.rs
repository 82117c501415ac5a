//! What is counted of activations.

use super::super::facts::Facts;
use super::super::form;
use crate::dictionary::Selection;
use crate::error::Result;
use crate::tensor::slices::numbers;
use crate::tensor::{Device, Kind, Tensor, Workspace};

/// What is counted of the latents of some tokens; `(d_sae)` each, in float32 but for sums.
pub(super) struct Counts {
    /// On how many tokens each is on.
    pub(super) fired: Tensor,
    /// On how many it is on in some head, where there are heads.
    pub(super) fired_somewhere: Option<Tensor>,
    /// The sum of its activations, in the format of the dictionary.
    pub(super) sum: Tensor,
    /// On how many tokens it takes part in gradients, where somebody wants to know.
    pub(super) taking_part: Option<TakingPart>,
    /// Its soft count, where the penalty is tanh-quad and the whole batch has not been counted yet.
    pub(super) soft: Option<Tensor>,
}

/// On how many tokens latents take part in gradients, `(d_sae)` each.
pub(super) struct TakingPart {
    /// The bounds over which they do, and those over which their number counts.
    pub(super) bounds: Tensor,
    pub(super) with_number: Tensor,
    /// On how many tokens they are over them; on the CPU those without a number by what they cost.
    pub(super) over: Tensor,
}

impl TakingPart {
    fn new(bounds: Tensor, spans: Option<Tensor>, workspace: &Workspace) -> Result<Self> {
        let with_number = match spans {
            Some(mut spans) => spans.f_clamp_min_(0.0)?.f_add_(&bounds)?,
            None => bounds.shallow_clone(),
        };
        Ok(Self {
            over: workspace.zeros_like(&bounds)?,
            bounds,
            with_number,
        })
    }
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
            counts.soft = Some(facts.workspace.zeros_like(&counts.sum)?);
        }
        Ok(counts)
    }

    /// Returns counts of nothing.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn new(facts: &Facts<'_>) -> Result<Self> {
        let sae = facts.sae;
        let size = facts.norm.size();
        let zeros = |kind| facts.workspace.zeros(&size, (kind, sae.device()));
        let shared = || {
            let size = [sae.cfg.d_sae()];
            facts.workspace.zeros(&size, (Kind::Float, sae.device()))
        };
        let has_kernels = facts.has_kernels;
        let taking_part = if form::depends_on_density(&sae.cfg, sae.kind(), sae.device(), has_kernels) {
            match facts.selection()? {
                Selection::Above { bounds, spans } => Some(TakingPart::new(bounds, spans, facts.workspace)?),
                Selection::Largest(_) | Selection::Batch(_) => None,
            }
        } else {
            None
        };
        Ok(Self {
            fired: zeros(Kind::Float)?,
            fired_somewhere: facts.heads.map(|_| shared()).transpose()?,
            sum: zeros(sae.kind())?,
            taking_part,
            soft: None,
        })
    }

    /// Returns on how many tokens each latent is on, `(d_sae)`, whatever heads there are.
    pub(super) fn of_tokens(&self) -> &Tensor {
        self.fired_somewhere.as_ref().unwrap_or(&self.fired)
    }

    /// Returns how many activations were on so far; `None` where one would have to wait for that.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn active(&self) -> Result<Option<f64>> {
        match self.fired.device() {
            Device::Cpu => Ok(Some(total(&self.fired)?)),
            _ => Ok(None),
        }
    }

    /// Returns the sum of all activations, and how many were active, 0-d each.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn activity(&self) -> Result<(Tensor, Tensor)> {
        let active = match self.active()? {
            Some(active) => Tensor::from(active as i64),
            None => self.fired.f_sum(Kind::Int64)?,
        };
        Ok((self.sum.f_sum(None::<Kind>)?, active))
    }

    /// Returns how many pairs of a token and a latent take part in gradients, where somebody wants to know; on the CPU those
    /// without a number by what they cost.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn pairs(&self) -> Result<Option<f64>> {
        let Some(TakingPart { over, .. }) = &self.taking_part else {
            return Ok(None);
        };
        match total(over) {
            Ok(total) => Ok(Some(total)),
            Err(_) => Ok(Some(over.f_sum(Kind::Double)?.f_double_value(&[])?)),
        }
    }
}

/// Returns the sum of these numbers.
///
/// # Errors
/// They are not float32 on the CPU.
fn total(of: &Tensor) -> Result<f64> {
    Ok(numbers(of)?.iter().copied().map(f64::from).sum())
}
