//! What is encoded, what is kept of it, and what comes out.

use std::ops::AddAssign;

use super::super::marked::Marked;

/// The encoder of a dictionary with `S` latents for rows of `d` numbers.
#[derive(Clone, Copy)]
pub struct Encoder<'a> {
    /// The length `d` of a row.
    pub width: usize,
    /// S x d: the weights of each latent, one latent after the other.
    pub weight: &'a [f32],
    /// S: what is added to each latent's product.
    pub bias: &'a [f32],
    /// S: what pre-activations are multiplied with to get the scores that selection compares (the norms of the decoder),
    /// not below zero. A latent whose factor is zero is never selected.
    pub factor: Option<&'a [f32]>,
}

impl Encoder<'_> {
    /// Returns the number `S` of latents.
    pub fn latents(&self) -> usize {
        self.bias.len()
    }

    /// Returns the score of a latent with the pre-activation `value`.
    pub fn score(&self, latent: u32, value: f32) -> f32 {
        match self.factor {
            Some(factor) => value * factor[latent as usize],
            None => value,
        }
    }

    /// Returns whether a latent may be selected at all.
    pub fn may_fire(&self, latent: u32) -> bool {
        self.factor.is_none_or(|factor| factor[latent as usize] != 0.0)
    }
}

/// Which latents are selected. A score that is NaN is selected before all others, and above every bound, so that it is
/// not lost but reaches the loss.
#[derive(Clone, Copy, Debug)]
pub enum Keep<'a> {
    /// In each row so many of the largest scores above zero; among equal ones those with the smaller index.
    Largest(usize),
    /// In the whole batch so many of the largest scores above zero; among equal ones those in the smaller row, then those
    /// with the smaller index.
    Batch(usize),
    /// The scores above their latent's bound (S of them, none below zero), and all scores of a latent whose bound is NaN.
    Above(&'a [f32]),
    /// The scores above their latent's bound, as [`Above`](Self::Above). Those that are surely above it, and surely by less
    /// than their latent's span, are listed without a number ([`Rows::bare`]).
    Between {
        /// S bounds.
        bounds: &'a [f32],
        /// S spans.
        spans: &'a [f32],
    },
}

impl<'a> Keep<'a> {
    /// Returns the bounds of the latents, where those above them are selected.
    pub fn bounds(self) -> Option<&'a [f32]> {
        match self {
            Keep::Above(bounds) | Keep::Between { bounds, .. } => Some(bounds),
            Keep::Largest(_) | Keep::Batch(_) => None,
        }
    }
}

/// The selected latents, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Row `i` has the entries `offsets[i]..offsets[i + 1]`.
    pub offsets: Vec<usize>,
    /// The latents, ascending in each row.
    pub index: Vec<u32>,
    /// Their pre-activations, not multiplied with the factor.
    pub value: Vec<f32>,
    /// The latents that are selected, but whose pre-activations nobody asked for (rows × latents).
    pub bare: Marked,
}

impl Rows {
    /// Becomes so many rows without entries, which may have bare ones of so many latents.
    pub(in crate::kernels) fn clear(&mut self, rows: usize, bare: usize) {
        self.offsets.clear();
        self.offsets.resize(rows + 1, 0);
        self.index.clear();
        self.value.clear();
        self.bare.clear(rows, bare);
    }
}

/// How screening went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The rows that were encoded.
    pub rows: usize,
    /// The pre-activations that screening left to be computed in float32.
    pub candidates: usize,
    /// The rows that were screened again because a guessed threshold was too high, once for each time.
    pub redone: usize,
    /// The rows all of whose pre-activations were computed in float32.
    pub full: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.candidates += other.candidates;
        self.redone += other.redone;
        self.full += other.full;
    }
}
