//! Matrices as they lie in memory: row after row, column after column, or parts of larger ones.

/// A matrix of which number `(i, j)` stands `i · by_row + j · by_column` places after the first.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a> {
    numbers: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) by_row: usize,
    pub(super) by_column: usize,
}

impl<'a> Strided<'a> {
    /// Returns the matrix of `(rows, columns)` of these numbers with strides `(by_row, by_column)`.
    ///
    /// # Panics
    /// Panics where some of its numbers are not there.
    pub fn new(
        numbers: &'a [f32],
        (rows, columns): (usize, usize),
        (by_row, by_column): (usize, usize),
    ) -> Self {
        let is_there = match (rows.checked_sub(1), columns.checked_sub(1)) {
            (Some(row), Some(column)) => row * by_row + column * by_column < numbers.len(),
            _ => true,
        };
        assert!(is_there, "every number of a matrix is there");
        Self {
            numbers,
            rows,
            columns,
            by_row,
            by_column,
        }
    }

    /// Returns the matrix that stands row after row, without gaps.
    ///
    /// # Panics
    /// Panics where numbers are missing or left over.
    pub fn whole(numbers: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(
            numbers.len(),
            rows * columns,
            "a matrix has rows times columns numbers"
        );
        Self::new(numbers, (rows, columns), (columns, 1))
    }

    /// Returns the numbers from `(row, column)` on.
    #[inline(always)]
    pub(super) fn from(self, row: usize, column: usize) -> &'a [f32] {
        &self.numbers[row * self.by_row + column * self.by_column..]
    }
}
