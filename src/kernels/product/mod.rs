//! Products of all numbers of two matrices, of which the right one stands in tiles ([`Tiles`]) and can serve many products.
//!
//! Of the inner numbers so many are taken at a time that those of a tile stay near the registers, and of the rows of the left
//! matrix so many that they stay in the second-level cache, copied in the order in which they are read. Sums of some rows and
//! of a tile's columns are in registers until these inner numbers are used up; so each number of what comes out is summed in
//! one order, however the work is divided.

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::ops::Range;

use super::isa::Isa;
use super::lanes::{self, GROUP, Kernel, Lanes, Line};
use super::strided::Strided;
use super::tiles::Tiles;
use crate::native::parallel::{Shared, for_ranges, threads};

/// How many inner numbers are taken at a time.
const INNER: usize = 768;

/// How many rows of the left matrix are taken at a time at most.
const ROWS: usize = 192;

/// Returns how wide the tiles are that go into these products.
pub fn width() -> usize {
    width_in(Isa::chosen())
}

fn width_in(isa: Isa) -> usize {
    match isa {
        Isa::Avx512 => 2 * GROUP,
        Isa::Plain | Isa::Avx2 => GROUP,
    }
}

/// What a product is added to.
#[derive(Clone, Copy, Debug)]
pub enum Onto<'a> {
    /// Nothing: whatever is there is written over.
    Nothing,
    /// A row for all rows.
    Row(&'a [f32]),
    /// What is there.
    Held,
}

/// Where a product goes: rows, so many places from the beginning of one to that of the next.
#[derive(Debug)]
pub struct Output<'a> {
    /// The numbers, from the first of the first row to the last of the last.
    pub numbers: &'a mut [f32],
    /// How far rows are apart.
    pub by_row: usize,
}

/// Writes `onto + left · right` to `output`. `right` stands in tiles of [`width`] columns.
///
/// # Panics
/// Panics where shapes do not agree.
pub fn product(left: Strided<'_>, right: &Tiles, onto: Onto<'_>, output: Output<'_>) {
    product_in(Isa::chosen(), left, right, onto, output);
}

/// Does what [`product`] does in a set of instructions.
fn product_in(isa: Isa, left: Strided<'_>, right: &Tiles, onto: Onto<'_>, output: Output<'_>) {
    let columns = right.columns();
    assert_eq!(
        right.width(),
        width_in(isa),
        "tiles are as wide as they should be"
    );
    assert_eq!(
        left.columns,
        right.rows(),
        "inner numbers are as many on both sides"
    );
    if left.rows == 0 || columns == 0 {
        return;
    }
    assert!(
        output.by_row >= columns && output.numbers.len() >= (left.rows - 1) * output.by_row + columns,
        "there is a place for each number"
    );
    if let Onto::Row(row) = onto {
        assert_eq!(row.len(), columns, "there is a number for each column");
    }
    let division = Division::new(left.rows, right.tiles());
    let numbers = Shared::new(output.numbers);
    for_ranges(division.parts(), 1, |parts| {
        for part in parts {
            let (rows, tiles) = division.part(part);
            let part = Part {
                left,
                right,
                onto,
                output: &numbers,
                by_row: output.by_row,
                rows,
                tiles,
            };
            match isa {
                Isa::Avx512 => lanes::run(isa, Wide(part)),
                Isa::Plain | Isa::Avx2 => lanes::run(isa, Narrow(part)),
            }
        }
    });
}

/// How rows and tiles are divided into parts, at least one for each thread where there are so many.
#[derive(Clone, Copy, Debug)]
struct Division {
    rows: usize,
    tiles: usize,
    rows_each: usize,
    tiles_each: usize,
}

impl Division {
    fn new(rows: usize, tiles: usize) -> Self {
        let threads = threads();
        let blocks = rows.div_ceil(ROWS).next_multiple_of(threads);
        // Of a few rows each tile would be read for too little.
        let rows_each = rows.div_ceil(blocks).max(ROWS / 4).next_multiple_of(12);
        let blocks = rows.div_ceil(rows_each);
        let tiles_each = tiles.div_ceil(threads.div_ceil(blocks));
        Self {
            rows,
            tiles,
            rows_each,
            tiles_each,
        }
    }

    fn blocks(self) -> usize {
        self.rows.div_ceil(self.rows_each)
    }

    fn parts(self) -> usize {
        self.blocks() * self.tiles.div_ceil(self.tiles_each)
    }

    fn part(self, part: usize) -> (Range<usize>, Range<usize>) {
        let (tiles, rows) = (part / self.blocks(), part % self.blocks());
        let range = |at: usize, each: usize, all: usize| at * each..((at + 1) * each).min(all);
        (
            range(rows, self.rows_each, self.rows),
            range(tiles, self.tiles_each, self.tiles),
        )
    }
}

/// The rows and tiles of one thread.
struct Part<'a> {
    left: Strided<'a>,
    right: &'a Tiles,
    onto: Onto<'a>,
    output: &'a Shared<'a, f32>,
    by_row: usize,
    rows: Range<usize>,
    tiles: Range<usize>,
}

/// For sixteen registers of eight numbers: 6 rows of one group leave four.
struct Narrow<'a>(Part<'a>);

/// For thirty-two registers of sixteen numbers: 12 rows of two groups leave eight.
struct Wide<'a>(Part<'a>);

impl Kernel for Narrow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        self.0.run::<L, 6, 1>(lanes);
    }
}

impl Kernel for Wide<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        self.0.run::<L, 12, 2>(lanes);
    }
}

thread_local! {
    /// Room for rows of the left matrix.
    static KEPT: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

impl Part<'_> {
    #[inline(always)]
    fn run<L: Lanes, const R: usize, const G: usize>(&self, lanes: L) {
        let mut packed = KEPT.take();
        let all = self.left.columns;
        // Without inner numbers there is still something to write.
        for first in (0..all.max(1)).step_by(INNER) {
            let inner = first..(first + INNER).min(all);
            pack::<R>(self.left, self.rows.clone(), inner.clone(), &mut packed);
            for tile in self.tiles.clone() {
                let right = &self.right.tile::<G>(tile)[inner.clone()];
                let mut rest = packed.as_chunks::<R>().0;
                for row in self.rows.clone().step_by(R) {
                    let left;
                    (left, rest) = rest.split_at(inner.len());
                    let sums = sums::<L, R, G>(lanes, left, right);
                    self.put(lanes, sums, (row, tile), first == 0);
                }
            }
        }
        KEPT.set(packed);
    }

    /// Puts sums of some rows and of the columns of a tile in their places; the first ones where others will be added.
    #[inline(always)]
    fn put<L: Lanes, const R: usize, const G: usize>(
        &self,
        lanes: L,
        sums: [[L::Group; G]; R],
        (row, tile): (usize, usize),
        is_first: bool,
    ) {
        let first = tile * G * GROUP;
        let columns = first..(first + G * GROUP).min(self.right.columns());
        for (row, sums) in (row..self.rows.end).zip(sums) {
            let place = row * self.by_row + columns.start..row * self.by_row + columns.end;
            // SAFETY: each thread has rows, or columns, of its own.
            let places = unsafe { self.output.part(place) };
            for (group, (sum, place)) in sums.into_iter().zip(places.chunks_mut(GROUP)).enumerate() {
                let start = first + group * GROUP;
                let sum = match (is_first, self.onto) {
                    (true, Onto::Nothing) => sum,
                    (true, Onto::Row(row)) => {
                        lanes.add(lanes.load_part(&row[start..start + place.len()]), sum)
                    }
                    _ => lanes.add(lanes.load_part(place), sum),
                };
                lanes.store_part(sum, place);
            }
        }
    }
}

/// Returns the sums of the products of some rows, whose numbers stand together, with the columns of a tile.
#[inline(always)]
fn sums<L: Lanes, const R: usize, const G: usize>(
    lanes: L,
    left: &[[f32; R]],
    right: &[[Line; G]],
) -> [[L::Group; G]; R] {
    let mut sums = [[lanes.splat(0.0); G]; R];
    for (left, right) in left.iter().zip(right) {
        let mut groups = [lanes.splat(0.0); G];
        for (group, line) in groups.iter_mut().zip(right) {
            *group = lanes.load(&line.0);
        }
        for (sums, &number) in sums.iter_mut().zip(left) {
            let number = lanes.splat(number);
            for (sum, &group) in sums.iter_mut().zip(&groups) {
                *sum = lanes.fma(number, group, *sum);
            }
        }
    }
    sums
}

/// Copies the inner numbers of some rows, so that those of `R` rows stand together; 0 beyond the last row.
#[inline(always)]
fn pack<const R: usize>(left: Strided<'_>, rows: Range<usize>, inner: Range<usize>, packed: &mut Vec<f32>) {
    packed.resize(rows.len().next_multiple_of(R) * inner.len(), 0.0);
    if inner.is_empty() {
        return;
    }
    let mut all = packed.as_chunks_mut::<R>().0;
    for first in rows.clone().step_by(R) {
        let packed;
        (packed, all) = all.split_at_mut(inner.len());
        let count = (rows.end - first).min(R);
        if count < R {
            packed.fill([0.0; R]);
        }
        if left.by_row == 1 && count == R {
            for (packed, at) in packed.iter_mut().zip(inner.clone()) {
                packed.copy_from_slice(&left.from(first, at)[..R]);
            }
            continue;
        }
        for (place, row) in (first..first + count).enumerate() {
            let numbers = left.from(row, inner.start).iter().step_by(left.by_column.max(1));
            for (packed, &number) in packed.iter_mut().zip(numbers) {
                packed[place] = number;
            }
        }
    }
}
