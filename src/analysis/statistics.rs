//! The first pass: counts, maxima and sums of every latent.

use super::contexts::{Entry, Seen};
use super::frequent::{Frequent, Place};
use super::pack::{Packed, Unpacked, broken};
use super::tokens::CANDIDATES;
use crate::error::Result;

/// Exponents of the bins between powers of two: the first also has everything below, the last everything above.
pub(super) const LOWEST: i32 = -24;
pub(super) const OCTAVES: usize = 40;

/// What the first pass counts, a number for each latent. All sums are over the tokens in their order, so that they do not
/// depend on batches.
pub(super) struct Statistics {
    /// Counted tokens on which it fires.
    pub(super) act_times: Vec<u64>,
    /// Contexts in which it fires.
    pub(super) contexts: Vec<u64>,
    /// Firings on the first counted token of a context.
    pub(super) first: Vec<u64>,
    /// The largest activation.
    pub(super) max: Vec<f32>,
    pub(super) sum: Vec<f64>,
    pub(super) sum_squares: Vec<f64>,
    /// `OCTAVES` bins for each latent.
    pub(super) octaves: Vec<u32>,
    /// The tokens on which it may fire most.
    pub(super) candidates: Frequent,
}

impl Statistics {
    /// Returns nothing counted yet of so many latents.
    pub(super) fn new(latents: usize) -> Self {
        Statistics {
            act_times: vec![0; latents],
            contexts: vec![0; latents],
            first: vec![0; latents],
            max: vec![0.0; latents],
            sum: vec![0.0; latents],
            sum_squares: vec![0.0; latents],
            octaves: vec![0; latents * OCTAVES],
            candidates: Frequent::new(latents, CANDIDATES),
        }
    }

    /// Counts a context; `look` is told of each activation, its token and the place of that among the candidates.
    pub(super) fn add(&mut self, seen: &Seen<'_>, mut look: impl FnMut(&Entry, u32, Place)) {
        let first = seen.counted.first().copied();
        for entries in seen.by_latent() {
            let latent = entries[0].latent as usize;
            self.act_times[latent] += entries.len() as u64;
            self.contexts[latent] += 1;
            self.first[latent] += u64::from(first == Some(u32::from(entries[0].position)));
            for entry in entries {
                let value = f64::from(entry.value);
                self.max[latent] = self.max[latent].max(entry.value);
                self.sum[latent] += value;
                self.sum_squares[latent] += value * value;
                self.octaves[latent * OCTAVES + octave(entry.value)] += 1;
                let token = seen.tokens[usize::from(entry.position)];
                look(entry, token, self.candidates.add(latent, token));
            }
        }
    }

    /// Returns the part of the firings of a latent that is on the first counted token of a context.
    pub(super) fn first_share(&self, latent: usize) -> f64 {
        match self.act_times[latent] {
            0 => 0.0,
            times => self.first[latent] as f64 / times as f64,
        }
    }

    /// Writes everything.
    pub(super) fn pack(&self, packed: &mut Packed) {
        packed.u64s(&self.act_times);
        packed.u64s(&self.contexts);
        packed.u64s(&self.first);
        packed.f32s(&self.max);
        packed.f64s(&self.sum);
        packed.f64s(&self.sum_squares);
        packed.u32s(&self.octaves);
        self.candidates.pack(packed);
    }

    /// Reads what [`pack`](Self::pack) wrote.
    ///
    /// # Errors
    /// It did not, or for other latents.
    pub(super) fn unpack(&mut self, unpacked: &mut Unpacked<'_>) -> Result<()> {
        let latents = self.max.len();
        for counts in [&mut self.act_times, &mut self.contexts, &mut self.first] {
            *counts = unpacked.u64s()?;
        }
        self.max = unpacked.f32s()?;
        for sums in [&mut self.sum, &mut self.sum_squares] {
            *sums = unpacked.f64s()?;
        }
        self.octaves = unpacked.u32s()?;
        self.candidates.unpack(unpacked)?;
        if self.max.len() != latents || self.octaves.len() != latents * OCTAVES {
            return Err(broken());
        }
        Ok(())
    }
}

/// Returns the bin of a positive number: that from 2^e to 2^(e+1).
fn octave(value: f32) -> usize {
    let exponent = ((value.to_bits() >> 23) & 0xff) as i32 - 127;
    (exponent - LOWEST).clamp(0, OCTAVES as i32 - 1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octaves_are_powers_of_two() {
        assert_eq!(octave(1.0), 24);
        assert_eq!(octave(1.99), 24);
        assert_eq!(octave(2.0), 25);
        assert_eq!(octave(1e-30), 0);
        assert_eq!(octave(f32::MAX), OCTAVES - 1);
    }
}
