//! Active pairs in the order of their latents (CSC), for gradients of weights that have one row a latent.
//!
//! A counting sort in which every thread counts the tokens of its own. Within a latent, pairs keep the order of tokens,
//! however many threads there are.

use super::pattern::Pattern;
use crate::native::parallel::{Shared, for_ranges, threads};

/// How many pairs are worth a thread.
const GRAIN: usize = 1 << 14;

/// The active pairs of a batch, latent by latent, each with its token and its place in the order by token. One value
/// serves for all steps, and allocates only where a batch is larger than those before.
#[derive(Debug, Default)]
pub struct ByLatent {
    offsets: Vec<usize>,
    token: Vec<u32>,
    pair: Vec<u32>,
    tokens: usize,
    /// For each chunk of tokens and each latent: how many pairs, then where the next one goes.
    places: Vec<u32>,
}

impl ByLatent {
    /// Sorts the pairs of `pattern` (tokens × latents).
    ///
    /// # Panics
    /// Panics where there are 2³² pairs or more.
    pub fn sort(&mut self, pattern: Pattern) {
        assert!(
            u32::try_from(pattern.pairs().max(pattern.rows())).is_ok(),
            "pairs and tokens are counted in 32 bits"
        );
        let chunks = threads().min(pattern.pairs() / GRAIN).max(1);
        self.tokens = pattern.rows();
        self.token.resize(pattern.pairs(), 0);
        self.pair.resize(pattern.pairs(), 0);
        self.count(pattern, chunks);
        self.place(pattern.width(), chunks);
        self.fill(pattern, chunks);
    }

    /// Returns the pattern of the transposed matrix (latents × tokens).
    pub fn pattern(&self) -> Pattern<'_> {
        Pattern::of_sorted(&self.offsets, &self.token, self.tokens)
    }

    /// Writes what belongs to the pairs, `from` in the order by token, to `into` in the order by latent.
    pub fn permute(&self, from: &[f32], into: &mut Vec<f32>) {
        assert_eq!(from.len(), self.pair.len(), "there is one number for each pair");
        into.resize(from.len(), 0.0);
        let into = Shared::new(into);
        for_ranges(from.len(), GRAIN, |range| {
            // SAFETY: the ranges do not overlap.
            let into = unsafe { into.part(range.clone()) };
            for (number, &pair) in into.iter_mut().zip(&self.pair[range]) {
                *number = from[pair as usize];
            }
        });
    }

    /// Adds the sum of each latent's numbers to `sums` (latents); `values` are in the order by latent.
    pub fn add_sums(&self, values: &[f32], sums: &mut [f32]) {
        let pattern = self.pattern();
        assert_eq!(values.len(), pattern.pairs(), "there is one number for each pair");
        assert_eq!(sums.len(), pattern.rows(), "there is one sum for each latent");
        for (latent, sum) in sums.iter_mut().enumerate() {
            *sum += values[pattern.row(latent)].iter().sum::<f32>();
        }
    }

    /// Counts the pairs of each latent in each chunk of tokens.
    fn count(&mut self, pattern: Pattern, chunks: usize) {
        let width = pattern.width();
        self.places.clear();
        self.places.resize(chunks * width, 0);
        let places = Shared::new(&mut self.places);
        for_ranges(chunks, 1, |range| {
            for chunk in range {
                // SAFETY: each chunk has counts of its own.
                let counts = unsafe { places.part(chunk * width..(chunk + 1) * width) };
                let (first, last) = (
                    first_row(pattern, chunk, chunks),
                    first_row(pattern, chunk + 1, chunks),
                );
                for &latent in &pattern.index()[pattern.offsets()[first]..pattern.offsets()[last]] {
                    counts[latent as usize] += 1;
                }
            }
        });
    }

    /// Turns counts into places: latents after each other, and within a latent the chunks of tokens.
    fn place(&mut self, width: usize, chunks: usize) {
        self.offsets.clear();
        let mut next = 0;
        for latent in 0..width {
            self.offsets.push(next as usize);
            for chunk in 0..chunks {
                let place = &mut self.places[chunk * width + latent];
                next += std::mem::replace(place, next);
            }
        }
        self.offsets.push(next as usize);
    }

    /// Puts each pair in its place.
    fn fill(&mut self, pattern: Pattern, chunks: usize) {
        let width = pattern.width();
        let places = Shared::new(&mut self.places);
        let (token, pair) = (Shared::new(&mut self.token), Shared::new(&mut self.pair));
        for_ranges(chunks, 1, |range| {
            for chunk in range {
                // SAFETY: each chunk has places of its own.
                let places = unsafe { places.part(chunk * width..(chunk + 1) * width) };
                let (first, last) = (
                    first_row(pattern, chunk, chunks),
                    first_row(pattern, chunk + 1, chunks),
                );
                for row in first..last {
                    for at in pattern.row(row) {
                        let place = &mut places[pattern.index()[at] as usize];
                        let here = *place as usize;
                        *place += 1;
                        // SAFETY: no two pairs have the same place.
                        unsafe {
                            token.part(here..here + 1)[0] = row as u32;
                            pair.part(here..here + 1)[0] = at as u32;
                        }
                    }
                }
            }
        });
    }
}

/// Returns the first row of chunk `chunk`, where all have about as many pairs.
fn first_row(pattern: Pattern, chunk: usize, chunks: usize) -> usize {
    pattern.first_row((pattern.pairs() + pattern.rows()) * chunk / chunks)
}
