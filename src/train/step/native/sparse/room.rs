//! What the sparse step keeps between steps: room to work in, so that nothing is allocated once batches have come.

use super::super::facts::Facts;
use super::super::room;
use super::dead_pairs::DeadPairs;
use super::merged::Merged;
use super::of_pairs::{Latents, OfPairs};
use super::parts::Parts;
use super::subset::Subset;
use crate::dictionary::LossInput;
use crate::error::Result;
use crate::kernels::by_latent::ByLatent;
use crate::kernels::choose::Chooser;
use crate::kernels::cut::CutSearch;
use crate::kernels::norms::column_sums;
use crate::kernels::rest::Rest;
use crate::kernels::screen::{Counts, Rows, Screen};
use crate::kernels::tiles::{self, Tiles};
use crate::tensor::slices::{numbers, numbers_mut};
use crate::tensor::{Buffer, Device, Kind, Tensor};

/// Room, and what the last step left there.
#[derive(Default)]
pub(in super::super) struct Room {
    pub(super) screen: Screen,
    /// How encoding went since the training began.
    pub(in super::super) counts: Counts,
    /// The pairs, by token, with their pre-activations.
    pub(super) rows: Rows,
    /// The derivatives of the pairs by their activations, then by their pre-activations.
    pub(super) by: Vec<f32>,
    /// What else there is of pairs is there of as many tokens at a time as have room.
    pub(super) parts: Parts,
    /// The pairs of these tokens that are on: they alone are decoded.
    pub(super) on: Subset,
    /// Those that are off, but within the window of their threshold: it takes gradient from them.
    pub(super) near: Subset,
    /// Those of them that one prefix adds.
    pub(super) group: Subset,
    /// Those whose pre-activations have a derivative.
    pub(super) moving: Subset,
    /// The same where heads share pre-activations, which they select among.
    pub(super) merged: Merged,
    pub(super) chooser: Chooser,
    pub(super) search: CutSearch,
    pub(super) hidden_pre: Buffer,
    pub(super) by_latent: ByLatent,
    /// What those without a number leave of all tokens.
    pub(super) rest: Rest,
    /// All latents, where each takes part once.
    pub(super) latents: Vec<u32>,
    /// The decoder in tiles, where the place of its gradient does not do for that.
    pub(super) decoder: Tiles,
    /// What should come out; of one head after the other, where there are heads.
    pub(super) label: Tiles,
    pub(super) label_of_head: Buffer,
    pub(super) input: Tiles,
    /// The encoder reads what the decoder writes.
    pub(super) reads_its_label: bool,
    /// The sum of the inputs of all tokens, where it is asked for.
    pub(super) inputs: Vec<f32>,
    /// For each group of latents to which the same reconstruction is owed ([`Facts::groups`]), `G` in tiles; and that of one of
    /// them row after row, where that is needed.
    pub(super) residual: Vec<Tiles>,
    pub(super) rows_of_residual: Vec<f32>,
    /// For each group, `‖x̂ − y‖²` of each token.
    pub(super) squared: Vec<f64>,
    pub(super) scale: Vec<f32>,
    pub(super) bias: Vec<f32>,
    /// The activation of each pair.
    pub(super) acts: Vec<f32>,
    /// Numbers of some of the pairs, and the same in the order of their latents.
    pub(super) some: Vec<f32>,
    pub(super) sorted: Vec<f32>,
    /// What looks at dead latents, at all of them or at pairs.
    pub(super) aux: room::Room,
    pub(super) dead: DeadPairs,
    /// What penalties and thresholds go by.
    pub(super) of_pairs: OfPairs,
    /// On how many tokens each latent is active.
    pub(super) fired: Buffer,
    /// What is `squared` in float32, for each prefix.
    pub(super) squared_errors: Vec<Buffer>,
    pub(super) by_decoder: Buffer,
    pub(super) by_encoder: Buffer,
    pub(super) by_decoder_bias: Buffer,
    pub(super) by_encoder_bias: Buffer,
}

impl Room {
    /// Returns room that holds nothing but how encoding went.
    pub(in super::super) fn emptied(self) -> Self {
        Self {
            counts: self.counts,
            ..Self::default()
        }
    }

    /// Returns how many tokens each latent is active on, float `(d_sae)`, and the sum of all activations.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn count(&mut self, facts: &Facts<'_>) -> Result<(Tensor, f64)> {
        let mut counted = self.fired.take(&facts.norm)?.f_zero_()?;
        let fired = numbers_mut(&mut counted)?;
        let latents = Latents::new(facts)?;
        let mut sum = 0.0;
        for (&latent, &value) in self.rows.index.iter().zip(&self.rows.value) {
            let act = latents.act(latent, value);
            fired[latent as usize] += f32::from(act > 0.0);
            sum += f64::from(act);
        }
        Ok((counted, sum))
    }

    /// Goes over to the pairs of part `number`: sets what they are, and their activations.
    ///
    /// # Errors
    /// Numbers of latents are not float32 on the CPU.
    pub(super) fn begin(&mut self, number: usize, facts: &Facts<'_>) -> Result<()> {
        if !self.parts.begin(number, &self.rows) {
            return Ok(());
        }
        let latents = Latents::new(facts)?;
        let (tokens, pairs) = (self.parts.tokens(), self.parts.pairs());
        let (index, value) = (&self.rows.index[pairs.clone()], &self.rows.value[pairs]);
        self.acts.clear();
        let acts = index.iter().zip(value);
        self.acts
            .extend(acts.map(|(&latent, &value)| latents.act(latent, value)));
        let half = (facts.gate.window / 2.0) as f32;
        self.on.choose(&self.rows, &tokens, |pair| self.acts[pair] != 0.0);
        self.near.choose(&self.rows, &tokens, |pair| {
            let over = latents.over(index[pair], value[pair]);
            self.acts[pair] == 0.0 && over.is_some_and(|over| over > -half)
        });
        Ok(())
    }

    /// Cuts what the encoder reads into tiles, and what the decoder writes where there are no heads. Returns their width.
    ///
    /// # Errors
    /// The batch is not float32 on the CPU.
    pub(super) fn take_batch(&mut self, facts: &Facts<'_>, input: &LossInput<'_>) -> Result<usize> {
        let tokens = facts.tokens as usize;
        let columns = input.x.size()[1] as usize;
        let width = tiles::width_for((facts.sae.cfg.d_sae() as usize).max(tokens));
        self.reads_its_label = facts.heads.is_none() && input.x.data_ptr() == input.label.data_ptr();
        if facts.heads.is_none() {
            self.label.pack(numbers(input.label)?, tokens, columns, width);
        }
        if !self.reads_its_label {
            self.input.pack(numbers(input.x)?, tokens, columns, width);
        }
        Ok(width)
    }

    /// Makes room for what decoding gives.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn prepare(&mut self, facts: &Facts<'_>, columns: usize) -> Result<()> {
        let tokens = facts.tokens as usize;
        let groups = facts.groups().len();
        self.squared.resize(groups * tokens, 0.0);
        self.residual.resize_with(groups, Tiles::default);
        self.by.clear();
        self.by.resize(self.rows.index.len(), 0.0);
        self.scale.clear();
        self.scale.resize(tokens, facts.error_slope(1.0) as f32);
        self.bias.clear();
        match facts.parameter("b_D") {
            Ok(bias) => self.bias.extend_from_slice(numbers(&bias)?),
            Err(_) => self.bias.resize(columns, 0.0),
        }
        Ok(())
    }

    /// Returns the squared errors of the tokens for each prefix, float32 `(n)`; with heads `(n, heads)`.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn squared_errors(&mut self, facts: &Facts<'_>) -> Result<Vec<Tensor>> {
        let tokens = facts.tokens as usize;
        let size = match facts.heads {
            Some(heads) => vec![facts.tokens, heads],
            None => vec![facts.tokens],
        };
        let heads = size.get(1).map_or(1, |heads| *heads as usize);
        let all = self.squared.chunks(heads * tokens);
        self.squared_errors.resize_with(all.len(), Buffer::default);
        let mut taken = Vec::with_capacity(all.len());
        for (squared, buffer) in all.zip(&mut self.squared_errors) {
            let mut errors = buffer.take_sized(&size, (Kind::Float, Device::Cpu))?;
            for (at, error) in numbers_mut(&mut errors)?.iter_mut().enumerate() {
                *error = squared[at % heads * tokens + at / heads] as f32;
            }
            taken.push(errors);
        }
        Ok(taken)
    }

    /// Returns what the encoder reads.
    pub(super) fn tokens(&self) -> &Tiles {
        if self.reads_its_label {
            &self.label
        } else {
            &self.input
        }
    }

    /// Adds up the inputs of all tokens.
    pub(super) fn add_up_inputs(&mut self) {
        let mut inputs = std::mem::take(&mut self.inputs);
        inputs.resize(self.tokens().columns(), 0.0);
        column_sums(self.tokens(), &mut inputs);
        self.inputs = inputs;
    }

    /// Writes `G` of a group row after row.
    pub(super) fn unpack(&mut self, group: usize) {
        let (tokens, columns) = (self.label.rows(), self.label.columns());
        self.rows_of_residual.resize(tokens * columns, 0.0);
        self.residual[group].unpack(&mut self.rows_of_residual);
    }

    /// Makes `G` of a group in tiles what it is row after row.
    pub(super) fn pack(&mut self, group: usize) {
        let (tokens, columns) = (self.label.rows(), self.label.columns());
        let width = self.label.width();
        self.residual[group].pack(&self.rows_of_residual, tokens, columns, width);
    }
}
