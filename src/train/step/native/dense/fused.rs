//! What is computed number by number, each in one pass of a kernel: in float32 on the CPU.

use super::super::facts::Facts;
use super::super::form::{BARE, PLAIN};
use super::super::gradients::Gradients;
use super::super::penalties::add_near;
use super::super::slopes::Slopes;
use super::super::terms::Terms;
use super::counts::{Counts, TakingPart};
use crate::error::Result;
use crate::kernels::pointwise::{self, Bounds, Counted, Latents, Rows, Sums, Thresholds};
use crate::tensor::slices::{numbers, numbers_mut};
use crate::tensor::{Tensor, Workspace};

/// Returns whether the kernels can compute what these facts describe.
pub(super) fn serves(facts: &Facts<'_>) -> bool {
    facts.options() == PLAIN
}

/// Calls `with` with what is known of each latent.
fn with_latents<R>(facts: &Facts<'_>, with: impl FnOnce(Latents<'_>) -> Result<R>) -> Result<R> {
    let divisor = facts.divisor()?;
    let scale = match &facts.factor {
        Some(factor) => Some((numbers(factor)?, numbers(&divisor)?)),
        None => None,
    };
    with(Latents {
        norm: numbers(&facts.norm)?,
        scale,
        threshold: facts.gate.threshold.as_ref().map(numbers).transpose()?,
    })
}

/// Returns the activations of the pre-activations that are `seen`, in the room for `acts`, both `(n, [heads ·] d_sae)`, and counts
/// them.
///
/// # Errors
/// Too little memory.
pub(super) fn activate(
    facts: &Facts<'_>,
    seen: &Tensor,
    mut acts: Tensor,
    counts: &mut Counts,
) -> Result<Tensor> {
    let stretch = facts.settings.tanh_stretch_coefficient as f32;
    with_latents(facts, |latents| {
        let counted = Counted {
            fired: numbers_mut(&mut counts.fired)?,
            sum: numbers_mut(&mut counts.sum)?,
            taking_part: match &mut counts.taking_part {
                Some(TakingPart {
                    bounds,
                    with_number,
                    over,
                }) => {
                    let bounds = Bounds {
                        any: numbers(bounds)?,
                        whole: numbers(with_number)?,
                        share: BARE as f32,
                    };
                    Some((bounds, numbers_mut(over)?))
                }
                None => None,
            },
            soft: match &mut counts.soft {
                Some(soft) => Some((stretch, numbers_mut(soft)?)),
                None => None,
            },
        };
        pointwise::activate(numbers(seen)?, &latents, numbers_mut(&mut acts)?, counted);
        Ok(())
    })?;
    if let (Some(heads), Some(somewhere)) = (facts.heads, &mut counts.fired_somewhere) {
        count_tokens(numbers(&acts)?, heads as usize, numbers_mut(somewhere)?);
    }
    Ok(acts)
}

/// Adds on how many tokens each latent is on in some head.
fn count_tokens(acts: &[f32], heads: usize, fired: &mut [f32]) {
    let latents = fired.len();
    for token in acts.chunks(heads * latents) {
        for (latent, fired) in fired.iter_mut().enumerate() {
            let is_on = (0..heads).any(|head| token[head * latents + latent] > 0.0);
            *fired += f32::from(is_on);
        }
    }
}

/// What the kernel sums of each latent, in the order of [`Sums`].
struct Summed([Tensor; 5]);

impl Summed {
    fn new(facts: &Facts<'_>) -> Result<Self> {
        let zeros = || facts.workspace.zeros_like(&facts.norm);
        Ok(Self([zeros()?, zeros()?, zeros()?, zeros()?, zeros()?]))
    }

    fn as_sums(&mut self) -> Result<Sums<'_>> {
        let [penalty, by_norm, near, below, below_count] = &mut self.0;
        Ok(Sums {
            penalty: numbers_mut(penalty)?,
            by_norm: numbers_mut(by_norm)?,
            near: numbers_mut(near)?,
            below: numbers_mut(below)?,
            below_count: numbers_mut(below_count)?,
        })
    }
}

/// Returns what is said of the activations of a token, or of a head of it, together; it lies in the workspace.
fn by_token(facts: &Facts<'_>, block: &Workspace, acts: &Tensor) -> Result<Slopes> {
    let latents = facts.sae.cfg.d_sae();
    let rows = acts.numel() as i64 / latents;
    let mut norms = block.empty(&[rows], PLAIN)?;
    Slopes::by_token(
        facts,
        (numbers(acts)?, numbers(&facts.norm)?),
        Rows::Of(latents as usize),
        block.empty_like(acts)?,
        numbers_mut(&mut norms)?,
    )
}

/// What penalties and thresholds say of the activations of a batch, block after block.
pub(super) struct Derivation {
    /// The slopes of a penalty that says what it says of each number by itself.
    slopes: Slopes,
    /// What the penalty's value is where the numbers of a token act together.
    of_tokens: Option<f64>,
    cost: Option<Tensor>,
    summed: Summed,
}

impl Derivation {
    /// Returns what is said of nothing; `None` where the kernels cannot compute it. `soft_counts` are those of the whole batch.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn new(facts: &Facts<'_>, soft_counts: Option<&Tensor>) -> Result<Option<Self>> {
        if !serves(facts) {
            return Ok(None);
        }
        Ok(Some(Self {
            slopes: Slopes::new(facts, soft_counts, || Ok(Slopes::None))?,
            of_tokens: None,
            cost: facts.threshold_cost()?,
            summed: Summed::new(facts)?,
        }))
    }

    /// Returns the derivative by pre-activations from that by activations, `by_acts`, with what penalties and thresholds add;
    /// where it `is_lifted`, without what all pre-activations cost if they are below their threshold. It works in the workspace.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn derive(
        &mut self,
        facts: &Facts<'_>,
        block: &Workspace,
        (seen, acts): (&Tensor, &Tensor),
        (mut by_acts, is_lifted): (Tensor, bool),
    ) -> Result<Tensor> {
        let of_block;
        let slopes = match &self.slopes {
            Slopes::None => {
                of_block = match facts.settings.sparsity_loss_type {
                    Some(_) => by_token(facts, block, acts)?,
                    None => Slopes::None,
                };
                &of_block
            }
            of_batch => of_batch,
        };
        let thresholds = Thresholds {
            half_window: (facts.gate.window / 2.0) as f32,
            cost: self.cost.as_ref().map(numbers).transpose()?,
            is_lifted,
        };
        with_latents(facts, |latents| {
            pointwise::derive(
                (numbers(seen)?, numbers(acts)?),
                &latents,
                (slopes.as_penalty()?, thresholds),
                numbers_mut(&mut by_acts)?,
                self.summed.as_sums()?,
            );
            Ok(())
        })?;
        if let Slopes::ByToken(value, _) = slopes {
            *self.of_tokens.get_or_insert(0.0) += value;
        }
        Ok(by_acts)
    }

    /// Adds what was said of all blocks.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn finish(
        self,
        facts: &Facts<'_>,
        (terms, gradients): (&mut Terms, &mut Gradients),
    ) -> Result<()> {
        let Summed([penalty, by_norm, near, below, below_count]) = self.summed;
        let of_tokens = self.of_tokens.map(|value| Tensor::from(value as f32));
        if let Some(value) = self.slopes.value(penalty)?.or(of_tokens) {
            terms.add_penalty(value)?;
            gradients.add_by_norm(by_norm)?;
        }
        add_near(facts, &near, gradients)?;
        if self.cost.is_some() {
            terms.add_threshold_penalty(facts, (&below, &below_count), gradients)?;
        }
        Ok(())
    }
}
