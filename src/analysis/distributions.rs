//! Histograms of activations: exact ones for the latents of a band, and estimates where the maxima are not known before.

use super::pack::{Packed, Unpacked, broken};
use crate::error::Result;

/// Equal bins on (0, max].
pub(super) const BINS: usize = 64;

/// Counts in [`BINS`] bins for each latent.
pub(super) struct Distributions {
    first: u32,
    pub(super) counts: Vec<u32>,
}

impl Distributions {
    /// Returns counts of 0 for the latents from `first` on, `latents` of them.
    pub(super) fn new(first: u32, latents: u32) -> Self {
        Distributions {
            first,
            counts: vec![0; latents as usize * BINS],
        }
    }

    /// Counts an activation of a latent of the band whose largest is `max`: in bin ⌊64 v/max⌋, the last one for `max`
    /// itself.
    pub(super) fn add(&mut self, latent: u32, value: f32, max: f32) {
        let bin = (BINS as f64 * f64::from(value) / f64::from(max)) as usize;
        self.counts[(latent - self.first) as usize * BINS + bin.min(BINS - 1)] += 1;
    }

    /// Returns what `spread` comes to with the largest activations `max` of all latents: the counts of its bins are divided
    /// over those that they overlap, as if activations were even within each.
    pub(super) fn of_spread(spread: &Spread, max: &[f32]) -> Self {
        let mut distributions = Distributions::new(0, max.len() as u32);
        let bins = distributions.counts.chunks_mut(BINS);
        for ((bins, fine), max) in bins.zip(spread.counts.chunks(FINE)).zip(max) {
            divide(fine, f64::from(*max), bins);
        }
        distributions
    }

    /// Returns the counts of a latent.
    pub(super) fn of(&self, latent: u32) -> &[u32] {
        &self.counts[(latent - self.first) as usize * BINS..][..BINS]
    }
}

/// Bins of ratio 2^¼, from 2^-24 on; the first also has everything below, the last everything above.
const FINE: usize = 160;
const LOWEST: f32 = -24.0;

/// Counts in bins that do not depend on the maxima, for all latents.
pub(super) struct Spread {
    counts: Vec<u32>,
}

impl Spread {
    /// Returns counts of 0 for so many latents.
    pub(super) fn new(latents: usize) -> Self {
        Spread {
            counts: vec![0; latents * FINE],
        }
    }

    /// Counts an activation.
    pub(super) fn add(&mut self, latent: u32, value: f32) {
        let bin = (4.0 * (value.log2() - LOWEST)).max(0.0) as usize;
        self.counts[latent as usize * FINE + bin.min(FINE - 1)] += 1;
    }

    /// Writes everything.
    pub(super) fn pack(&self, packed: &mut Packed) {
        packed.u32s(&self.counts);
    }

    /// Reads what [`pack`](Self::pack) wrote.
    ///
    /// # Errors
    /// It did not, or for other latents.
    pub(super) fn unpack(&mut self, unpacked: &mut Unpacked<'_>) -> Result<()> {
        let counts = unpacked.u32s()?;
        if counts.len() != self.counts.len() {
            return Err(broken());
        }
        self.counts = counts;
        Ok(())
    }
}

/// Divides counts in bins of ratio 2^¼ over equal bins on (0, max]; their sum stays.
fn divide(fine: &[u32], max: f64, bins: &mut [u32]) {
    if max <= 0.0 {
        return;
    }
    let edge = |bin: usize| (f64::from(LOWEST) + bin as f64 / 4.0).exp2();
    // How many lie at or below the upper edge of each bin; rounded, these sums give whole counts.
    let below = |bound: f64| -> f64 {
        let part = |(bin, count): (usize, &u32)| {
            let low = if bin == 0 { 0.0 } else { edge(bin) };
            let high = if bin == FINE - 1 {
                f64::INFINITY
            } else {
                edge(bin + 1)
            }
            .min(max);
            let part = if high > low {
                (bound - low) / (high - low)
            } else {
                1.0
            };
            f64::from(*count) * part.clamp(0.0, 1.0)
        };
        fine.iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(part)
            .sum()
    };
    let mut counted = 0;
    for (at, bin) in bins.iter_mut().enumerate() {
        let bound = max * (at + 1) as f64 / BINS as f64;
        let to_here = below(bound).round() as u32;
        *bin = to_here.saturating_sub(counted);
        counted = counted.max(to_here);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_keep_their_sum_and_lie_near_the_exact_counts() {
        let values = || (1..=20_000u32).map(|at| (at as f32 / 20_000.0).powi(2) * 5.0);
        let (mut exact, mut spread) = (Distributions::new(0, 1), Spread::new(1));
        for value in values() {
            exact.add(0, value, 5.0);
            spread.add(0, value);
        }
        let estimated = Distributions::of_spread(&spread, &[5.0]);
        assert_eq!(estimated.of(0).iter().sum::<u32>(), 20_000);
        let apart = exact
            .of(0)
            .iter()
            .zip(estimated.of(0))
            .map(|(a, b)| a.abs_diff(*b));
        assert!(apart.sum::<u32>() < 2_000, "{:?}", estimated.of(0));
        assert_eq!(Distributions::of_spread(&Spread::new(1), &[0.0]).of(0), [0; BINS]);
    }
}
