//! Products of rows of two matrices, for chosen pairs of rows only.

use std::ops::Range;

use super::isa::Isa;
use super::lanes::{self, GROUP, Kernel, Lanes};
use super::pattern::Pattern;
use crate::native::parallel::Shared;

/// How many pairs are worth a thread.
const GRAIN: usize = 1 << 10;

/// How many products are computed at a time.
const ROWS: usize = 4;

/// Writes to `dots`, for each pair (i, j) of `pattern`, the product of row i of `left` (pattern's rows × columns) and
/// row j of `right` (pattern's width × columns).
///
/// # Panics
/// Panics where shapes do not agree.
pub fn gather(pattern: Pattern, left: &[f32], right: &[f32], columns: usize, dots: &mut [f32]) {
    gather_in(Isa::chosen(), pattern, left, right, columns, dots);
}

/// Does what [`gather`] does in a set of instructions.
pub(super) fn gather_in(
    isa: Isa,
    pattern: Pattern,
    left: &[f32],
    right: &[f32],
    columns: usize,
    dots: &mut [f32],
) {
    assert_eq!(
        left.len(),
        pattern.rows() * columns,
        "the left matrix has the pattern's rows"
    );
    assert_eq!(
        right.len(),
        pattern.width() * columns,
        "the right matrix has a row for each column of the pattern"
    );
    assert_eq!(dots.len(), pattern.pairs(), "there is one product for each pair");
    let dots = Shared::new(dots);
    pattern.for_rows(GRAIN, |rows| {
        // SAFETY: each thread has rows, and so pairs, of its own.
        let dots = unsafe { dots.part(pattern.offsets()[rows.start]..pattern.offsets()[rows.end]) };
        lanes::run(
            isa,
            Part {
                pattern,
                rows,
                left,
                right,
                columns,
                dots,
            },
        );
    });
}

/// The rows of one thread.
struct Part<'a> {
    pattern: Pattern<'a>,
    rows: Range<usize>,
    left: &'a [f32],
    right: &'a [f32],
    columns: usize,
    dots: &'a mut [f32],
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let mut rest = self.dots;
        for row in self.rows {
            let left = &self.left[row * self.columns..(row + 1) * self.columns];
            let index = &self.pattern.index()[self.pattern.row(row)];
            let dots;
            (dots, rest) = rest.split_at_mut(index.len());
            for (index, dots) in index.chunks(ROWS).zip(dots.chunks_mut(ROWS)) {
                let mut right = [left; ROWS];
                for (right, &row) in right.iter_mut().zip(index) {
                    *right = &self.right[row as usize * self.columns..][..self.columns];
                }
                dots.copy_from_slice(&products(lanes, left, right)[..index.len()]);
            }
        }
    }
}

/// Returns the products of `left` with each of four rows that are as long.
#[inline(always)]
fn products<L: Lanes>(lanes: L, left: &[f32], right: [&[f32]; ROWS]) -> [f32; ROWS] {
    let mut sums = [lanes.splat(0.0); ROWS];
    let (groups, last) = left.as_chunks::<GROUP>();
    let (mut wholes, mut parts) = ([groups; ROWS], [last; ROWS]);
    for ((whole, part), right) in wholes.iter_mut().zip(&mut parts).zip(right) {
        let groups_and_part = right.as_chunks();
        (*whole, *part) = (&groups_and_part.0[..groups.len()], groups_and_part.1);
    }
    for (group, left) in groups.iter().enumerate() {
        let left = lanes.load(left);
        for (sum, right) in sums.iter_mut().zip(&wholes) {
            *sum = lanes.fma(left, lanes.load(&right[group]), *sum);
        }
    }
    if !last.is_empty() {
        let left = lanes.load_part(last);
        for (sum, right) in sums.iter_mut().zip(parts) {
            *sum = lanes.fma(left, lanes.load_part(right), *sum);
        }
    }
    let mut products = [0.0; ROWS];
    for (product, sum) in products.iter_mut().zip(sums) {
        *product = lanes.sum(sum);
    }
    products
}
