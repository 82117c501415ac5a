//! Sums over the tokens that latents do not have, from the few that they have.

use std::ops::Range;

use super::isa::Isa;
use super::lanes::{self, Kernel, Lanes};
use super::pattern::Pattern;
use super::tiles::{Tiles, plain_sum};
use crate::native::parallel::Shared;

/// How many pairs are worth a thread.
const GRAIN: usize = 1 << 12;

/// Writes to `sums` (latents × columns), for each row of `pattern` (latents × tokens, see
/// [`ByLatent`](super::by_latent::ByLatent)), the sum of the rows of `tokens` that it does not name, where `all` (columns) is
/// that of every row; and to `dots` (latents) the product of this sum with the latent's row of `weight` (latents × columns).
///
/// # Panics
/// Panics where shapes do not agree.
pub fn rest(
    pattern: Pattern,
    (tokens, all): (&Tiles, &[f32]),
    weight: &[f32],
    (sums, dots): (&mut [f32], &mut [f32]),
) {
    rest_in(Isa::chosen(), pattern, (tokens, all), weight, (sums, dots));
}

/// Does what [`rest`] does in a set of instructions.
pub(super) fn rest_in(
    isa: Isa,
    pattern: Pattern,
    (tokens, all): (&Tiles, &[f32]),
    weight: &[f32],
    (sums, dots): (&mut [f32], &mut [f32]),
) {
    let columns = tokens.columns();
    assert_eq!(tokens.rows(), pattern.width(), "there is a row for each token");
    assert_eq!(all.len(), columns, "there is one sum for each column");
    let numbers = pattern.rows() * columns;
    assert_eq!(
        (weight.len(), sums.len(), dots.len()),
        (numbers, numbers, pattern.rows()),
        "every latent has its rows and its product"
    );
    let (sums, dots) = (Shared::new(sums), Shared::new(dots));
    pattern.for_rows(GRAIN, |rows| {
        // SAFETY: each thread has latents of its own.
        let (sums, dots) = unsafe {
            let place = rows.start * columns..rows.end * columns;
            (sums.part(place), dots.part(rows.clone()))
        };
        dots.fill(0.0);
        let part = Part {
            pattern,
            rows,
            tokens,
            all,
            weight,
            sums,
            dots,
        };
        lanes::run(isa, part);
    });
}

/// The latents of one thread.
struct Part<'a> {
    pattern: Pattern<'a>,
    rows: Range<usize>,
    tokens: &'a Tiles,
    all: &'a [f32],
    weight: &'a [f32],
    sums: &'a mut [f32],
    dots: &'a mut [f32],
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        for tile in 0..self.tokens.tiles() {
            match self.tokens.groups() {
                1 => self.tile::<L, 1>(lanes, tile),
                _ => self.tile::<L, 2>(lanes, tile),
            }
        }
    }
}

impl Part<'_> {
    /// Does the columns of tile `tile`.
    #[inline(always)]
    fn tile<L: Lanes, const G: usize>(&mut self, lanes: L, tile: usize) {
        let columns = self.tokens.columns();
        let spans: [Range<usize>; G] = std::array::from_fn(|group| self.tokens.span(tile, group));
        let tokens = self.tokens.tile::<G>(tile);
        for (at, latent) in self.rows.clone().enumerate() {
            let index = &self.pattern.index()[self.pattern.row(latent)];
            let own = plain_sum(lanes, index, tokens);
            let sums = &mut self.sums[at * columns..(at + 1) * columns];
            let weight = &self.weight[latent * columns..(latent + 1) * columns];
            for (own, span) in own.into_iter().zip(&spans) {
                let rest = lanes.sub(lanes.load_part(&self.all[span.clone()]), own);
                let product = lanes.mul(rest, lanes.load_part(&weight[span.clone()]));
                self.dots[at] += lanes.sum(product);
                lanes.store_part(rest, &mut sums[span.clone()]);
            }
        }
    }
}
