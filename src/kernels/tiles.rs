//! Matrices cut into tiles of a few cache lines, of which some rows stay in one of the nearer caches.
//!
//! The passes over active pairs read rows of a matrix in no order. Whole rows come from the third level or from memory;
//! the rows of a tile, one after the other in memory, come from the second.

use std::sync::OnceLock;

use super::lanes::{GROUP, Lanes, Line};
use super::strided::Strided;
use crate::native::parallel::{Shared, for_ranges};

/// How many rows are copied at a time, so that both sides stay in the first-level cache.
const BLOCK: usize = 32;

/// How many lines are worth a thread.
const LINES: usize = 1 << 12;

/// A matrix in tiles: tile after tile, each with its part of every row. What the last tile has beyond the last column
/// is 0.
#[derive(Debug, Default)]
pub struct Tiles {
    lines: Vec<Line>,
    rows: usize,
    columns: usize,
    groups: usize,
}

/// Returns how wide the tiles of matrices with up to `rows` rows should be: 16 or 32 columns.
pub fn width_for(rows: usize) -> usize {
    let wide = 2 * GROUP;
    if rows * wide * size_of::<f32>() <= second_level_cache() / 4 * 3 {
        wide
    } else {
        GROUP
    }
}

/// Returns the size of a processor's second-level cache in bytes, or 512 KiB where the system does not say.
fn second_level_cache() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        let text = std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index2/size").ok();
        let kib: Option<usize> = text.and_then(|text| text.trim().strip_suffix('K')?.parse().ok());
        kib.unwrap_or(512) * 1024
    })
}

impl Tiles {
    /// Makes this a matrix of `rows` × `columns` in tiles of `width` columns, a multiple of 16, with numbers that mean nothing.
    pub fn reshape(&mut self, rows: usize, columns: usize, width: usize) {
        assert!(
            width > 0 && width.is_multiple_of(GROUP),
            "tiles are a multiple of 16 columns wide"
        );
        (self.rows, self.columns, self.groups) = (rows, columns, width / GROUP);
        self.lines
            .resize(self.tiles() * rows * self.groups, Line::default());
    }

    /// Makes this a copy of `matrix` (`rows` × `columns`, row after row) in tiles of `width` columns, a multiple of 16.
    pub fn pack(&mut self, matrix: &[f32], rows: usize, columns: usize, width: usize) {
        self.pack_strided(Strided::whole(matrix, rows, columns), width);
    }

    /// Makes this a copy of `matrix`, however it lies in memory, in tiles of `width` columns, a multiple of 16.
    pub fn pack_strided(&mut self, matrix: Strided<'_>, width: usize) {
        self.reshape(matrix.rows, matrix.columns, width);
        copy(matrix, self.groups, &mut self.lines);
    }

    /// Returns the matrix to be read.
    pub fn view(&self) -> View<'_> {
        View {
            lines: &self.lines,
            rows: self.rows,
            columns: self.columns,
            groups: self.groups,
        }
    }

    /// Writes the matrix to `matrix` (rows × columns), row after row.
    pub fn unpack(&self, matrix: &mut [f32]) {
        assert_eq!(
            matrix.len(),
            self.rows * self.columns,
            "a matrix has rows times columns numbers"
        );
        let matrix = Shared::new(matrix);
        for_ranges(self.rows, 4 * BLOCK, |range| {
            for row in range {
                // SAFETY: each thread has rows of its own.
                let whole = unsafe { matrix.part(row * self.columns..(row + 1) * self.columns) };
                for (group, part) in whole.chunks_mut(GROUP).enumerate() {
                    part.copy_from_slice(&self.line(row, group).0[..part.len()]);
                }
            }
        });
    }

    /// Makes this `factor` times another matrix, in equal tiles.
    pub fn set_scaled(&mut self, other: &Tiles, factor: f32) {
        self.reshape(other.rows, other.columns, other.width());
        self.with(other, |number, other| *number = factor * other);
    }

    /// Adds another matrix, which is in equal tiles.
    ///
    /// # Panics
    /// Panics where shapes do not agree.
    pub fn add(&mut self, other: &Tiles) {
        let shape = |tiles: &Tiles| (tiles.rows, tiles.columns, tiles.groups);
        assert_eq!(shape(self), shape(other), "both are in equal tiles");
        self.with(other, |number, other| *number += other);
    }

    /// Has `change` change each number by the one of `other` in its place.
    fn with(&mut self, other: &Tiles, change: impl Fn(&mut f32, f32) + Sync) {
        let lines = Shared::new(&mut self.lines);
        for_ranges(other.lines.len(), LINES, |range| {
            // SAFETY: each thread has lines of its own.
            let lines = unsafe { lines.part(range.clone()) };
            for (line, other) in lines.iter_mut().zip(&other.lines[range]) {
                let numbers = line.0.iter_mut().zip(&other.0);
                numbers.for_each(|(number, other)| change(number, *other));
            }
        });
    }

    /// Returns how many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns how many columns the matrix has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Returns how many columns a tile has.
    pub fn width(&self) -> usize {
        self.groups * GROUP
    }

    /// Returns how many groups of 16 columns a tile has.
    pub(super) fn groups(&self) -> usize {
        self.groups
    }

    /// Returns how many tiles there are.
    pub(super) fn tiles(&self) -> usize {
        self.columns.div_ceil(self.groups.max(1) * GROUP)
    }

    /// Returns the columns of group `group` of tile `tile`; fewer than 16, or none, beyond the last.
    pub(super) fn span(&self, tile: usize, group: usize) -> std::ops::Range<usize> {
        let first = (tile * self.groups + group) * GROUP;
        first.min(self.columns)..(first + GROUP).min(self.columns)
    }

    /// Returns the rows of tile `tile`, where tiles have `G` groups.
    pub(super) fn tile<const G: usize>(&self, tile: usize) -> &[[Line; G]] {
        self.view().tile(tile)
    }

    /// Returns all lines, for threads to write: those of a tile's row stand together, rows after each other, then tiles.
    pub(super) fn lines_mut(&mut self) -> &mut [Line] {
        &mut self.lines
    }

    /// Returns the part of row `row` that is group `group` of all columns.
    fn line(&self, row: usize, group: usize) -> &Line {
        let (tile, group) = (group / self.groups, group % self.groups);
        &self.lines[(tile * self.rows + row) * self.groups + group]
    }
}

/// A matrix in tiles that others own.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    lines: &'a [Line],
    rows: usize,
    columns: usize,
    groups: usize,
}

impl<'a> View<'a> {
    /// Copies `matrix` (`rows` × `columns`, row after row) in tiles of `width` columns, a multiple of 16 to `room`. `None` where
    /// that is too small or begins within a cache line.
    pub fn pack(
        matrix: &[f32],
        (rows, columns): (usize, usize),
        width: usize,
        room: &'a mut [f32],
    ) -> Option<Self> {
        let groups = width / GROUP;
        // SAFETY: a line is 16 numbers without padding, and any bits are numbers.
        let (before, lines, _) = unsafe { room.align_to_mut::<Line>() };
        let lines = lines.get_mut(..columns.div_ceil(width) * rows * groups)?;
        if !before.is_empty() {
            return None;
        }
        copy(Strided::whole(matrix, rows, columns), groups, lines);
        Some(View {
            lines,
            rows,
            columns,
            groups,
        })
    }

    /// Returns how many rows there are.
    pub fn rows(self) -> usize {
        self.rows
    }

    /// Returns how many columns the matrix has.
    pub fn columns(self) -> usize {
        self.columns
    }

    /// Returns how many groups of 16 columns a tile has.
    pub(super) fn groups(self) -> usize {
        self.groups
    }

    /// Returns the rows of tile `tile`, where tiles have `G` groups.
    pub(super) fn tile<const G: usize>(self, tile: usize) -> &'a [[Line; G]] {
        assert_eq!(G, self.groups, "a tile has as many groups as were asked for");
        let lines = self.rows * G;
        self.lines[tile * lines..(tile + 1) * lines].as_chunks().0
    }
}

/// Copies `matrix` in tiles of so many groups to `lines`.
fn copy(matrix: Strided<'_>, groups: usize, lines: &mut [Line]) {
    let rows = matrix.rows;
    let tiles = matrix.columns.div_ceil(groups * GROUP);
    let lines = Shared::new(lines);
    for_ranges(rows, 4 * BLOCK, |range| {
        for block in range.clone().step_by(BLOCK) {
            let block = block..(block + BLOCK).min(range.end);
            for tile in 0..tiles {
                let first = (tile * rows + block.start) * groups;
                // SAFETY: each thread has rows of its own, and these lines are the parts of those.
                let lines = unsafe { lines.part(first..first + block.len() * groups) };
                if matrix.by_column == 1 {
                    for (row, parts) in block.clone().zip(lines.chunks_exact_mut(groups)) {
                        copy_row(&matrix.from(row, 0)[..matrix.columns], tile * groups, parts);
                    }
                } else {
                    copy_columns(matrix, block.start, (tile, groups), lines);
                }
            }
        }
    });
}

/// Copies the columns of tile `tile` from row `first` on to `lines`, as many rows as those have, with zeros beyond the last
/// column.
fn copy_columns(matrix: Strided<'_>, first: usize, (tile, groups): (usize, usize), lines: &mut [Line]) {
    for at in 0..groups * GROUP {
        let (group, place) = (at / GROUP, at % GROUP);
        let column = tile * groups * GROUP + at;
        let lines = lines
            .chunks_exact_mut(groups)
            .map(|line| &mut line[group].0[place]);
        if column < matrix.columns {
            let numbers = matrix.from(first, column).iter().step_by(matrix.by_row.max(1));
            lines.zip(numbers).for_each(|(place, number)| *place = *number);
        } else {
            lines.for_each(|place| *place = 0.0);
        }
    }
}

/// Copies a row to `parts` from its group `group` on, with zeros beyond its end.
fn copy_row(row: &[f32], group: usize, parts: &mut [Line]) {
    for (part, group) in parts.iter_mut().zip(group..) {
        let rest = &row[(group * GROUP).min(row.len())..];
        match rest.first_chunk() {
            Some(whole) => part.0 = *whole,
            None => {
                part.0 = [0.0; GROUP];
                part.0[..rest.len()].copy_from_slice(rest);
            }
        }
    }
}

/// How many sums run side by side, so that additions need not wait for each other.
const CHAINS: usize = 4;

/// Returns the sum of the rows `index` of a tile, each times its weight.
#[inline(always)]
pub(super) fn weighted_sum<L: Lanes, const G: usize>(
    lanes: L,
    index: &[u32],
    weight: &[f32],
    tile: &[[Line; G]],
) -> [L::Group; G] {
    let mut sums = [[lanes.splat(0.0); G]; CHAINS];
    let (fours, rest) = index.as_chunks::<CHAINS>();
    let (weights, last) = weight.as_chunks::<CHAINS>();
    for (rows, weights) in fours.iter().zip(weights) {
        for chain in 0..CHAINS {
            add_row(
                lanes,
                &tile[rows[chain] as usize],
                weights[chain],
                &mut sums[chain],
            );
        }
    }
    for (chain, (&row, &weight)) in rest.iter().zip(last).enumerate() {
        add_row(lanes, &tile[row as usize], weight, &mut sums[chain]);
    }
    together(lanes, sums)
}

/// Returns the sum of the chains.
#[inline(always)]
fn together<L: Lanes, const G: usize>(lanes: L, sums: [[L::Group; G]; CHAINS]) -> [L::Group; G] {
    let mut total = sums[0];
    for (group, total) in total.iter_mut().enumerate() {
        let first = lanes.add(sums[0][group], sums[1][group]);
        *total = lanes.add(first, lanes.add(sums[2][group], sums[3][group]));
    }
    total
}

/// Adds a row times its weight to a sum.
#[inline(always)]
fn add_row<L: Lanes, const G: usize>(lanes: L, row: &[Line; G], weight: f32, sum: &mut [L::Group; G]) {
    let weight = lanes.splat(weight);
    for (sum, line) in sum.iter_mut().zip(row) {
        *sum = lanes.fma(weight, lanes.load(&line.0), *sum);
    }
}
