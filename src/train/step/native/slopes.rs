//! How a sparsity penalty grows with activations, for kernels that go over these number by number.

use super::facts::Facts;
use crate::dictionary::ByNumber;
use crate::error::Result;
use crate::kernels::pointwise::{Penalty, Rows, power};
use crate::tensor::slices::{numbers, numbers_mut};
use crate::tensor::{Kind, Tensor};

/// What the sparsity penalty adds, if there is one.
pub(super) enum Slopes {
    None,
    ByNumber(ByNumber),
    /// The numbers of a token, or of a head of it, act together: the penalty and its derivative.
    ByToken(f64, Tensor),
}

impl Slopes {
    /// Returns the slopes. `soft_counts` are those of the whole batch; `by_token` is asked for what is said of all activations
    /// where those of a token act together.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn new(
        facts: &Facts<'_>,
        soft_counts: Option<&Tensor>,
        by_token: impl FnOnce() -> Result<Slopes>,
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
            None => by_token(),
        }
    }

    /// Returns what is said of `acts` whose `rows` act together, each weighted by its norm; the derivative has the room `slopes`,
    /// and the penalties of the rows go to `norms`.
    ///
    /// # Errors
    /// They are not float32 on the CPU.
    pub(super) fn by_token(
        facts: &Facts<'_>,
        (acts, norm): (&[f32], &[f32]),
        rows: Rows<'_>,
        mut slopes: Tensor,
        norms: &mut [f32],
    ) -> Result<Self> {
        let share = facts.settings.l1_coefficient / facts.rows() as f64;
        let p = i32::try_from(facts.settings.p).unwrap_or(i32::MAX);
        let numbers = numbers_mut(&mut slopes)?;
        power((acts, norm), rows, (p, share as f32), numbers, norms);
        let sum: f64 = norms.iter().map(|norm| f64::from(*norm)).sum();
        Ok(Slopes::ByToken(share * sum, slopes))
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
            Slopes::ByToken(_, slopes) => Penalty::Given(numbers(slopes)?),
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
            Slopes::ByToken(value, _) => Some(Tensor::from(*value as f32)),
        })
    }
}
