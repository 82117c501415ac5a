//! What a step computes number by number over the pre-activations of some tokens, each in one pass: activations with what
//! is counted of them ([`activate()`]), and the derivatives by pre-activations with what is summed of them ([`derive()`]);
//! and by themselves the soft counts of some activations ([`soft_counts`]) and the penalty on whole rows of them ([`power()`]).
//!
//! Latents are taken some at a time, so that what is known and summed of them stays in the first-level cache. Threads share
//! out the latents, or where rows are summed the rows, so that sums do not depend on how many threads there are.

mod activate;
mod derive;
mod power;
mod soft;
mod strip;
mod tanh;
#[cfg(test)]
mod tests;

pub use activate::{Bounds, Counted, activate};
pub use derive::{Penalty, Sums, Thresholds, derive};
pub use power::{Rows, power};
pub use soft::soft_counts;

/// What is known of each latent, `(width)` each.
#[derive(Clone, Copy, Debug)]
pub struct Latents<'a> {
    /// The norms of the decoder's rows.
    pub norm: &'a [f32],
    /// What pre-activations are multiplied by before the activation function sees them, and what comes out is divided by.
    pub scale: Option<(&'a [f32], &'a [f32])>,
    /// The thresholds of jumprelu; without them the function is relu.
    pub threshold: Option<&'a [f32]>,
}

impl Latents<'_> {
    fn check(&self) {
        let width = self.norm.len();
        let scales = self
            .scale
            .is_none_or(|(factor, divisor)| factor.len() == width && divisor.len() == width);
        let thresholds = self.threshold.is_none_or(|threshold| threshold.len() == width);
        assert!(scales && thresholds, "every latent has its numbers");
    }
}
