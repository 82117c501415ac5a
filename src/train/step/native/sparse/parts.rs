//! The tokens of a batch, as many at a time as their pairs have room.

use std::ops::Range;

use crate::kernels::screen::Rows;

/// Parts of a batch, one of which is looked at.
#[derive(Default)]
pub(super) struct Parts {
    /// Where each part's tokens end.
    ends: Vec<usize>,
    /// Which part it is, if any has been begun, and its tokens and pairs.
    number: Option<usize>,
    tokens: Range<usize>,
    pairs: Range<usize>,
}

impl Parts {
    /// Becomes the parts of `rows` that have so many pairs at most, or one token; there is one at least.
    pub(super) fn divide(&mut self, rows: &Rows, most: usize) {
        self.number = None;
        self.ends.clear();
        let tokens = rows.offsets.len() - 1;
        let mut end = 0;
        while end < tokens || self.ends.is_empty() {
            let pairs = rows.offsets[end] + most;
            let fitting = rows.offsets.partition_point(|offset| *offset <= pairs) - 1;
            end = fitting.max(end + 1).min(tokens);
            self.ends.push(end);
        }
    }

    /// Returns how many parts there are.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// Goes over to a part, and returns whether it is not the one that is looked at already.
    pub(super) fn begin(&mut self, number: usize, rows: &Rows) -> bool {
        let first = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.tokens = first..self.ends[number];
        self.pairs = rows.offsets[self.tokens.start]..rows.offsets[self.tokens.end];
        self.number.replace(number) != Some(number)
    }

    /// Returns the tokens of the part that is looked at.
    pub(super) fn tokens(&self) -> Range<usize> {
        self.tokens.clone()
    }

    /// Returns its pairs, out of all.
    pub(super) fn pairs(&self) -> Range<usize> {
        self.pairs.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_whole_tokens_with_few_pairs() {
        let rows = Rows {
            offsets: vec![0, 2, 2, 7, 8, 9, 9],
            ..Rows::default()
        };
        let mut parts = Parts::default();
        let mut divided = |most: usize| -> Vec<_> {
            parts.divide(&rows, most);
            let each = 0..parts.count();
            each.map(|number| {
                assert!(parts.begin(number, &rows) && !parts.begin(number, &rows));
                (parts.tokens(), parts.pairs())
            })
            .collect()
        };
        assert_eq!(divided(9), [(0..6, 0..9)]);
        assert_eq!(divided(2), [(0..2, 0..2), (2..3, 2..7), (3..6, 7..9)]);
        assert_eq!(divided(7), [(0..3, 0..7), (3..6, 7..9)]);
        assert_eq!(divided(0).len(), 6);
        let nothing = Rows {
            offsets: vec![0],
            ..Rows::default()
        };
        parts.divide(&nothing, 5);
        assert_eq!(parts.count(), 1);
        assert!(parts.begin(0, &nothing) && parts.tokens().is_empty());
    }
}
