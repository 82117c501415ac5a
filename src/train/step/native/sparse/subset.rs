//! Some of the pairs of a token and a latent.

use std::ops::Range;

use crate::kernels::pattern::Pattern;
use crate::kernels::screen::Rows;

/// Pairs chosen out of all of a step, in the same order.
#[derive(Default)]
pub(super) struct Subset {
    offsets: Vec<usize>,
    index: Vec<u32>,
    /// Where each stands among all pairs.
    place: Vec<u32>,
}

impl Subset {
    /// Becomes the pairs of `rows` for whose places `is_chosen` is true.
    pub(super) fn choose(&mut self, rows: &Rows, is_chosen: impl Fn(usize) -> bool) {
        self.offsets.clear();
        self.index.clear();
        self.place.clear();
        self.offsets.push(0);
        for range in rows.offsets.windows(2) {
            for place in range[0]..range[1] {
                if is_chosen(place) {
                    self.index.push(rows.index[place]);
                    self.place.push(place as u32);
                }
            }
            self.offsets.push(self.index.len());
        }
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

    /// Writes their numbers, out of those `from` of all pairs, to `into`.
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
        subset.choose(&rows, |place| place != 0 && place != 3);
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
        subset.choose(&rows, |_| false);
        assert!(subset.is_empty() && subset.pattern(4).rows() == 3);
    }
}
