//! Some rows and columns of a matrix with zeros, close together in memory.

use std::cell::Cell;
use std::ops::Range;

use super::{GROUPS, WORD};
use crate::kernels::lanes::{GROUP, Lanes, Line};

/// How many rows a block has at most, which share each tile while it is near, and how many words a row of it, which share the
/// way of sums to the registers' neighbourhood and back.
pub(super) const ROWS: usize = 256;
pub(super) const WORDS: usize = 8;

/// A matrix that stands in memory row after row.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    numbers: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl<'a> Matrix<'a> {
    /// Returns the matrix (rows × `columns`) of these numbers.
    ///
    /// # Panics
    /// Panics where they are no whole rows.
    pub fn new(numbers: &'a [f32], columns: usize) -> Self {
        assert!(
            columns > 0 && numbers.len().is_multiple_of(columns),
            "a matrix has rows times columns numbers"
        );
        Self {
            numbers,
            rows: numbers.len() / columns,
            columns,
        }
    }

    /// Returns the numbers of row `row` in some columns.
    fn part(self, row: usize, columns: Range<usize>) -> &'a [f32] {
        let first = row * self.columns;
        &self.numbers[first + columns.start..first + columns.end]
    }
}

/// The numbers of a word.
pub(super) type Numbers = [f32; WORD];

/// Returns the numbers of which word `word` speaks, of so many.
pub(in crate::kernels) fn span(word: usize, all: usize) -> Range<usize> {
    word * WORD..((word + 1) * WORD).min(all)
}

/// What a thread works in, from one product to the next.
#[derive(Default)]
pub(super) struct Work {
    pub(super) block: Block,
    /// The numbers of one tile for each row of the block, as they come out.
    pub(super) sums: Vec<[Line; GROUPS]>,
    /// What is found for each number of the block.
    pub(super) found: Vec<Numbers>,
}

thread_local! {
    static KEPT: Cell<Option<Work>> = const { Cell::new(None) };
}

impl Work {
    /// Returns what this thread has, with room for blocks of a matrix of so many rows, each of so many words.
    pub(super) fn take(rows: usize, words: usize) -> Self {
        let mut work = KEPT.take().unwrap_or_default();
        let block = &mut work.block;
        let most = (rows.min(ROWS) * words.min(WORDS)).max(block.marks.len());
        block.numbers.resize(most, [0.0; WORD]);
        block.marks.resize(most, 0);
        work
    }

    /// Leaves it for the next product.
    pub(super) fn keep(self) {
        KEPT.set(Some(self));
    }
}

/// Numbers of a matrix, word after word, each with those of all rows; 0 beyond the last.
#[derive(Default)]
pub(super) struct Block {
    numbers: Vec<Numbers>,
    /// Which of them are not 0: a bit each, the first one the lowest.
    marks: Vec<u64>,
    rows: usize,
}

impl Block {
    /// Takes up some rows of `matrix`, and of their numbers those of some words.
    #[inline(always)]
    pub(super) fn take<L: Lanes>(
        &mut self,
        lanes: L,
        matrix: Matrix<'_>,
        rows: Range<usize>,
        words: Range<usize>,
    ) {
        self.rows = rows.len();
        for (at, word) in words.enumerate() {
            let columns = span(word, matrix.columns);
            for (numbers, row) in self.numbers[at * self.rows..].iter_mut().zip(rows.clone()) {
                let part = matrix.part(row, columns.clone());
                match part.first_chunk() {
                    Some(whole) => *numbers = *whole,
                    None => {
                        *numbers = [0.0; WORD];
                        numbers[..part.len()].copy_from_slice(part);
                    }
                }
            }
            self.mark(lanes, at);
        }
    }

    /// Takes up some columns of `matrix` as rows, and of their numbers those of some words.
    #[inline(always)]
    pub(super) fn take_turned<L: Lanes>(
        &mut self,
        lanes: L,
        matrix: Matrix<'_>,
        columns: Range<usize>,
        words: Range<usize>,
    ) {
        self.rows = columns.len();
        for (at, word) in words.enumerate() {
            let rows = span(word, matrix.rows);
            let numbers = &mut self.numbers[at * self.rows..(at + 1) * self.rows];
            if rows.len() < WORD {
                numbers.fill([0.0; WORD]);
            }
            // A cache line of each row.
            for (some, first) in numbers.chunks_mut(GROUP).zip(columns.clone().step_by(GROUP)) {
                for (place, row) in rows.clone().enumerate() {
                    let part = matrix.part(row, first..first + some.len());
                    for (numbers, &number) in some.iter_mut().zip(part) {
                        numbers[place] = number;
                    }
                }
            }
            self.mark(lanes, at);
        }
    }

    /// Marks the numbers of the block's word `word` that are not 0.
    #[inline(always)]
    fn mark<L: Lanes>(&mut self, lanes: L, word: usize) {
        let all = word * self.rows..(word + 1) * self.rows;
        for (marks, numbers) in self.marks[all.clone()].iter_mut().zip(&self.numbers[all]) {
            *marks = 0;
            for (at, group) in numbers.as_chunks::<GROUP>().0.iter().enumerate() {
                *marks |= u64::from(lanes.nonzero_bits(lanes.load(group))) << (at * GROUP);
            }
        }
    }

    /// Returns for each row the numbers of the block's word `word`, and which of them are not 0.
    #[inline(always)]
    pub(super) fn word(&self, word: usize) -> impl Iterator<Item = (&Numbers, u64)> {
        let all = word * self.rows..(word + 1) * self.rows;
        let marks = self.marks[all.clone()].iter().copied();
        self.numbers[all].iter().zip(marks)
    }
}
