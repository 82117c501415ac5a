//! How often, and how strongly, each pair of latents fires together.

use super::contexts::Seen;
use super::pack::{Packed, Unpacked, broken};
use crate::error::Result;

/// Counts of all pairs, and sums of the products of their activations: the triangle below the diagonal, row after row.
pub(super) struct Coactivation {
    latents: usize,
    count: Vec<u32>,
    product: Vec<f64>,
}

/// Returns the place of the pair of `low` and `high`, `low < high`.
fn place(low: usize, high: usize) -> usize {
    high * (high - 1) / 2 + low
}

impl Coactivation {
    /// Returns the bytes that the pairs of so many latents take.
    pub(super) fn bytes(latents: u64) -> u64 {
        latents * latents.saturating_sub(1) / 2 * 12
    }

    /// Returns counts of 0.
    pub(super) fn new(latents: usize) -> Self {
        let pairs = latents * latents.saturating_sub(1) / 2;
        Coactivation {
            latents,
            count: vec![0; pairs],
            product: vec![0.0; pairs],
        }
    }

    /// Counts the pairs of a context.
    pub(super) fn add(&mut self, seen: &Seen<'_>) {
        for (latents, values) in seen.by_token() {
            for (at, (high, value)) in latents.iter().zip(values).enumerate() {
                if *value <= 0.0 || at == 0 {
                    continue;
                }
                let first = place(0, *high as usize);
                // The latents of a token ascend.
                for (low, other) in latents[..at].iter().zip(&values[..at]) {
                    if *other > 0.0 {
                        let pair = first + *low as usize;
                        self.count[pair] += 1;
                        self.product[pair] += f64::from(*value) * f64::from(*other);
                    }
                }
            }
        }
    }

    /// Returns the number of latents.
    pub(super) fn latents(&self) -> usize {
        self.latents
    }

    /// Returns on how many tokens two latents fire together, and the sum of the products of their activations.
    pub(super) fn of(&self, one: usize, other: usize) -> (u32, f64) {
        let pair = place(one.min(other), one.max(other));
        (self.count[pair], self.product[pair])
    }

    /// Writes everything.
    pub(super) fn pack(&self, packed: &mut Packed) {
        packed.u32s(&self.count);
        packed.f64s(&self.product);
    }

    /// Reads what [`pack`](Self::pack) wrote.
    ///
    /// # Errors
    /// It did not, or for other latents.
    pub(super) fn unpack(&mut self, unpacked: &mut Unpacked<'_>) -> Result<()> {
        let (count, product) = (unpacked.u32s()?, unpacked.f64s()?);
        if count.len() != self.count.len() || product.len() != count.len() {
            return Err(broken());
        }
        (self.count, self.product) = (count, product);
        Ok(())
    }
}
