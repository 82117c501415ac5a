//! What the sparse step keeps between steps: room to work in, so that nothing is allocated once batches have come.

use super::super::facts::Facts;
use crate::dictionary::Entries;
use crate::error::Result;
use crate::kernels::by_latent::ByLatent;
use crate::kernels::screen::{Counts, Rows, Screen};
use crate::kernels::tiles::Tiles;
use crate::tensor::slices::numbers;
use crate::tensor::{Kind, Tensor};

/// Room, and what the last step left there.
#[derive(Default)]
pub(in super::super) struct Room {
    pub(super) screen: Screen,
    /// How encoding went since the training began.
    pub(in super::super) counts: Counts,
    /// The pairs, by token, with their pre-activations.
    pub(super) rows: Rows,
    pub(super) by_latent: ByLatent,
    pub(super) decoder: Tiles,
    pub(super) label: Tiles,
    pub(super) input: Tiles,
    /// The encoder reads what the decoder writes.
    pub(super) reads_its_label: bool,
    /// `G`.
    pub(super) residual: Tiles,
    /// `‖x̂ − y‖²` of each token.
    pub(super) squared: Vec<f64>,
    pub(super) scale: Vec<f32>,
    pub(super) bias: Vec<f32>,
    /// Of each pair: its activation, and the derivatives by activation and pre-activation.
    pub(super) acts: Vec<f32>,
    pub(super) by_acts: Vec<f32>,
    pub(super) by_pre: Vec<f32>,
    /// Numbers of the pairs in the order of their latents.
    pub(super) sorted: Vec<f32>,
    /// Where the places of the pairs are needed as tensors.
    pub(super) entries: Option<Entries>,
    pub(super) by_decoder: Buffer,
    pub(super) by_encoder: Buffer,
}

/// A tensor that serves one step after the other.
#[derive(Default)]
pub(super) struct Buffer(Option<Tensor>);

impl Buffer {
    /// Returns a tensor of the shape of `like`, whose numbers mean nothing. What it was in the step before is lost.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn take(&mut self, like: &Tensor) -> Result<Tensor> {
        match &self.0 {
            Some(there) if there.size() == like.size() => Ok(there.shallow_clone()),
            _ => {
                let fresh = like.f_empty_like()?;
                self.0 = Some(fresh.shallow_clone());
                Ok(fresh)
            }
        }
    }
}

impl Room {
    /// Sets the activations of the pairs, and returns how many tokens each latent is on on, float `(d_sae)`.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn activate(&mut self, facts: &Facts<'_>) -> Result<Tensor> {
        let theta = match &facts.gate.threshold {
            Some(theta) => Some(numbers(theta)?),
            None => None,
        };
        let factor = match &facts.factor {
            Some(factor) => Some(numbers(factor)?),
            None => None,
        };
        let mut fired = vec![0.0f32; facts.norm.numel()];
        self.acts.clear();
        for (&latent, &value) in self.rows.index.iter().zip(&self.rows.value) {
            let latent = latent as usize;
            let seen = factor.map_or(value, |factor| value * factor[latent]);
            // NaN passes, so that it reaches the loss.
            let is_off = theta.is_some_and(|theta| seen <= theta[latent]);
            let act = if is_off { 0.0 } else { value };
            fired[latent] += f32::from(act > 0.0);
            self.acts.push(act);
        }
        self.entries = None;
        Ok(Tensor::f_from_slice(&fired)?)
    }

    /// Makes room for what decoding gives.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn prepare(&mut self, facts: &Facts<'_>) -> Result<()> {
        let tokens = facts.tokens as usize;
        self.squared.resize(tokens, 0.0);
        self.by_acts.resize(self.acts.len(), 0.0);
        self.scale.clear();
        self.scale.resize(tokens, 2.0 / tokens as f32);
        self.bias.clear();
        match facts.parameter("b_D") {
            Ok(bias) => self.bias.extend_from_slice(numbers(&bias)?),
            Err(_) => self.bias.resize(self.label.columns(), 0.0),
        }
        Ok(())
    }

    /// Puts the places of the pairs into tensors.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn list(&mut self) -> Result<()> {
        let lengths = self
            .rows
            .offsets
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) as i64);
        let lengths: Vec<i64> = lengths.collect();
        let latent: Vec<i32> = self.rows.index.iter().map(|latent| *latent as i32).collect();
        let tokens = lengths.len() as i64;
        self.entries = Some(Entries::Listed {
            tokens,
            width: self.decoder.rows() as i64,
            token: Tensor::f_repeat_interleave(&Tensor::f_from_slice(&lengths)?, None::<i64>)?,
            latent: Tensor::f_from_slice(&latent)?.f_to_kind(Kind::Int64)?,
        });
        Ok(())
    }
}
