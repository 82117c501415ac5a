//! How a sparsity penalty grows with activations, for kernels that go over these number by number.

use super::facts::Facts;
use crate::dictionary::{self, ByNumber};
use crate::error::Result;
use crate::kernels::pointwise::Penalty;
use crate::tensor::slices::numbers;
use crate::tensor::{Kind, Tensor};

/// What the sparsity penalty adds, if there is one.
pub(super) enum Slopes {
    None,
    ByNumber(ByNumber),
    /// The numbers of a token act together.
    Given(dictionary::Penalty),
}

impl Slopes {
    /// Returns the slopes. `soft_counts` are those of the whole batch; `given` is asked for the penalty on all activations where
    /// the numbers of a token act together.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn new(
        facts: &Facts<'_>,
        soft_counts: Option<&Tensor>,
        given: impl FnOnce() -> Result<Option<dictionary::Penalty>>,
    ) -> Result<Self> {
        let settings = facts.settings;
        let Some(kind) = settings.sparsity_loss_type else {
            return Ok(Slopes::None);
        };
        let soft_counts = match soft_counts {
            Some(soft_counts) => soft_counts.shallow_clone(),
            None => facts.workspace.zeros_like(&facts.norm)?,
        };
        match kind.by_number(settings, facts.rows(), &soft_counts, facts.workspace)? {
            Some(by_number) => Ok(Slopes::ByNumber(by_number)),
            None => Ok(given()?.map_or(Slopes::None, Slopes::Given)),
        }
    }

    /// Returns the slopes as the kernels want them.
    ///
    /// # Errors
    /// They are not float32 on the CPU.
    pub(super) fn as_penalty(&self) -> Result<Penalty<'_>> {
        Ok(match self {
            Slopes::None => Penalty::None,
            Slopes::ByNumber(ByNumber::Linear(share)) => Penalty::Linear(*share as f32),
            Slopes::ByNumber(ByNumber::Tanh(tanh)) => Penalty::Tanh {
                stretch: tanh.stretch as f32,
                steepness: numbers(&tanh.steepness)?,
            },
            Slopes::Given(penalty) => Penalty::Given(numbers(&penalty.gradient)?),
        })
    }

    /// Returns the penalty, from what was summed of each latent, which nobody else has.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn value(&self, summed: Tensor) -> Result<Option<Tensor>> {
        Ok(match self {
            Slopes::None => None,
            Slopes::ByNumber(ByNumber::Linear(share)) => {
                Some(summed.f_sum(None::<Kind>)?.f_mul_scalar(*share)?)
            }
            Slopes::ByNumber(ByNumber::Tanh(tanh)) => Some(tanh.value(summed)?),
            Slopes::Given(penalty) => Some(penalty.value.shallow_clone()),
        })
    }
}
