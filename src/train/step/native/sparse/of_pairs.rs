//! Numbers that penalties and thresholds need of each pair.

use crate::tensor::Buffer;

/// What is known of the latent of each pair, and what is summed of each pair.
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
