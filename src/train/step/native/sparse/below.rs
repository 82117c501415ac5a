//! The threshold penalty `c · mean_t Σ relu(θ − h) n`. Nearly all pre-activations are below their threshold, so it is computed as
//! if all were but for the bare pairs, those over it that have no number: that takes sums of tokens alone. What else is not
//! below, all of it among the pairs with a number, is taken off again.

use super::super::facts::Facts;
use super::super::gradients::Gradients;
use super::super::terms::Terms;
use super::room::Room;
use crate::error::Result;
use crate::kernels::gather::gather;
use crate::kernels::pattern::Pattern;
use crate::kernels::rest::Sums;
use crate::kernels::scatter::Given;
use crate::kernels::strided::Strided;
use crate::tensor::Tensor;
use crate::tensor::slices::{numbers, numbers_mut};

/// The tokens on which latents are taken to be below their threshold: all but those of bare pairs.
pub(super) struct Below {
    /// How many, `([heads,] d_sae)`.
    count: Tensor,
    /// The sums of the latent's pre-activations on them, `([heads,] d_sae)`.
    hidden_pre: Tensor,
    /// What each unit below costs, `([heads,] d_sae)`, and how it changes the gradient of the encoder, `(d_sae)`.
    cost: Tensor,
    by_inputs: Tensor,
    /// What the sums of the inputs of these tokens say stands in the gradient of the encoder already; otherwise there are no bare
    /// pairs, and the sum is that of all tokens.
    is_held: bool,
}

impl Below {
    /// Adds up what is below of the tokens whose inputs are `x`; `None` where that costs nothing. Where there are bare pairs, it is
    /// added to the gradient of the encoder.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn new(
        room: &mut Room,
        facts: &Facts<'_>,
        x: &Tensor,
        gradients: &mut Gradients,
    ) -> Result<Option<Self>> {
        let Some(cost) = facts.threshold_cost()? else {
            return Ok(None);
        };
        let encoder = facts.encoder()?.f_tr()?;
        let is_held = room.rows.bare.count() > 0;
        let like = |of: &Tensor| facts.workspace.empty_like(of);
        let mut count = like(&facts.norm)?.f_fill_(facts.tokens)?;
        let mut hidden_pre = like(&facts.norm)?;
        let latents = facts.sae.cfg.d_sae() as usize;
        let (dots, of_other_heads) = numbers_mut(&mut hidden_pre)?.split_at_mut(latents);
        let mut by_inputs = match facts.heads {
            Some(_) => facts.sum_heads(&cost)?,
            None => facts.workspace.copy(&cost)?,
        };
        let _ = by_inputs.f_neg_()?;
        room.add_up_inputs();
        if is_held {
            let mut by_encoder = room.by_encoder.take(&encoder)?;
            let to = Sums {
                held: gradients.has("W_E"),
                factor: numbers(&by_inputs)?,
                sums: numbers_mut(&mut by_encoder)?,
                dots: &mut *dots,
                counts: numbers_mut(&mut count)?,
            };
            add_up(room, x, numbers(&encoder)?, to)?;
            gradients.set("W_E", by_encoder.f_tr()?);
        } else {
            let ends = [0, dots.len()];
            room.latents.clear();
            room.latents.extend(0..dots.len() as u32);
            let pattern = Pattern::new(&ends, &room.latents, dots.len());
            let columns = room.inputs.len();
            gather(pattern, &room.inputs, numbers(&encoder)?, columns, dots);
        }
        for of_head in of_other_heads.chunks_mut(latents) {
            of_head.copy_from_slice(dots);
        }
        let _ = hidden_pre.f_addcmul_(&facts.encoder_bias()?, &count)?;
        Ok(Some(Self {
            count,
            hidden_pre,
            by_inputs,
            cost,
            is_held,
        }))
    }

    /// Returns what the gradient of the encoder is still added onto, where `inputs (d_model)` is the sum of the inputs of all tokens.
    ///
    /// # Errors
    /// None on the CPU.
    pub(super) fn given<'a>(&'a self, inputs: &'a [f32]) -> Result<Given<'a>> {
        Ok(if self.is_held {
            Given::Nothing
        } else {
            Given::Row(numbers(&self.by_inputs)?, inputs)
        })
    }

    /// Adds the penalty with its derivatives by all but the encoder's matrix, once `over` has been said of the pairs with a
    /// number: for each latent how far those that are not below are over its threshold, and how many they are, `(d_sae)`.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn add(
        &self,
        facts: &Facts<'_>,
        (over, over_count): (&Tensor, &Tensor),
        (terms, gradients): (&mut Terms, &mut Gradients),
    ) -> Result<()> {
        let Some(theta) = facts.penalised_thresholds() else {
            return Ok(());
        };
        let workspace = facts.workspace;
        let sums = workspace
            .times(theta, &self.count)?
            .f_sub_(&self.hidden_pre)?
            .f_add_(over)?
            .f_clamp_min_(0.0)?;
        let count = workspace.copy(&self.count)?.f_sub_(over_count)?;
        terms.add_threshold_penalty(facts, (&sums, &count), gradients)?;
        let taken = match facts.heads {
            // Heads have no bare pairs: it is all tokens.
            Some(_) => self.count.f_get(0)?,
            None => self.count.shallow_clone(),
        };
        gradients.add("b_E", workspace.times(&self.by_inputs, &taken)?)
    }

    /// Returns what each unit below costs, `(d_sae)`.
    pub(super) fn cost(&self) -> &Tensor {
        &self.cost
    }
}

/// Adds up the inputs `x` of all tokens but those of bare pairs and their products with the latents' rows of `encoder`, and how many
/// tokens these are.
fn add_up(room: &mut Room, x: &Tensor, encoder: &[f32], to: Sums<'_>) -> Result<()> {
    let (bare, columns) = (&room.rows.bare, room.inputs.len());
    room.rest.take(Strided::whole(numbers(x)?, bare.rows(), columns));
    room.rest.add_up(bare, &room.inputs, encoder, to);
    Ok(())
}
