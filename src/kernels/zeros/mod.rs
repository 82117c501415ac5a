//! Products with matrices of which many numbers are 0, which are passed over: [`multiply`], [`multiply_turned`] and, for the
//! places of such a matrix that are not 0, [`dots()`].
//!
//! What such a matrix is multiplied with stands in tiles ([`Tiles`](super::tiles::Tiles)) of [`WIDTH`] columns. Of a tile, so
//! many rows are taken at a time as a word has bits: they stay in the first-level cache, while for one row of what comes out
//! after the other the tile's numbers are in registers. What is multiplied is read from the cache as fast as it can be, so that a
//! product takes the time that it would without zeros, times the part that is not 0, and what begins and ends each word.

mod block;
mod dots;
mod product;
#[cfg(test)]
mod tests;

use super::lanes::GROUP;

pub use block::Matrix;
pub(super) use block::span;
pub use dots::dots;
pub use product::{multiply, multiply_turned};

/// How many groups of numbers a row of a tile has: with AVX2, sums of so many leave four registers.
pub(super) const GROUPS: usize = 6;

/// How many columns the tiles have that go into these products.
pub const WIDTH: usize = GROUPS * GROUP;

/// How many numbers a word of bits speaks of.
pub(super) const WORD: usize = 64;
