//! Reconstructions from the active latents, row by row.

use std::ops::Range;

use super::isa::Isa;
use super::lanes::{self, GROUP, Kernel, Lanes};
use super::pattern::Pattern;
use crate::native::parallel::Shared;

/// How many pairs are worth a thread.
const GRAIN: usize = 1 << 12;

/// How many rows are added to a reconstruction at a time.
const ROWS: usize = 4;

/// Writes reconstructions to `output` (tokens × columns): `bias` (columns) plus, for each active latent, its activation
/// times its row of `decoder` (latents × columns). For single batches, where it is not worth while to cut the decoder
/// into tiles.
///
/// # Panics
/// Panics where shapes do not agree.
pub fn decode(pattern: Pattern, activation: &[f32], decoder: &[f32], bias: &[f32], output: &mut [f32]) {
    decode_in(Isa::chosen(), pattern, activation, decoder, bias, output);
}

/// Does what [`decode`] does in a set of instructions.
pub(super) fn decode_in(
    isa: Isa,
    pattern: Pattern,
    activation: &[f32],
    decoder: &[f32],
    bias: &[f32],
    output: &mut [f32],
) {
    let columns = bias.len();
    assert_eq!(
        activation.len(),
        pattern.pairs(),
        "there is one activation for each pair"
    );
    assert_eq!(
        decoder.len(),
        pattern.width() * columns,
        "the decoder has a row for each latent"
    );
    assert_eq!(
        output.len(),
        pattern.rows() * columns,
        "there is a reconstruction for each token"
    );
    let output = Shared::new(output);
    pattern.for_rows(GRAIN, |tokens| {
        // SAFETY: each thread has tokens of its own.
        let output = unsafe { output.part(tokens.start * columns..tokens.end * columns) };
        lanes::run(
            isa,
            Rows {
                pattern,
                tokens,
                activation,
                decoder,
                bias,
                output,
            },
        );
    });
}

/// The reconstructions of one thread.
struct Rows<'a> {
    pattern: Pattern<'a>,
    tokens: Range<usize>,
    activation: &'a [f32],
    decoder: &'a [f32],
    bias: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let columns = self.bias.len();
        let row = |latent: u32| &self.decoder[latent as usize * columns..][..columns];
        for (at, token) in self.tokens.enumerate() {
            let output = &mut self.output[at * columns..(at + 1) * columns];
            output.copy_from_slice(self.bias);
            let pairs = self.pattern.row(token);
            let (fours, rest) = self.pattern.index()[pairs.clone()].as_chunks::<ROWS>();
            let (weights, last) = self.activation[pairs].as_chunks::<ROWS>();
            for (&[a, b, c, d], weights) in fours.iter().zip(weights) {
                add_rows(lanes, [row(a), row(b), row(c), row(d)], weights, output);
            }
            for (&latent, &weight) in rest.iter().zip(last) {
                add_rows(lanes, [row(latent)], &[weight], output);
            }
        }
    }
}

/// Adds rows, each times its weight, to `output`, which is as long.
#[inline(always)]
fn add_rows<L: Lanes, const N: usize>(lanes: L, rows: [&[f32]; N], weights: &[f32; N], output: &mut [f32]) {
    let (groups, last) = output.as_chunks_mut::<GROUP>();
    let mut wholes = [&[][..]; N];
    for (whole, row) in wholes.iter_mut().zip(rows) {
        *whole = &row.as_chunks::<GROUP>().0[..groups.len()];
    }
    for (group, output) in groups.iter_mut().enumerate() {
        let mut sum = lanes.load(output);
        for (whole, &weight) in wholes.iter().zip(weights) {
            sum = lanes.fma(lanes.splat(weight), lanes.load(&whole[group]), sum);
        }
        lanes.store(sum, output);
    }
    if !last.is_empty() {
        let mut sum = lanes.load_part(last);
        for (row, &weight) in rows.iter().zip(weights) {
            sum = lanes.fma(
                lanes.splat(weight),
                lanes.load_part(&row[groups.len() * GROUP..]),
                sum,
            );
        }
        lanes.store_part(sum, last);
    }
}
