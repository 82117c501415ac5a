//! Numbers that are known of each pair.

use super::super::facts::Facts;
use crate::error::Result;
use crate::tensor::Buffer;
use crate::tensor::slices::numbers;

/// What says whether latents are on.
pub(super) struct Latents<'a> {
    threshold: Option<&'a [f32]>,
    factor: Option<&'a [f32]>,
}

impl<'a> Latents<'a> {
    /// Returns what the facts know of them.
    ///
    /// # Errors
    /// It is not float32 on the CPU.
    pub(super) fn new(facts: &'a Facts<'_>) -> Result<Self> {
        Ok(Self {
            threshold: facts.gate.threshold.as_ref().map(numbers).transpose()?,
            factor: facts.factor.as_ref().map(numbers).transpose()?,
        })
    }

    /// Returns how far a pre-activation is over the latent's threshold, where there are any.
    pub(super) fn over(&self, latent: u32, value: f32) -> Option<f32> {
        let latent = latent as usize;
        let seen = self.factor.map_or(value, |factor| value * factor[latent]);
        self.threshold.map(|threshold| seen - threshold[latent])
    }

    /// Returns the activation. NaN is not under a threshold, and reaches the loss.
    pub(super) fn act(&self, latent: u32, value: f32) -> f32 {
        match self.over(latent, value) {
            Some(over) if over <= 0.0 => 0.0,
            _ => value,
        }
    }
}

/// What penalties and thresholds need of the latent of each pair of a part, and what is summed of each.
#[derive(Default)]
pub(super) struct OfPairs {
    pub(super) norm: Vec<f32>,
    pub(super) factor: Vec<f32>,
    pub(super) divisor: Vec<f32>,
    pub(super) threshold: Vec<f32>,
    pub(super) steepness: Vec<f32>,
    pub(super) penalty: Vec<f32>,
    pub(super) by_norm: Vec<f32>,
    pub(super) near: Vec<f32>,
    /// Where the pairs of a token, or of a head of it, begin, with the end of all; their penalties, and how these grow with the
    /// numbers of the pairs, where those act together.
    pub(super) ends: Vec<usize>,
    pub(super) norms: Vec<f32>,
    pub(super) slopes: Buffer,
    /// What nobody asks for here.
    pub(super) unused: [Vec<f32>; 2],
}
