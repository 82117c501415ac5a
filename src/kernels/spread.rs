//! How far rows lie from their mean and from 0: what a reconstruction is measured by.

use std::ops::Range;

use super::isa::Isa;
use super::lanes::{self, GROUP, Kernel, Lanes};
use crate::native::parallel::{Shared, for_ranges};

/// How many numbers are worth a thread.
const GRAIN: usize = 1 << 15;

/// How many groups are summed side by side.
const CHAINS: usize = 4;

/// How many columns are summed at a time.
const STRIP: usize = CHAINS * GROUP;

/// How many rows are summed in float32, before these sums are added in float64.
const BLOCK: usize = 64;

/// Writes for each part of each row of `matrix` (rows × columns), `part` columns each, its squared distance from the mean of that
/// part of all rows to `apart`, and its squared norm to `squares` (rows × parts).
///
/// # Panics
/// Panics where shapes do not agree.
pub fn spread(matrix: &[f32], (columns, part): (usize, usize), apart: &mut [f32], squares: &mut [f32]) {
    spread_in(Isa::chosen(), matrix, (columns, part), apart, squares);
}

/// Does what [`spread`] does in a set of instructions.
pub(super) fn spread_in(
    isa: Isa,
    matrix: &[f32],
    (columns, part): (usize, usize),
    apart: &mut [f32],
    squares: &mut [f32],
) {
    let count = apart.len();
    assert!(
        columns.is_multiple_of(part) && matrix.len().is_multiple_of(columns),
        "a matrix has whole rows, and rows have whole parts"
    );
    assert_eq!(matrix.len(), count * part, "there is a number for each part");
    assert_eq!(squares.len(), count, "both have a number for each part");
    let rows = matrix.len() / columns;
    let mut mean = vec![0.0; columns];
    let strips = Shared::new(&mut mean);
    for_ranges(
        columns.div_ceil(STRIP),
        GRAIN.div_ceil(STRIP * rows.max(1)),
        |range| {
            for strip in range {
                let span = strip * STRIP..columns.min((strip + 1) * STRIP);
                // SAFETY: strips do not overlap, and each is done by one thread.
                let mean = unsafe { strips.part(span.clone()) };
                lanes::run(
                    isa,
                    Mean {
                        matrix,
                        columns,
                        span,
                        mean,
                    },
                );
            }
        },
    );
    let (apart, squares) = (Shared::new(apart), Shared::new(squares));
    for_ranges(count, GRAIN.div_ceil(part.max(1)), |range| {
        // SAFETY: the ranges do not overlap.
        let (apart, squares) = unsafe { (apart.part(range.clone()), squares.part(range.clone())) };
        for (at, (apart, squares)) in range.zip(apart.iter_mut().zip(squares)) {
            let first = at * part;
            let mean = &mean[first % columns..][..part];
            let row = &matrix[first..][..part];
            (*apart, *squares) = lanes::run(isa, Distance { row, mean });
        }
    });
}

/// Some columns of a matrix, and where their means go.
struct Mean<'a> {
    matrix: &'a [f32],
    columns: usize,
    span: Range<usize>,
    mean: &'a mut [f32],
}

impl Kernel for Mean<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let mut totals = [0.0f64; STRIP];
        for block in self.matrix.chunks(BLOCK * self.columns) {
            let mut sums = [lanes.splat(0.0); CHAINS];
            for row in block.chunks_exact(self.columns) {
                let row = &row[self.span.clone()];
                for (sum, part) in sums.iter_mut().zip(row.chunks(GROUP)) {
                    *sum = lanes.add(*sum, lanes.load_part(part));
                }
            }
            for (sum, totals) in sums.into_iter().zip(totals.as_chunks_mut::<GROUP>().0) {
                let mut numbers = [0.0; GROUP];
                lanes.store(sum, &mut numbers);
                for (total, number) in totals.iter_mut().zip(numbers) {
                    *total += f64::from(number);
                }
            }
        }
        let rows = (self.matrix.len() / self.columns) as f64;
        for (mean, total) in self.mean.iter_mut().zip(totals) {
            *mean = (total / rows) as f32;
        }
    }
}

/// A row, and the mean of all.
struct Distance<'a> {
    row: &'a [f32],
    mean: &'a [f32],
}

impl Kernel for Distance<'_> {
    type Output = (f32, f32);

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> (f32, f32) {
        let (mut apart, mut squares) = ([lanes.splat(0.0); CHAINS], [lanes.splat(0.0); CHAINS]);
        let strips = self.row.chunks(STRIP).zip(self.mean.chunks(STRIP));
        for (row, mean) in strips {
            for (chain, (x, mean)) in row.chunks(GROUP).zip(mean.chunks(GROUP)).enumerate() {
                // Beyond the end of a row both are 0.
                let x = lanes.load_part(x);
                let far = lanes.sub(x, lanes.load_part(mean));
                apart[chain] = lanes.fma(far, far, apart[chain]);
                squares[chain] = lanes.fma(x, x, squares[chain]);
            }
        }
        let total = |[a, b, c, d]: [L::Group; CHAINS]| lanes.sum(lanes.add(lanes.add(a, b), lanes.add(c, d)));
        (total(apart), total(squares))
    }
}
