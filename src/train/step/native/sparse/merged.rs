//! What the heads say of the latents that they share, as one.

use std::ops::Range;

use super::super::facts::Facts;
use super::of_pairs::Latents;
use crate::error::Result;
use crate::kernels::pattern::Pattern;
use crate::kernels::screen::Rows;
use crate::tensor::slices::numbers_mut;
use crate::tensor::{Device, Kind, Tensor};

/// Pairs of a token and a latent that heads share, each with the sum of what the heads say of it.
#[derive(Default)]
pub(super) struct Merged {
    offsets: Vec<usize>,
    index: Vec<u32>,
    value: Vec<f32>,
    latents: usize,
    /// For each latent the place of its pair, where that is one of the token's.
    place: Vec<usize>,
}

impl Merged {
    /// Becomes the sums of `by_pre`, one number for each pair of these tokens of `rows`, over the heads; pairs that are 0 are left
    /// out, and other tokens have none.
    pub(super) fn merge(&mut self, rows: &Rows, tokens: &Range<usize>, by_pre: &[f32], latents: usize) {
        self.begin(latents);
        self.value.clear();
        self.offsets.resize(tokens.start + 1, 0);
        let ends = &rows.offsets[tokens.start..=tokens.end];
        for token in ends.windows(2) {
            for at in token[0]..token[1] {
                let by_pre = by_pre[at - ends[0]];
                if by_pre == 0.0 {
                    continue;
                }
                let (place, is_new) = self.place_of(rows.index[at]);
                if is_new {
                    self.value.push(by_pre);
                } else {
                    self.value[place] += by_pre;
                }
            }
            self.offsets.push(self.index.len());
        }
        self.offsets.resize(rows.offsets.len(), self.index.len());
    }

    /// Returns on how many tokens each latent is on in some head, float `(d_sae)`, where there are heads.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn fired(&mut self, rows: &Rows, facts: &Facts<'_>) -> Result<Option<Tensor>> {
        if facts.heads.is_none() {
            return Ok(None);
        }
        let latents = facts.sae.cfg.d_sae();
        let mut counted = facts.workspace.zeros(&[latents], (Kind::Float, Device::Cpu))?;
        let fired = numbers_mut(&mut counted)?;
        let of_heads = Latents::new(facts)?;
        self.begin(latents as usize);
        for (number, token) in rows.offsets.windows(2).enumerate() {
            for at in token[0]..token[1] {
                let (of_head, value) = (rows.index[at], rows.value[at]);
                let place = &mut self.place[of_head as usize % latents as usize];
                // The token that a latent was found in last.
                if of_heads.act(of_head, value) > 0.0 && *place != number {
                    *place = number;
                    fired[of_head as usize % latents as usize] += 1.0;
                }
            }
        }
        Ok(Some(counted))
    }

    fn begin(&mut self, latents: usize) {
        self.latents = latents;
        self.offsets.clear();
        self.offsets.push(0);
        self.index.clear();
        self.place.clear();
        self.place.resize(latents, usize::MAX);
    }

    /// Returns the place of a head's latent among the pairs, and whether it is a new one of this token.
    fn place_of(&mut self, of_head: u32) -> (usize, bool) {
        let latent = of_head as usize % self.latents;
        let first = self.offsets.last().copied().unwrap_or(0);
        let place = self.place[latent];
        if place != usize::MAX && place >= first {
            return (place, false);
        }
        self.place[latent] = self.index.len();
        self.index.push(latent as u32);
        (self.place[latent], true)
    }

    /// Returns which latents they are of, token by token, and writes their numbers to `into`.
    pub(super) fn pattern(&self, into: &mut Vec<f32>) -> Pattern<'_> {
        into.clear();
        into.extend_from_slice(&self.value);
        Pattern::new(&self.offsets, &self.index, self.latents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_heads_say_of_one_latent_is_added_up() {
        // Two heads of three latents, on two tokens.
        let rows = Rows {
            offsets: vec![0, 4, 7],
            index: vec![0, 2, 3, 4, 1, 4, 5],
            value: vec![0.0; 7],
            ..Rows::default()
        };
        let mut merged = Merged::default();
        merged.merge(&rows, &(0..2), &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 0.0], 3);
        let mut values = Vec::new();
        let pattern = merged.pattern(&mut values);
        assert_eq!(
            (pattern.offsets(), pattern.index(), &values[..]),
            (&[0, 3, 4][..], &[0, 2, 1, 1][..], &[5.0, 2.0, 8.0, 48.0][..])
        );
        merged.merge(&rows, &(1..2), &[16.0, 32.0, 0.0], 3);
        let pattern = merged.pattern(&mut values);
        assert_eq!(
            (pattern.offsets(), pattern.index(), &values[..]),
            (&[0, 0, 1][..], &[1][..], &[48.0][..])
        );
    }
}
