//! Products of rows of two matrices, in the places where a third is not 0.

use std::hint::select_unpredictable;
use std::ops::Range;

use super::block::{Block, Matrix, Numbers, ROWS, WORDS, Work, span};
use super::{GROUPS, WIDTH, WORD};
use crate::kernels::isa::Isa;
use crate::kernels::lanes::{self, GROUP, Kernel, Lanes, Line};
use crate::kernels::tiles::Tiles;
use crate::native::parallel::{Shared, for_ranges};

/// Writes to `output`, which has the shape of `filled`, the product of row `i` of `left` with row `j` of `right` for each place
/// `(i, j)` in which `filled` is not 0, and 0 elsewhere. `right` stands in tiles of [`WIDTH`] columns.
///
/// # Panics
/// Panics where shapes do not agree.
pub fn dots(filled: Matrix<'_>, left: &[f32], right: &Tiles, output: &mut [f32]) {
    dots_in(Isa::chosen(), filled, left, right, output);
}

/// Does what [`dots()`] does in a set of instructions.
pub(super) fn dots_in(isa: Isa, filled: Matrix<'_>, left: &[f32], right: &Tiles, output: &mut [f32]) {
    let (columns, width) = (right.columns(), filled.columns);
    assert_eq!(right.groups(), GROUPS, "tiles are {WIDTH} columns wide");
    assert_eq!(right.rows(), width, "there is a row for each column");
    assert_eq!(left.len(), filled.rows * columns, "there is a row for each row");
    assert_eq!(
        output.len(),
        filled.rows * width,
        "there is a place for each number"
    );
    let output = Shared::new(output);
    for_ranges(filled.rows, GROUP, |rows| {
        // SAFETY: each thread has rows of its own.
        let output = unsafe { output.part(rows.start * width..rows.end * width) };
        let part = Part {
            filled,
            left,
            right,
            rows,
            output,
        };
        lanes::run(isa, part);
    });
}

/// The rows of one thread.
struct Part<'a> {
    filled: Matrix<'a>,
    left: &'a [f32],
    right: &'a Tiles,
    rows: Range<usize>,
    output: &'a mut [f32],
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let (columns, width) = (self.right.columns(), self.filled.columns);
        let all = width.div_ceil(WORD);
        let mut work = Work::take(self.rows.len(), all);
        let (block, found) = (&mut work.block, &mut work.found);
        found.resize(self.rows.len().min(ROWS) * all.min(WORDS), [0.0; WORD]);
        let outputs = self.output.chunks_mut(ROWS * width);
        for (output, first) in outputs.zip(self.rows.clone().step_by(ROWS)) {
            let rows = first..(first + ROWS).min(self.rows.end);
            let left = &self.left[rows.start * columns..rows.end * columns];
            for first in (0..all).step_by(WORDS) {
                let words = first..(first + WORDS).min(all);
                block.take(lanes, self.filled, rows.clone(), words.clone());
                let found = &mut found[..rows.len() * words.len()];
                found.fill([0.0; WORD]);
                add_block(lanes, (block, words.clone()), (left, self.right), found);
                for (found, word) in found.chunks(rows.len()).zip(words) {
                    for (found, output) in found.iter().zip(output.chunks_mut(width)) {
                        let output = &mut output[span(word, width)];
                        output.copy_from_slice(&found[..output.len()]);
                    }
                }
            }
        }
        work.keep();
    }
}

/// Adds to what is found of a block, which speaks of some words, tile by tile.
#[inline(always)]
fn add_block<L: Lanes>(
    lanes: L,
    (block, words): (&Block, Range<usize>),
    (left, right): (&[f32], &Tiles),
    found: &mut [Numbers],
) {
    let columns = right.columns();
    for tile in 0..right.tiles() {
        let rows = right.tile::<GROUPS>(tile);
        let place = tile * WIDTH..((tile + 1) * WIDTH).min(columns);
        let found = found.chunks_mut(left.len() / columns);
        for ((at, word), found) in words.clone().enumerate().zip(found) {
            let rows = &rows[span(word, rows.len())];
            let lefts = left.chunks_exact(columns);
            for (((_, marks), left), found) in block.word(at).zip(lefts).zip(found) {
                // Loops rather than closures, which are not compiled for the set of instructions.
                let mut own = [lanes.splat(0.0); GROUPS];
                for (own, part) in own.iter_mut().zip(left[place.clone()].chunks(GROUP)) {
                    *own = lanes.load_part(part);
                }
                add_dots(lanes, own, marks, rows, found);
            }
        }
    }
}

/// Adds the products of a row with the rows that are marked, two at a time; the last one by itself comes with itself.
#[inline(always)]
fn add_dots<L: Lanes>(
    lanes: L,
    own: [L::Group; GROUPS],
    mut marks: u64,
    rows: &[[Line; GROUPS]],
    found: &mut Numbers,
) {
    while marks != 0 {
        let rest = marks & (marks - 1);
        let next = select_unpredictable(rest == 0, marks, rest);
        let places = [marks.trailing_zeros() as usize, next.trailing_zeros() as usize];
        marks = next & (next - 1);
        let (first, second) = (&rows[places[0]], &rows[places[1]]);
        let mut sums = [
            lanes.mul(own[0], lanes.load(&first[0].0)),
            lanes.mul(own[0], lanes.load(&second[0].0)),
        ];
        for group in 1..GROUPS {
            sums[0] = lanes.fma(own[group], lanes.load(&first[group].0), sums[0]);
            sums[1] = lanes.fma(own[group], lanes.load(&second[group].0), sums[1]);
        }
        let sums = lanes.sums_of_two(sums);
        let [first, second] = places.map(|place| found[place % WORD]);
        found[places[0] % WORD] = first + sums[0];
        found[places[1] % WORD] = second + sums[1];
    }
}
