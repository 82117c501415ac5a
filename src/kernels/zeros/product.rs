//! A matrix with zeros, times another.

use std::ops::Range;

use super::block::{Block, Matrix, Numbers, ROWS, WORDS, Work, span};
use super::{GROUPS, WIDTH, WORD};
use crate::kernels::isa::Isa;
use crate::kernels::lanes::{self, GROUP, Kernel, Lanes, Line};
use crate::kernels::tiles::Tiles;
use crate::native::parallel::{Shared, for_ranges};

/// Adds `left · right` to `output` (rows of `left` × columns of `right`), passing over the zeros of `left`. `right` stands in
/// tiles of [`WIDTH`] columns.
///
/// # Panics
/// Panics where shapes do not agree.
pub fn multiply(left: Matrix<'_>, right: &Tiles, output: &mut [f32]) {
    multiply_in::<false>(Isa::chosen(), left, right, output);
}

/// Adds `leftᵀ · right` to `output` (columns of `left` × columns of `right`), passing over the zeros of `left`. `right` stands
/// in tiles of [`WIDTH`] columns.
///
/// # Panics
/// Panics where shapes do not agree.
pub fn multiply_turned(left: Matrix<'_>, right: &Tiles, output: &mut [f32]) {
    multiply_in::<true>(Isa::chosen(), left, right, output);
}

/// Does what [`multiply`] does, or [`multiply_turned`], in a set of instructions.
pub(super) fn multiply_in<const TURNED: bool>(isa: Isa, left: Matrix<'_>, right: &Tiles, output: &mut [f32]) {
    let (rows, summed) = if TURNED {
        (left.columns, left.rows)
    } else {
        (left.rows, left.columns)
    };
    let columns = right.columns();
    assert_eq!(right.groups(), GROUPS, "tiles are {WIDTH} columns wide");
    assert_eq!(right.rows(), summed, "there is a row for each number");
    assert_eq!(output.len(), rows * columns, "there is a place for each number");
    let output = Shared::new(output);
    for_ranges(rows, GROUP, |rows| {
        // SAFETY: each thread has rows of its own.
        let output = unsafe { output.part(rows.start * columns..rows.end * columns) };
        let part = Part::<TURNED> {
            left,
            right,
            rows,
            output,
        };
        lanes::run(isa, part);
    });
}

/// The rows of one thread.
struct Part<'a, const TURNED: bool> {
    left: Matrix<'a>,
    right: &'a Tiles,
    rows: Range<usize>,
    output: &'a mut [f32],
}

impl<const TURNED: bool> Kernel for Part<'_, TURNED> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let all = self.right.rows().div_ceil(WORD);
        let mut work = Work::take(self.rows.len(), all);
        let (block, sums) = (&mut work.block, &mut work.sums);
        sums.resize(self.rows.len().min(ROWS), [Line::default(); GROUPS]);
        let outputs = self.output.chunks_mut(ROWS * self.right.columns());
        for (output, first) in outputs.zip(self.rows.clone().step_by(ROWS)) {
            let rows = first..(first + ROWS).min(self.rows.end);
            for first in (0..all).step_by(WORDS) {
                let words = first..(first + WORDS).min(all);
                if TURNED {
                    block.take_turned(lanes, self.left, rows.clone(), words.clone());
                } else {
                    block.take(lanes, self.left, rows.clone(), words.clone());
                }
                add_block(lanes, (block, words), self.right, sums, output);
            }
        }
        work.keep();
    }
}

/// Adds what a block of the left says, which speaks of some words.
#[inline(always)]
fn add_block<L: Lanes>(
    lanes: L,
    (block, words): (&Block, Range<usize>),
    right: &Tiles,
    sums: &mut [[Line; GROUPS]],
    output: &mut [f32],
) {
    let columns = right.columns();
    for tile in 0..right.tiles() {
        let rows = right.tile::<GROUPS>(tile);
        let place = tile * WIDTH..((tile + 1) * WIDTH).min(columns);
        for (sums, output) in sums.iter_mut().zip(output.chunks_exact(columns)) {
            for (line, part) in sums.iter_mut().zip(output[place.clone()].chunks(GROUP)) {
                lanes.store(lanes.load_part(part), &mut line.0);
            }
        }
        for (at, word) in words.clone().enumerate() {
            let rows = &rows[span(word, rows.len())];
            for (word, sums) in block.word(at).zip(&mut *sums) {
                add_rows(lanes, word, rows, sums);
            }
        }
        for (sums, output) in sums.iter().zip(output.chunks_exact_mut(columns)) {
            for (line, part) in sums.iter().zip(output[place.clone()].chunks_mut(GROUP)) {
                lanes.store_part(lanes.load(&line.0), part);
            }
        }
    }
}

/// Adds the rows that are marked, each times its number.
#[inline(always)]
fn add_rows<L: Lanes>(
    lanes: L,
    (numbers, mut marks): (&Numbers, u64),
    rows: &[[Line; GROUPS]],
    lines: &mut [Line; GROUPS],
) {
    // Loops rather than closures, which are not compiled for the set of instructions.
    let mut sums = [lanes.splat(0.0); GROUPS];
    for (sum, line) in sums.iter_mut().zip(&*lines) {
        *sum = lanes.load(&line.0);
    }
    while marks != 0 {
        let at = marks.trailing_zeros() as usize;
        marks &= marks - 1;
        let number = lanes.splat(numbers[at % WORD]);
        for (sum, line) in sums.iter_mut().zip(&rows[at]) {
            *sum = lanes.fma(number, lanes.load(&line.0), *sum);
        }
    }
    for (sum, line) in sums.into_iter().zip(lines) {
        lanes.store(sum, &mut line.0);
    }
}
