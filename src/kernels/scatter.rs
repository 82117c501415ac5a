//! Gradients of weights that have one row a latent, from active pairs in the order of their latents.

use std::ops::Range;

use super::isa::Isa;
use super::lanes::{self, Kernel, Lanes};
use super::pattern::Pattern;
use super::tiles::{Tiles, weighted_sum};
use crate::native::parallel::Shared;

/// How many pairs are worth a thread.
const GRAIN: usize = 1 << 12;

/// Writes to `output` (latents × columns), for each row of `pattern` (latents × tokens, see
/// [`ByLatent`](super::by_latent::ByLatent)), the sum of the rows of `tokens` (tokens × columns) that it names, each
/// times its weight: the gradient of the decoder, where these are activations and residuals, and that of the encoder,
/// where they are gradients of pre-activations and inputs. Rows without pairs become 0.
///
/// # Panics
/// Panics where shapes do not agree.
pub fn scatter(pattern: Pattern, weight: &[f32], tokens: &Tiles, output: &mut [f32]) {
    scatter_in(Isa::chosen(), pattern, weight, tokens, output);
}

/// Does what [`scatter`] does in a set of instructions.
pub(super) fn scatter_in(isa: Isa, pattern: Pattern, weight: &[f32], tokens: &Tiles, output: &mut [f32]) {
    assert_eq!(weight.len(), pattern.pairs(), "there is one weight for each pair");
    assert_eq!(tokens.rows(), pattern.width(), "there is a row for each token");
    assert_eq!(
        output.len(),
        pattern.rows() * tokens.columns(),
        "there is a row for each latent"
    );
    let output = Shared::new(output);
    pattern.for_rows(GRAIN, |rows| {
        let columns = tokens.columns();
        // SAFETY: each thread has latents of its own.
        let output = unsafe { output.part(rows.start * columns..rows.end * columns) };
        lanes::run(
            isa,
            Part {
                pattern,
                rows,
                weight,
                tokens,
                output,
            },
        );
    });
}

/// The latents of one thread.
struct Part<'a> {
    pattern: Pattern<'a>,
    rows: Range<usize>,
    weight: &'a [f32],
    tokens: &'a Tiles,
    output: &'a mut [f32],
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
        let rows = self.tokens.tile::<G>(tile);
        for (at, row) in self.rows.clone().enumerate() {
            let pairs = self.pattern.row(row);
            let (index, weight) = (&self.pattern.index()[pairs.clone()], &self.weight[pairs]);
            let sums = weighted_sum(lanes, index, weight, rows);
            let output = &mut self.output[at * columns..(at + 1) * columns];
            for (&sum, span) in sums.iter().zip(&spans) {
                lanes.store_part(sum, &mut output[span.clone()]);
            }
        }
    }
}
