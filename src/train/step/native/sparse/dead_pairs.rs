//! What Aux-K knows of the pairs of a token and a dead latent.

use super::parts::Parts;
use crate::kernels::screen::Rows;
use crate::kernels::tiles::Tiles;

/// The pairs of a token and a dead latent that are selected; there from one step to the next.
#[derive(Default)]
pub(super) struct DeadPairs {
    pub(super) rows: Rows,
    pub(super) parts: Parts,
    /// The derivative by each pair's activation.
    pub(super) by: Vec<f32>,
    /// What they should decode to, and the derivative by what they do.
    pub(super) error: Tiles,
    pub(super) residual: Tiles,
    pub(super) squared: Vec<f64>,
    pub(super) scale: Vec<f32>,
    /// Nothing is added to what they decode to.
    pub(super) bias: Vec<f32>,
}
