//! The tokens on which each latent fires most: candidates by a first pass, exact counts of them by a second.

use super::frequent::{Frequent, NONE};
use super::pack::{Packed, Unpacked, broken};
use crate::error::Result;

/// Candidates that are kept of each latent.
pub(super) const CANDIDATES: usize = 32;

/// How often, and how strongly, each latent of a band fires on its candidates.
pub(super) struct TokenCounts {
    first: u32,
    token: Vec<u32>,
    count: Vec<u32>,
    sum: Vec<f64>,
}

impl TokenCounts {
    /// Returns counts of 0 for the latents from `first` on, `latents` of them, on the tokens of `candidates`.
    pub(super) fn new(candidates: &Frequent, first: u32, latents: u32) -> Self {
        let range = first as usize * CANDIDATES..(first + latents) as usize * CANDIDATES;
        TokenCounts {
            first,
            count: vec![0; range.len()],
            sum: vec![0.0; range.len()],
            token: candidates.key[range].to_vec(),
        }
    }

    /// Notes an activation of a latent of the band on a token.
    pub(super) fn add(&mut self, latent: u32, token: u32, value: f32) {
        let first = (latent - self.first) as usize * CANDIDATES;
        let known = self.token[first..first + CANDIDATES]
            .iter()
            .position(|known| *known == token);
        if let Some(at) = known {
            self.note(first + at, value);
        }
    }

    /// Notes an activation on the candidate at a place; with `begins`, on another token than before.
    pub(super) fn note_at(&mut self, at: usize, begins: Option<u32>, value: f32) {
        if let Some(token) = begins {
            (self.token[at], self.count[at], self.sum[at]) = (token, 0, 0.0);
        }
        self.note(at, value);
    }

    fn note(&mut self, at: usize, value: f32) {
        self.count[at] += 1;
        self.sum[at] += f64::from(value);
    }

    /// Writes everything.
    pub(super) fn pack(&self, packed: &mut Packed) {
        packed.u32s(&self.token);
        packed.u32s(&self.count);
        packed.f64s(&self.sum);
    }

    /// Reads what [`pack`](Self::pack) wrote.
    ///
    /// # Errors
    /// It did not, or for other latents.
    pub(super) fn unpack(&mut self, unpacked: &mut Unpacked<'_>) -> Result<()> {
        let (token, count, sum) = (unpacked.u32s()?, unpacked.u32s()?, unpacked.f64s()?);
        let places = self.token.len();
        if token.len() != places || count.len() != places || sum.len() != places {
            return Err(broken());
        }
        (self.token, self.count, self.sum) = (token, count, sum);
        Ok(())
    }

    /// Returns the tokens on which a latent fires most, at most `most` of them: token, count and mean activation.
    pub(super) fn of(&self, latent: u32, most: usize) -> Vec<(u32, u32, f64)> {
        let first = (latent - self.first) as usize * CANDIDATES;
        let places = (first..first + CANDIDATES).filter(|at| self.count[*at] > 0);
        let mut found: Vec<(u32, u32, f64)> = places
            .filter(|at| self.token[*at] != NONE)
            .map(|at| {
                (
                    self.token[at],
                    self.count[at],
                    self.sum[at] / f64::from(self.count[at]),
                )
            })
            .collect();
        found.sort_by_key(|(token, count, _)| (std::cmp::Reverse(*count), *token));
        found.truncate(most);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_tokens_are_counted_exactly() {
        let mut candidates = Frequent::new(2, CANDIDATES);
        let stream = || (0..6000u32).map(|at| if at % 3 == 0 { 7 } else { 1000 + at });
        let mut at_once = TokenCounts::new(&candidates, 0, 2);
        stream().for_each(|token| {
            let place = candidates.add(1, token);
            at_once.note_at(place.at, place.is_new.then_some(token), 0.5);
        });
        let mut counts = TokenCounts::new(&candidates, 1, 1);
        stream().for_each(|token| counts.add(1, token, 0.5));
        assert_eq!(counts.of(1, 10)[0], (7, 2000, 0.5));
        assert_eq!(at_once.of(1, 10)[0], (7, 2000, 0.5));
        assert!(TokenCounts::new(&candidates, 0, 1).of(0, 10).is_empty());
    }
}
