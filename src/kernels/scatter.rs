//! Gradients of weights that have one row a latent, from active pairs in the order of their latents.

use std::ops::Range;

use super::isa::Isa;
use super::lanes::{self, Kernel, Lanes};
use super::pattern::Pattern;
use super::tiles::{Tiles, weighted_sum};
use crate::native::parallel::Shared;

/// How many pairs are worth a thread.
const GRAIN: usize = 1 << 12;

/// What some latents add up rows of.
#[derive(Clone, Copy, Debug)]
pub struct Addends<'a> {
    /// The latents are those below this one, as far as no addends before are theirs.
    pub end: usize,
    /// The rows (tokens × columns).
    pub tokens: &'a Tiles,
}

/// What the sums of rows are added to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Onto<'a> {
    /// What stands in the output too, else that means nothing.
    pub held: bool,
    /// What is given.
    pub given: Given<'a>,
}

/// Rows that sums of rows are added to.
#[derive(Clone, Copy, Debug, Default)]
pub enum Given<'a> {
    /// None.
    #[default]
    Nothing,
    /// The rows of a matrix (latents × columns), each times its factor (latents).
    Rows(&'a [f32], &'a [f32]),
    /// One row (columns) for all latents, times the factor of each (latents).
    Row(&'a [f32], &'a [f32]),
}

/// Writes to `output` (latents × columns), for each row of `pattern` (latents × tokens, see
/// [`ByLatent`](super::by_latent::ByLatent)), the sum of the rows of its `addends` that it names, each times its weight, and
/// what these are added `onto`: the gradient of the decoder, where they are activations and residuals, and that of the encoder,
/// where they are gradients of pre-activations and inputs.
///
/// # Panics
/// Panics where shapes do not agree.
pub fn scatter(
    pattern: Pattern,
    weight: &[f32],
    addends: &[Addends<'_>],
    onto: Onto<'_>,
    output: &mut [f32],
) {
    scatter_in(Isa::chosen(), pattern, weight, addends, onto, output);
}

/// Does what [`scatter`] does in a set of instructions.
pub(super) fn scatter_in(
    isa: Isa,
    pattern: Pattern,
    weight: &[f32],
    addends: &[Addends<'_>],
    onto: Onto<'_>,
    output: &mut [f32],
) {
    assert_eq!(weight.len(), pattern.pairs(), "there is one weight for each pair");
    let last = addends.last().expect("there are addends");
    assert_eq!(last.end, pattern.rows(), "every latent has addends");
    let (columns, groups) = (last.tokens.columns(), last.tokens.groups());
    for Addends { tokens, .. } in addends {
        assert_eq!(tokens.rows(), pattern.width(), "there is a row for each token");
        let shape = (tokens.columns(), tokens.groups());
        assert_eq!(shape, (columns, groups), "all are equally wide");
    }
    assert_eq!(
        output.len(),
        pattern.rows() * columns,
        "there is a row for each latent"
    );
    match onto.given {
        Given::Nothing => {}
        Given::Rows(factor, rows) => {
            assert_eq!((factor.len(), rows.len()), (pattern.rows(), output.len()));
        }
        Given::Row(factor, row) => assert_eq!((factor.len(), row.len()), (pattern.rows(), columns)),
    }
    let output = Shared::new(output);
    pattern.for_rows(GRAIN, |rows| {
        // SAFETY: each thread has latents of its own.
        let output = unsafe { output.part(rows.start * columns..rows.end * columns) };
        lanes::run(
            isa,
            Part {
                pattern,
                rows,
                weight,
                addends,
                onto,
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
    addends: &'a [Addends<'a>],
    onto: Onto<'a>,
    output: &'a mut [f32],
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        let mut start = 0;
        for &Addends { end, tokens } in self.addends {
            let latents = start.max(self.rows.start)..end.min(self.rows.end);
            start = end;
            for tile in 0..tokens.tiles() {
                match tokens.groups() {
                    1 => self.tile::<L, 1>(lanes, tile, (tokens, latents.clone())),
                    _ => self.tile::<L, 2>(lanes, tile, (tokens, latents.clone())),
                }
            }
        }
    }
}

impl Part<'_> {
    /// Does the columns of tile `tile` for some latents.
    #[inline(always)]
    fn tile<L: Lanes, const G: usize>(
        &mut self,
        lanes: L,
        tile: usize,
        (tokens, latents): (&Tiles, Range<usize>),
    ) {
        let columns = tokens.columns();
        let spans: [Range<usize>; G] = std::array::from_fn(|group| tokens.span(tile, group));
        let rows = tokens.tile::<G>(tile);
        for latent in latents {
            let at = latent - self.rows.start;
            let pairs = self.pattern.row(latent);
            let (index, weight) = (&self.pattern.index()[pairs.clone()], &self.weight[pairs]);
            let sums = weighted_sum(lanes, index, weight, rows);
            let output = &mut self.output[at * columns..(at + 1) * columns];
            for (&sum, span) in sums.iter().zip(&spans) {
                let place = latent * columns + span.start..latent * columns + span.end;
                let output = &mut output[span.clone()];
                let mut sum = match self.onto.given {
                    Given::Nothing => sum,
                    Given::Rows(factor, rows) => {
                        lanes.fma(lanes.splat(factor[latent]), lanes.load_part(&rows[place]), sum)
                    }
                    Given::Row(factor, row) => {
                        let row = lanes.load_part(&row[span.clone()]);
                        lanes.fma(lanes.splat(factor[latent]), row, sum)
                    }
                };
                if self.onto.held {
                    sum = lanes.add(sum, lanes.load_part(output));
                }
                lanes.store_part(sum, output);
            }
        }
    }
}
