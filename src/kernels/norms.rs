//! Norms and sums of matrices and slices, the same for any number of threads.

use std::cell::Cell;

use super::isa::Isa;
use super::lanes::{self, GROUP, Kernel, Lanes, Line};
use super::tiles::Tiles;
use crate::native::parallel::{Shared, for_ranges};

/// How many numbers are worth a thread.
const GRAIN: usize = 1 << 15;

/// How many numbers are summed into one, before these sums are added in order.
const CHUNK: usize = 1 << 13;

/// How many sums run side by side.
const CHAINS: usize = 4;

/// Writes the Euclidean norm of each row of `matrix` (rows × columns) to `norms` (rows).
///
/// # Panics
/// Panics where shapes do not agree.
pub fn row_norms(matrix: &[f32], columns: usize, norms: &mut [f32]) {
    row_norms_in(Isa::chosen(), matrix, columns, norms);
}

/// Does what [`row_norms`] does in a set of instructions.
pub(super) fn row_norms_in(isa: Isa, matrix: &[f32], columns: usize, norms: &mut [f32]) {
    for_rows(matrix, columns, norms, |row, norm| {
        *norm = lanes::run(isa, Squares { numbers: row }).0.sqrt();
    });
}

/// Writes the sum of the squares of each row of `matrix` (rows × columns) to `squares` (rows).
///
/// # Panics
/// Panics where shapes do not agree.
pub fn row_squares(matrix: &[f32], columns: usize, squares: &mut [f32]) {
    let isa = Isa::chosen();
    for_rows(matrix, columns, squares, |row, squares| {
        *squares = lanes::run(isa, Squares { numbers: row }).0;
    });
}

/// Writes the rows of `matrix` (rows × columns), each brought to the length `to`, to `scaled`; rows shorter than `floor`
/// are taken to be as long as that.
///
/// # Panics
/// Panics where shapes do not agree.
pub fn scale_rows(matrix: &[f32], columns: usize, (to, floor): (f32, f32), scaled: &mut [f32]) {
    scale_rows_in(Isa::chosen(), matrix, columns, (to, floor), scaled);
}

/// Does what [`scale_rows`] does in a set of instructions.
pub(super) fn scale_rows_in(
    isa: Isa,
    matrix: &[f32],
    columns: usize,
    (to, floor): (f32, f32),
    scaled: &mut [f32],
) {
    assert_eq!(matrix.len(), scaled.len(), "both matrices have the same shape");
    assert!(
        columns > 0 && matrix.len().is_multiple_of(columns),
        "a matrix has rows times columns numbers"
    );
    let rows = matrix.len() / columns;
    let scaled = Shared::new(scaled);
    for_ranges(rows, GRAIN.div_ceil(columns), |range| {
        let place = range.start * columns..range.end * columns;
        // SAFETY: the ranges do not overlap.
        let scaled = unsafe { scaled.part(place.clone()) };
        let rows = matrix[place].chunks_exact(columns);
        for (row, scaled) in rows.zip(scaled.chunks_exact_mut(columns)) {
            let norm = lanes::run(isa, Squares { numbers: row }).0.sqrt();
            // Unlike `max`, this keeps NaN.
            let norm = if norm < floor { floor } else { norm };
            let factor = 1.0 / norm * to;
            for (scaled, number) in scaled.iter_mut().zip(row) {
                *scaled = number * factor;
            }
        }
    });
}

/// Calls `each` with each row of `matrix` (rows × columns) and its place in `of_rows` (rows).
fn for_rows(
    matrix: &[f32],
    columns: usize,
    of_rows: &mut [f32],
    each: impl Fn(&[f32], &mut f32) + Send + Sync,
) {
    assert_eq!(
        matrix.len(),
        of_rows.len() * columns,
        "a matrix has rows times columns numbers"
    );
    let rows = of_rows.len();
    let of_rows = Shared::new(of_rows);
    for_ranges(rows, GRAIN.div_ceil(columns.max(1)), |range| {
        // SAFETY: the ranges do not overlap.
        let of_rows = unsafe { of_rows.part(range.clone()) };
        for (row, of_row) in range.zip(of_rows) {
            each(&matrix[row * columns..(row + 1) * columns], of_row);
        }
    });
}

/// What the norm of a slice follows from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// The sum of the squares of its numbers.
    pub squares: f64,
    /// How many of its numbers are not 0.
    pub nonzeros: u64,
}

thread_local! {
    /// The sums of parts of the numbers that this thread looked at last.
    static PARTS: Cell<Vec<Statistics>> = const { Cell::new(Vec::new()) };
}

/// Returns the sum of squares of `numbers`, and how many of them are not 0.
pub fn statistics(numbers: &[f32]) -> Statistics {
    statistics_in(Isa::chosen(), numbers)
}

/// Does what [`statistics`] does in a set of instructions.
pub(super) fn statistics_in(isa: Isa, numbers: &[f32]) -> Statistics {
    let mut all = PARTS.take();
    all.clear();
    all.resize(numbers.len().div_ceil(CHUNK), Statistics::default());
    let chunks = all.len();
    let parts = Shared::new(&mut all);
    for_ranges(chunks, GRAIN / CHUNK, |range| {
        // SAFETY: the ranges do not overlap.
        let parts = unsafe { parts.part(range.clone()) };
        for (chunk, part) in range.zip(parts) {
            let numbers = &numbers[chunk * CHUNK..((chunk + 1) * CHUNK).min(numbers.len())];
            let (squares, nonzeros) = lanes::run(isa, Squares { numbers });
            *part = Statistics {
                squares: f64::from(squares),
                nonzeros,
            };
        }
    });
    let mut total = Statistics::default();
    for part in &all {
        total.squares += part.squares;
        total.nonzeros += part.nonzeros;
    }
    PARTS.set(all);
    total
}

/// The sum of the squares of numbers, and how many are not 0.
struct Squares<'a> {
    numbers: &'a [f32],
}

impl Kernel for Squares<'_> {
    type Output = (f32, u64);

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> (f32, u64) {
        let mut sums = [lanes.splat(0.0); CHAINS];
        let mut nonzeros = 0;
        let mut add = |sum: &mut L::Group, group| {
            *sum = lanes.fma(group, group, *sum);
            nonzeros += u64::from(lanes.nonzeros(group));
        };
        let (fours, rest) = self.numbers.as_chunks::<{ CHAINS * GROUP }>();
        for four in fours {
            for (sum, part) in sums.iter_mut().zip(four.as_chunks().0) {
                add(sum, lanes.load(part));
            }
        }
        for (sum, part) in sums.iter_mut().zip(rest.chunks(GROUP)) {
            add(sum, lanes.load_part(part));
        }
        let [a, b, c, d] = sums;
        (lanes.sum(lanes.add(lanes.add(a, b), lanes.add(c, d))), nonzeros)
    }
}

/// Writes the sum of each column of `matrix` (rows × columns) to `sums` (columns): the gradient of a bias, from
/// residuals.
///
/// # Panics
/// Panics where shapes do not agree.
pub fn column_sums(matrix: &Tiles, sums: &mut [f32]) {
    column_sums_in(Isa::chosen(), matrix, sums);
}

/// Does what [`column_sums`] does in a set of instructions.
pub(super) fn column_sums_in(isa: Isa, matrix: &Tiles, sums: &mut [f32]) {
    assert_eq!(sums.len(), matrix.columns(), "there is one sum for each column");
    let sums = Shared::new(sums);
    for_ranges(
        matrix.tiles(),
        GRAIN.div_ceil(matrix.rows().max(1) * GROUP),
        |range| {
            for tile in range {
                match matrix.groups() {
                    1 => column_sums_of_tile::<1>(isa, matrix, tile, &sums),
                    _ => column_sums_of_tile::<2>(isa, matrix, tile, &sums),
                }
            }
        },
    );
}

/// Writes the sums of the columns of one tile, which no other thread may be doing.
fn column_sums_of_tile<const G: usize>(isa: Isa, matrix: &Tiles, tile: usize, sums: &Shared<f32>) {
    for group in 0..G {
        // SAFETY: each tile has columns of its own, and each is done by one thread.
        let sums = unsafe { sums.part(matrix.span(tile, group)) };
        lanes::run(
            isa,
            Column {
                rows: matrix.tile::<G>(tile),
                group,
                sums,
            },
        );
    }
}

/// A group of columns of a tile, and where its sums go.
struct Column<'a, const G: usize> {
    rows: &'a [[Line; G]],
    group: usize,
    sums: &'a mut [f32],
}

impl<const G: usize> Kernel for Column<'_, G> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let mut sums = [lanes.splat(0.0); CHAINS];
        let (fours, rest) = self.rows.as_chunks::<CHAINS>();
        for four in fours {
            for (sum, row) in sums.iter_mut().zip(four) {
                *sum = lanes.add(*sum, lanes.load(&row[self.group].0));
            }
        }
        for (sum, row) in sums.iter_mut().zip(rest) {
            *sum = lanes.add(*sum, lanes.load(&row[self.group].0));
        }
        let [a, b, c, d] = sums;
        lanes.store_part(lanes.add(lanes.add(a, b), lanes.add(c, d)), self.sums);
    }
}
