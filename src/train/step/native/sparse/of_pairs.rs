//! Numbers that penalties and thresholds need of each pair.

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
    /// What nobody asks for here.
    pub(super) unused: [Vec<f32>; 2],
}
