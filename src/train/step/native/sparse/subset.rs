//! Some of the pairs of a token and a latent.

use std::ops::Range;

use crate::kernels::pattern::Pattern;
use crate::kernels::screen::Rows;

/// Pairs chosen out of those of some tokens, in the same order; other tokens have none.
#[derive(Default)]
pub(super) struct Subset {
    offsets: Vec<usize>,
    index: Vec<u32>,
    /// Where each stands among the pairs of these tokens.
    place: Vec<u32>,
}

impl Subset {
    /// Becomes the pairs of these tokens of `rows` for whose places among the tokens' pairs `is_chosen` is true.
    pub(super) fn choose(&mut self, rows: &Rows, tokens: &Range<usize>, is_chosen: impl Fn(usize) -> bool) {
        self.index.clear();
        self.place.clear();
        self.offsets.clear();
        self.offsets.resize(tokens.start + 1, 0);
        let ends = &rows.offsets[tokens.start..=tokens.end];
        for range in ends.windows(2) {
            for place in range[0]..range[1] {
                if is_chosen(place - ends[0]) {
                    self.index.push(rows.index[place]);
                    self.place.push((place - ends[0]) as u32);
                }
            }
            self.offsets.push(self.index.len());
        }
        self.offsets.resize(rows.offsets.len(), self.index.len());
    }

    /// Becomes the pairs of `all` with one of the latents `latents`.
    pub(super) fn within(&mut self, all: &Subset, latents: Range<i64>) {
        self.offsets.clear();
        self.index.clear();
        self.place.clear();
        self.offsets.push(0);
        for range in all.offsets.windows(2) {
            for at in range[0]..range[1] {
                if latents.contains(&i64::from(all.index[at])) {
                    self.index.push(all.index[at]);
                    self.place.push(all.place[at]);
                }
            }
            self.offsets.push(self.index.len());
        }
    }

    /// Returns whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.place.is_empty()
    }

    /// Returns which latents they are of, token by token, out of `width` latents.
    pub(super) fn pattern(&self, width: usize) -> Pattern<'_> {
        Pattern::new(&self.offsets, &self.index, width)
    }

    /// Writes their numbers, out of those `from` of all pairs of the tokens, to `into`.
    pub(super) fn take(&self, from: &[f32], into: &mut Vec<f32>) {
        into.clear();
        into.extend(self.place.iter().map(|place| from[*place as usize]));
    }

    /// Writes their numbers `from` to their places among those of all pairs.
    pub(super) fn put(&self, from: &[f32], into: &mut [f32]) {
        for (place, number) in self.place.iter().zip(from) {
            into[*place as usize] = *number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_pairs_keep_their_order_and_places() {
        let rows = Rows {
            offsets: vec![0, 2, 2, 5],
            index: vec![1, 3, 0, 2, 3],
            value: vec![0.0; 5],
            ..Rows::default()
        };
        let mut subset = Subset::default();
        subset.choose(&rows, &(0..3), |place| place != 0 && place != 3);
        let pattern = subset.pattern(4);
        assert_eq!(
            (pattern.offsets(), pattern.index()),
            (&[0, 1, 1, 3][..], &[3, 0, 3][..])
        );
        let (mut some, mut all) = (Vec::new(), vec![0.0; 5]);
        subset.take(&[1.0, 2.0, 3.0, 4.0, 5.0], &mut some);
        assert_eq!(some, [2.0, 3.0, 5.0]);
        subset.put(&some, &mut all);
        assert_eq!(all, [0.0, 2.0, 3.0, 0.0, 5.0]);
        let mut part = Subset::default();
        part.within(&subset, 1..4);
        assert_eq!((&part.index[..], &part.place[..]), (&[3, 3][..], &[1, 4][..]));
        subset.choose(&rows, &(0..3), |_| false);
        assert!(subset.is_empty() && subset.pattern(4).rows() == 3);
        // Of the last two tokens.
        subset.choose(&rows, &(1..3), |place| place != 1);
        let pattern = subset.pattern(4);
        assert_eq!(
            (pattern.offsets(), pattern.index()),
            (&[0, 0, 0, 2][..], &[0, 3][..])
        );
        assert_eq!(subset.place, [0, 2]);
    }
}
