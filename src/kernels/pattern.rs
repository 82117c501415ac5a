//! Which places of a sparse matrix are filled, row by row; the numbers stand in slices beside it, in the same order.

use std::ops::Range;

use crate::native::parallel::for_ranges;

/// The filled places of a sparse matrix in rows (CSR). Indices are known to be within bounds.
#[derive(Clone, Copy, Debug)]
pub struct Pattern<'a> {
    offsets: &'a [usize],
    index: &'a [u32],
    width: usize,
}

impl<'a> Pattern<'a> {
    /// Returns the pattern in which row `i` has the columns `index[offsets[i]..offsets[i + 1]]`, all below `width`.
    ///
    /// # Panics
    /// Panics where the offsets do not rise from 0 to the number of indices, or an index is not below `width`.
    pub fn new(offsets: &'a [usize], index: &'a [u32], width: usize) -> Self {
        let whole = offsets.first() == Some(&0) && offsets.last() == Some(&index.len());
        assert!(
            whole && offsets.is_sorted(),
            "offsets rise from 0 to the number of indices"
        );
        assert!(
            index.iter().all(|&column| (column as usize) < width),
            "indices are below the width"
        );
        Pattern {
            offsets,
            index,
            width,
        }
    }

    /// Returns a pattern that needs no check, since it was made by sorting one.
    pub(super) fn of_sorted(offsets: &'a [usize], index: &'a [u32], width: usize) -> Self {
        Pattern {
            offsets,
            index,
            width,
        }
    }

    /// Returns how many rows there are.
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Returns how many columns there are.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns how many places are filled.
    pub fn pairs(&self) -> usize {
        self.index.len()
    }

    /// Returns where rows start among the filled places, and where the last one ends.
    pub fn offsets(&self) -> &'a [usize] {
        self.offsets
    }

    /// Returns the column of every filled place.
    pub fn index(&self) -> &'a [u32] {
        self.index
    }

    /// Returns which of the filled places belong to row `row`.
    #[inline(always)]
    pub fn row(&self, row: usize) -> Range<usize> {
        self.offsets[row]..self.offsets[row + 1]
    }

    /// Calls `work` for ranges of rows that together are all rows, on several threads, each with about as many filled
    /// places as the others and at least `grain` where there are so many.
    pub fn for_rows(&self, grain: usize, work: impl Fn(Range<usize>) + Sync) {
        self.for_rows_of(0..self.rows(), grain, work);
    }

    /// Does what [`for_rows`](Self::for_rows) does for the rows `rows` alone.
    pub fn for_rows_of(&self, rows: Range<usize>, grain: usize, work: impl Fn(Range<usize>) + Sync) {
        let before = self.offsets[rows.start] + rows.start;
        let weight = self.offsets[rows.end] + rows.end - before;
        for_ranges(weight, grain, |range| {
            work(self.first_row(before + range.start)..self.first_row(before + range.end))
        });
    }

    /// Returns the first row with at least `weight` rows and filled places before it.
    pub(super) fn first_row(&self, weight: usize) -> usize {
        let (mut low, mut high) = (0, self.rows());
        while low < high {
            let middle = low.midpoint(high);
            if self.offsets[middle] + middle < weight {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}
