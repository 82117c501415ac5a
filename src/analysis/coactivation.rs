//! How often, and how strongly, latents fire together: all pairs of few latents, the frequent ones of many.

use super::contexts::Seen;
use super::frequent::{Frequent, NONE};
use super::pack::{Packed, Unpacked, broken};
use crate::error::Result;

/// Latents that are followed for each latent where not all pairs are.
const CANDIDATES: usize = 64;

/// Counts of pairs, and sums of the products of their activations.
pub(super) enum Coactivation {
    /// All pairs.
    Exact(Triangle),
    /// For each latent those that fire with it most: counts since they were first followed, so never too high.
    Estimated(Companions),
}

/// The triangle below the diagonal, row after row.
pub(super) struct Triangle {
    latents: usize,
    count: Vec<u32>,
    product: Vec<f64>,
}

/// The most frequent companions of each latent.
pub(super) struct Companions {
    latents: usize,
    frequent: Frequent,
    count: Vec<u32>,
    product: Vec<f64>,
}

/// Another latent, the tokens on which both fire, and the sum of the products of their activations.
pub(super) type Together = (usize, u32, f64);

/// Returns the place of the pair of `low` and `high`, `low < high`.
fn place(low: usize, high: usize) -> usize {
    high * (high - 1) / 2 + low
}

impl Coactivation {
    /// Returns the bytes that this takes for so many latents.
    pub(super) fn bytes(latents: u64, exact: bool) -> u64 {
        let (pairs, each) = if exact {
            (latents * latents.saturating_sub(1) / 2, 12)
        } else {
            (latents * CANDIDATES as u64, 20)
        };
        pairs * each
    }

    /// Returns counts of 0: of all pairs, or of the frequent ones.
    pub(super) fn new(latents: usize, exact: bool) -> Self {
        if exact {
            let pairs = latents * latents.saturating_sub(1) / 2;
            return Coactivation::Exact(Triangle {
                latents,
                count: vec![0; pairs],
                product: vec![0.0; pairs],
            });
        }
        Coactivation::Estimated(Companions {
            latents,
            frequent: Frequent::new(latents, CANDIDATES),
            count: vec![0; latents * CANDIDATES],
            product: vec![0.0; latents * CANDIDATES],
        })
    }

    /// Counts the pairs of a context.
    pub(super) fn add(&mut self, seen: &Seen<'_>) {
        for (latents, values) in seen.by_token() {
            self.add_token(latents, values);
        }
    }

    /// Counts the pairs of a token; its latents ascend.
    fn add_token(&mut self, latents: &[u32], values: &[f32]) {
        match self {
            Coactivation::Exact(all) => pairs(latents, values, |low, high, product| {
                let pair = place(low as usize, high as usize);
                all.count[pair] += 1;
                all.product[pair] += product;
            }),
            Coactivation::Estimated(some) => pairs(latents, values, |low, high, product| {
                some.add(low, high, product);
                some.add(high, low, product);
            }),
        }
    }

    /// Returns those that fire together with a latent, as far as they were counted.
    pub(super) fn with(&self, latent: usize) -> Vec<Together> {
        match self {
            Coactivation::Exact(all) => (0..all.latents)
                .filter(|other| *other != latent)
                .map(|other| {
                    let pair = place(latent.min(other), latent.max(other));
                    (other, all.count[pair], all.product[pair])
                })
                .filter(|(_, count, _)| *count > 0)
                .collect(),
            Coactivation::Estimated(some) => some
                .frequent
                .places(latent)
                .filter(|at| some.frequent.key[*at] != NONE)
                .map(|at| (some.frequent.key[at] as usize, some.count[at], some.product[at]))
                .filter(|(other, _, _)| *other < some.latents)
                .collect(),
        }
    }

    /// Writes everything.
    pub(super) fn pack(&self, packed: &mut Packed) {
        let (count, product) = match self {
            Coactivation::Exact(all) => (&all.count, &all.product),
            Coactivation::Estimated(some) => {
                some.frequent.pack(packed);
                (&some.count, &some.product)
            }
        };
        packed.u32s(count);
        packed.f64s(product);
    }

    /// Reads what [`pack`](Self::pack) wrote.
    ///
    /// # Errors
    /// It did not, or for other latents.
    pub(super) fn unpack(&mut self, unpacked: &mut Unpacked<'_>) -> Result<()> {
        if let Coactivation::Estimated(some) = self {
            some.frequent.unpack(unpacked)?;
        }
        let (count, product) = match self {
            Coactivation::Exact(all) => (&mut all.count, &mut all.product),
            Coactivation::Estimated(some) => (&mut some.count, &mut some.product),
        };
        let (counts, products) = (unpacked.u32s()?, unpacked.f64s()?);
        if counts.len() != count.len() || products.len() != count.len() {
            return Err(broken());
        }
        (*count, *product) = (counts, products);
        Ok(())
    }
}

/// Hands each pair of the latents that fire on a token to `look`: the lower one, the higher one, the product of their
/// activations.
fn pairs(latents: &[u32], values: &[f32], mut look: impl FnMut(u32, u32, f64)) {
    for (at, (high, value)) in latents.iter().zip(values).enumerate() {
        if *value <= 0.0 {
            continue;
        }
        let lower = latents[..at].iter().zip(&values[..at]);
        for (low, other) in lower.filter(|(_, other)| **other > 0.0) {
            look(*low, *high, f64::from(*value) * f64::from(*other));
        }
    }
}

impl Companions {
    fn add(&mut self, latent: u32, other: u32, product: f64) {
        let place = self.frequent.add(latent as usize, other);
        if place.is_new {
            (self.count[place.at], self.product[place.at]) = (0, 0.0);
        }
        self.count[place.at] += 1;
        self.product[place.at] += product;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Latent 1 fires with 0 on every third token, and with a hundred others in turn.
    #[test]
    fn estimates_are_never_too_high_and_have_what_is_frequent() {
        let [mut exact, mut estimated] = [true, false].map(|exact| Coactivation::new(200, exact));
        for at in 0..3000u32 {
            let (low, high) = if at % 3 == 0 { (0, 1) } else { (1, 2 + at % 150) };
            for pairs in [&mut exact, &mut estimated] {
                pairs.add_token(&[low, high], &[0.5, 1.0]);
            }
        }
        let counted = exact.with(1);
        let found = estimated.with(1);
        assert_eq!(found.len(), 64);
        for (other, count, product) in &found {
            let (_, all, _) = counted.iter().find(|(one, ..)| one == other).expect("counted");
            assert!(
                count <= all && *product == 0.5 * f64::from(*count),
                "{other}: {count} of {all}"
            );
        }
        assert!(found.contains(&(0, 1000, 500.0)), "{found:?}");
        assert_eq!(estimated.with(0), exact.with(0), "few are exact");
    }

    #[test]
    fn what_was_counted_is_read_as_it_was_written() {
        for exact in [true, false] {
            let mut pairs = Coactivation::new(70, exact);
            (1..70).for_each(|high| pairs.add_token(&[high - 1, high], &[0.5, high as f32]));
            let mut packed = Packed::default();
            pairs.pack(&mut packed);
            let bytes = packed.done();
            let mut again = Coactivation::new(70, exact);
            again.unpack(&mut Unpacked::new(&bytes)).expect("read");
            assert_eq!(again.with(9), pairs.with(9));
            let mut other = Coactivation::new(71, exact);
            assert!(
                other.unpack(&mut Unpacked::new(&bytes)).is_err(),
                "of other latents"
            );
        }
    }
}
