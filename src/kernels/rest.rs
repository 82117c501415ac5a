//! Sums over the tokens that latents do not have, from the few that they have.
//!
//! Which tokens a latent has is noted in bits, a word for as many tokens as stay in the first-level cache with a tile's columns
//! (as in [`zeros`](super::zeros)): what one latent after the other adds up is read from there, and its sums are in registers. Lists
//! of tokens would read the tokens from the second level, in no order.

use std::cell::Cell;
use std::ops::Range;

use super::isa::Isa;
use super::lanes::{self, Kernel, Lanes, Line};
use super::marked::Marked;
use super::strided::Strided;
use super::tiles::Tiles;
use super::zeros::{GROUPS, WIDTH, WORD, span};
use crate::native::parallel::{Shared, for_ranges};

/// How many latents are worth a thread, and are taken at a time: their sums of a tile stay in the second-level cache.
const LATENTS: usize = 512;

/// The tokens; there from one batch to the next.
#[derive(Debug, Default)]
pub struct Rest {
    tokens: Tiles,
}

impl Rest {
    /// Takes up the tokens (tokens × columns).
    pub fn take(&mut self, tokens: Strided<'_>) {
        self.tokens.pack_strided(tokens, WIDTH);
    }

    /// Writes to `sums` (latents × columns), for each latent, its factor times the sum of the tokens that it does not have, by
    /// `marked` (tokens × latents), where `all` (columns) is that of every token; to `dots` (latents) the product of this sum with the latent's row of `weight`
    /// (latents × columns); and to `counts` (latents) how many tokens these are.
    ///
    /// # Panics
    /// Panics where shapes do not agree.
    pub fn add_up(&self, marked: &Marked, all: &[f32], weight: &[f32], sums: Sums<'_>) {
        self.add_up_in(Isa::chosen(), marked, all, weight, sums);
    }

    /// Does what [`add_up`](Self::add_up) does in a set of instructions.
    pub(super) fn add_up_in(&self, isa: Isa, marked: &Marked, all: &[f32], weight: &[f32], to: Sums<'_>) {
        let (latents, columns) = (marked.columns(), self.tokens.columns());
        assert_eq!(marked.rows(), self.tokens.rows(), "there is a row for each token");
        assert_eq!(all.len(), columns, "there is one sum for each column");
        let sizes = [weight.len(), to.sums.len()];
        assert_eq!(sizes, [latents * columns; 2], "every latent has its rows");
        let sizes = [to.factor.len(), to.dots.len(), to.counts.len()];
        assert_eq!(sizes, [latents; 3], "every latent has its numbers");
        let (sums, dots) = (Shared::new(to.sums), Shared::new(to.dots));
        let counts = Shared::new(to.counts);
        for_ranges(latents, LATENTS, |range| {
            for first in range.clone().step_by(LATENTS) {
                let latents = first..(first + LATENTS).min(range.end);
                let place = latents.start * columns..latents.end * columns;
                // SAFETY: each thread has latents of its own.
                let to = unsafe {
                    Sums {
                        held: to.held,
                        factor: &to.factor[latents.clone()],
                        sums: sums.part(place.clone()),
                        dots: dots.part(latents.clone()),
                        counts: counts.part(latents.clone()),
                    }
                };
                let part = Part {
                    rest: self,
                    marked,
                    latents,
                    all,
                    weight: &weight[place],
                    to,
                };
                lanes::run(isa, part);
            }
        });
    }
}

/// Where sums go.
#[derive(Debug)]
pub struct Sums<'a> {
    /// What stands there is added to, else it means nothing.
    pub held: bool,
    /// What the sums are multiplied by, (latents).
    pub factor: &'a [f32],
    /// Of the tokens, (latents × columns).
    pub sums: &'a mut [f32],
    /// Their products with the latents' rows, (latents).
    pub dots: &'a mut [f32],
    /// How many tokens they are of, (latents).
    pub counts: &'a mut [f32],
}

/// Some latents.
struct Part<'a> {
    rest: &'a Rest,
    marked: &'a Marked,
    latents: Range<usize>,
    all: &'a [f32],
    weight: &'a [f32],
    to: Sums<'a>,
}

thread_local! {
    /// Room for the sums of some latents of a tile.
    static KEPT: Cell<Vec<[Line; GROUPS]>> = const { Cell::new(Vec::new()) };
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        let mut own = KEPT.take();
        self.count();
        self.to.dots.fill(0.0);
        for tile in 0..self.rest.tokens.tiles() {
            own.clear();
            own.resize(self.latents.len(), [Line::default(); GROUPS]);
            let tokens = self.rest.tokens.tile::<GROUPS>(tile);
            for word in 0..tokens.len().div_ceil(WORD) {
                let tokens = &tokens[span(word, tokens.len())];
                let marks = &self.marked.word(word)[self.latents.clone()];
                for (&marks, own) in marks.iter().zip(&mut own) {
                    if marks != 0 {
                        add_rows(lanes, marks, tokens, own);
                    }
                }
            }
            self.finish(lanes, tile, &own);
        }
        KEPT.set(own);
    }
}

impl Part<'_> {
    /// Writes how many tokens latents do not have.
    fn count(&mut self) {
        self.to.counts.fill(self.rest.tokens.rows() as f32);
        for word in 0..self.marked.words() {
            let marks = &self.marked.word(word)[self.latents.clone()];
            for (count, marks) in self.to.counts.iter_mut().zip(marks) {
                *count -= marks.count_ones() as f32;
            }
        }
    }

    /// Writes what is left of the sums of all tokens in tile `tile`, where those that latents have are `own`.
    #[inline(always)]
    fn finish<L: Lanes>(&mut self, lanes: L, tile: usize, own: &[[Line; GROUPS]]) {
        let columns = self.all.len();
        for (at, own) in own.iter().enumerate() {
            let sums = &mut self.to.sums[at * columns..(at + 1) * columns];
            let weight = &self.weight[at * columns..(at + 1) * columns];
            let factor = lanes.splat(self.to.factor[at]);
            for (group, own) in own.iter().enumerate() {
                let span = self.rest.tokens.span(tile, group);
                let rest = lanes.sub(lanes.load_part(&self.all[span.clone()]), lanes.load(&own.0));
                let product = lanes.mul(rest, lanes.load_part(&weight[span.clone()]));
                self.to.dots[at] += lanes.sum(product);
                let sums = &mut sums[span];
                let mut scaled = lanes.mul(rest, factor);
                if self.to.held {
                    scaled = lanes.add(scaled, lanes.load_part(sums));
                }
                lanes.store_part(scaled, sums);
            }
        }
    }
}

/// Adds the rows that are marked.
#[inline(always)]
fn add_rows<L: Lanes>(lanes: L, mut marks: u64, rows: &[[Line; GROUPS]], lines: &mut [Line; GROUPS]) {
    // Loops rather than closures, which are not compiled for the set of instructions.
    let mut sums = [lanes.splat(0.0); GROUPS];
    for (sum, line) in sums.iter_mut().zip(&*lines) {
        *sum = lanes.load(&line.0);
    }
    while marks != 0 {
        let at = marks.trailing_zeros() as usize;
        marks &= marks - 1;
        for (sum, line) in sums.iter_mut().zip(&rows[at]) {
            *sum = lanes.add(*sum, lanes.load(&line.0));
        }
    }
    for (sum, line) in sums.into_iter().zip(lines) {
        lanes.store(sum, &mut line.0);
    }
}
