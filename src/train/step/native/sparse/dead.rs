//! Aux-K over pairs, where a number selects among many dead latents: those that are selected are found by screening, as others are,
//! and decoded and scattered as they are.

use std::slice;

use super::super::facts::Facts;
use super::super::gradients::Gradients;
use super::super::terms::Terms;
use super::dead_pairs::DeadPairs;
use super::decode::with_decoder;
use super::room::Room;
use super::scatter::scatter_pairs;
use crate::error::Result;
use crate::kernels::residual::{Batch, Errors, Prefix, residual};
use crate::kernels::scatter::{Addends, Onto};
use crate::kernels::screen::Encoder;
use crate::tensor::slices::{numbers, numbers_mut};
use crate::tensor::{Kind, Tensor};

/// Adds the loss and the gradients of encoder and decoder, and changes `G` by what the loss says of the reconstruction. `is_dead (d_sae)`
/// are the latents, `count` of them, and `x` the inputs of the encoder.
///
/// # Errors
/// Too little memory.
pub(super) fn add_auxk(
    room: &mut Room,
    facts: &Facts<'_>,
    (x, is_dead, count): (&Tensor, &Tensor, i64),
    terms: &mut Terms,
    gradients: &mut Gradients,
) -> Result<()> {
    let mut dead = std::mem::take(&mut room.dead);
    let done = dead.select(room, facts, (x, is_dead, count)).and_then(|()| {
        dead.decode(room, facts, terms)?;
        room.residual
            .iter_mut()
            .for_each(|residual| residual.add(&dead.residual));
        dead.scatter(room, facts, gradients)
    });
    room.dead = dead;
    done
}

impl DeadPairs {
    /// Finds the pairs.
    fn select(
        &mut self,
        room: &mut Room,
        facts: &Facts<'_>,
        (x, is_dead, count): (&Tensor, &Tensor, i64),
    ) -> Result<()> {
        let mut factor = match &facts.factor {
            Some(factor) => facts.workspace.copy(factor)?,
            None => facts.workspace.empty_like(&facts.norm)?.f_fill_(1.0)?,
        };
        // What has no factor is not selected.
        let factor = factor.f_mul_(is_dead)?;
        let (weight, bias) = (facts.encoder()?.f_tr()?, facts.encoder_bias()?);
        let encoder = Encoder {
            width: x.size()[1] as usize,
            weight: numbers(&weight)?,
            bias: numbers(&bias)?,
            factor: Some(numbers(&factor)?),
        };
        let keep = facts.keep(facts.settings.k_aux.min(count));
        room.counts += room
            .screen
            .encode_others(numbers(x)?, &encoder, keep, &mut self.rows);
        let most = facts.limits.pairs_at_a_time(false);
        self.parts.divide(&self.rows, most as usize);
        Ok(())
    }

    /// Decodes the pairs, and adds the loss.
    fn decode(&mut self, room: &mut Room, facts: &Facts<'_>, terms: &mut Terms) -> Result<()> {
        let share = facts.settings.auxk_coefficient / facts.rows() as f64;
        let weight = facts.prefixes.last().map_or(1.0, |prefix| prefix.weight);
        if let Some(residual) = room.residual.last() {
            // y − x̂ of all latents.
            self.error
                .set_scaled(residual, -(1.0 / facts.error_slope(weight)) as f32);
        }
        let (tokens, latents) = (self.error.rows(), facts.latents());
        self.squared.resize(tokens, 0.0);
        self.scale.clear();
        self.scale.resize(tokens, (2.0 * share) as f32);
        self.bias.resize(self.error.columns(), 0.0);
        self.by.clear();
        self.by.resize(self.rows.index.len(), 0.0);
        let all = [Prefix {
            latents: latents as u32,
            weight: 1.0,
        }];
        with_decoder(room, facts, self.error.width(), |room, decoder| {
            for part in 0..self.parts.count() {
                self.parts.begin(part, &self.rows);
                let (tokens, pairs) = (self.parts.tokens(), self.parts.pairs());
                room.group.choose(&self.rows, &tokens, |_| true);
                let batch = Batch {
                    pattern: room.group.pattern(latents),
                    tokens: (tokens.start, tokens.end),
                    activation: &self.rows.value[pairs.clone()],
                    decoder,
                    bias: &self.bias,
                    label: &self.error,
                    scale: &self.scale,
                    prefixes: &all,
                };
                let errors = Errors {
                    residual: slice::from_mut(&mut self.residual),
                    squared: &mut self.squared,
                    dots: Some(&mut self.by[pairs]),
                };
                residual(batch, errors);
            }
            Ok(())
        })?;
        let sum: f64 = self.squared.iter().sum();
        terms.add_auxk(Tensor::from(share * sum).f_to_kind(Kind::Float)?)
    }

    /// Adds the gradients; with them begin those of the matrices.
    fn scatter(&mut self, room: &mut Room, facts: &Facts<'_>, gradients: &mut Gradients) -> Result<()> {
        let latents = facts.latents();
        let mut by_decoder = room.by_decoder.take(&facts.decoder()?)?;
        let mut by_encoder = room.by_encoder.take(&facts.encoder()?.f_tr()?)?;
        let mut by_bias = facts.workspace.zeros_like(&facts.encoder_bias()?)?;
        for part in 0..self.parts.count() {
            self.parts.begin(part, &self.rows);
            room.group.choose(&self.rows, &self.parts.tokens(), |_| true);
            let pattern = room.group.pattern(latents);
            let by = (&mut room.by_latent, &mut room.sorted);
            let (pairs, end) = (self.parts.pairs(), latents);
            let onto = Onto {
                held: part > 0,
                ..Onto::default()
            };
            let tokens = &self.residual;
            let acts = (pattern, &self.rows.value[pairs.clone()]);
            scatter_pairs(by, acts, &[Addends { end, tokens }], onto, &mut by_decoder)?;
            let tokens = if room.reads_its_label {
                &room.label
            } else {
                &room.input
            };
            let by = (&mut room.by_latent, &mut room.sorted);
            let by_pre = (pattern, &self.by[pairs]);
            scatter_pairs(by, by_pre, &[Addends { end, tokens }], onto, &mut by_encoder)?;
            room.by_latent.add_sums(&room.sorted, numbers_mut(&mut by_bias)?);
        }
        gradients.set("W_D", by_decoder);
        gradients.set("W_E", by_encoder.f_tr()?);
        gradients.add("b_E", by_bias)
    }
}
