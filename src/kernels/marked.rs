//! Which columns of a matrix some rows have, in bits: there are many, and nothing more is known of them.

use super::zeros::WORD;

/// A matrix of bits. A word is of a column, and of as many rows as products over zeros take at a time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Marked {
    /// For each word of rows, of each column which of them have it.
    words: Vec<u64>,
    rows: usize,
    columns: usize,
    count: usize,
}

impl Marked {
    /// Becomes a matrix in which no row has anything.
    pub fn clear(&mut self, rows: usize, columns: usize) {
        (self.rows, self.columns, self.count) = (rows, columns, 0);
        self.words.clear();
        self.words.resize(rows.div_ceil(WORD) * columns, 0);
    }

    /// Marks columns of a row that are not marked yet.
    ///
    /// # Panics
    /// There is no such row, or no such column.
    pub fn mark(&mut self, row: usize, columns: &[u32]) {
        assert!(row < self.rows, "there is such a row");
        let word = row / WORD;
        let words = &mut self.words[word * self.columns..(word + 1) * self.columns];
        for column in columns {
            words[*column as usize] |= 1 << (row % WORD);
        }
        self.count += columns.len();
    }

    /// Returns how many are marked.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns how many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns how many columns there are.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Returns how many words there are of each column.
    pub(super) fn words(&self) -> usize {
        self.rows.div_ceil(WORD)
    }

    /// Returns of each column which of the rows of word `word` have it.
    pub(super) fn word(&self, word: usize) -> &[u64] {
        &self.words[word * self.columns..(word + 1) * self.columns]
    }

    /// Returns the columns that a row has.
    #[cfg(test)]
    pub(super) fn row(&self, row: usize) -> Vec<u32> {
        let words = self.word(row / WORD).iter().zip(0..);
        let has = |word: &u64| word >> (row % WORD) & 1 == 1;
        words
            .filter(|(word, _)| has(word))
            .map(|(_, column)| column)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_what_is_marked() {
        let mut marked = Marked::default();
        marked.clear(70, 5);
        for (row, columns) in [(0, &[1, 4][..]), (63, &[0, 4]), (64, &[4]), (69, &[])] {
            marked.mark(row, columns);
        }
        assert_eq!((marked.count(), marked.words()), (5, 2));
        assert_eq!(marked.row(0), [1, 4]);
        assert_eq!(marked.row(63), [0, 4]);
        assert_eq!(marked.row(64), [4]);
        assert_eq!(marked.row(69), [0u32; 0]);
        assert_eq!(marked.word(0), [1 << 63, 1, 0, 0, 1 | 1 << 63]);
        marked.clear(1, 5);
        assert_eq!((marked.count(), marked.row(0)), (0, vec![]));
    }
}
