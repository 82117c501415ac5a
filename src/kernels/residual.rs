//! The errors of reconstructions and the gradients of the active latents, in one pass that stores no reconstruction.

use std::ops::Range;

use super::isa::Isa;
use super::lanes::{self, GROUP, Kernel, Lanes, Line, SUMS};
use super::pattern::Pattern;
use super::tiles::{Tiles, View, weighted_sum};
use crate::native::parallel::Shared;

/// How many pairs are worth a thread.
const GRAIN: usize = 1 << 12;

/// What the errors of a batch follow from.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The active latents of each token (tokens × latents).
    pub pattern: Pattern<'a>,
    /// Their activations, one for each pair.
    pub activation: &'a [f32],
    /// The decoder (latents × columns).
    pub decoder: View<'a>,
    /// The decoder's bias (columns).
    pub bias: &'a [f32],
    /// What should come out (tokens × columns), in tiles as wide as the decoder's.
    pub label: &'a Tiles,
    /// The factor of each token's errors (tokens).
    pub scale: &'a [f32],
}

/// Where the errors of a batch go.
#[derive(Debug)]
pub struct Errors<'a> {
    /// For each token `scale · (reconstruction − label)` (tokens × columns); takes the label's shape.
    pub residual: &'a mut Tiles,
    /// For each token the sum of the squares of `reconstruction − label` (tokens).
    pub squared: &'a mut [f64],
    /// For each pair the product of the token's residual with the latent's row of the decoder, if wanted: the gradient
    /// of the activation, where the residual is that of the reconstruction.
    pub dots: Option<&'a mut [f32]>,
}

/// Computes the errors of a batch, and on request the gradients of its activations, without storing reconstructions.
///
/// # Panics
/// Panics where shapes do not agree.
pub fn residual(batch: Batch, errors: Errors) {
    residual_in(Isa::chosen(), batch, errors);
}

/// Does what [`residual`] does in a set of instructions.
pub(super) fn residual_in(isa: Isa, batch: Batch, errors: Errors) {
    batch.check();
    let Errors {
        residual,
        squared,
        dots,
    } = errors;
    residual.reshape(
        batch.label.rows(),
        batch.label.columns(),
        batch.label.groups() * GROUP,
    );
    assert_eq!(
        squared.len(),
        batch.pattern.rows(),
        "there is one squared error for each token"
    );
    let whole = dots
        .as_ref()
        .is_none_or(|dots| dots.len() == batch.pattern.pairs());
    assert!(whole, "there is one product for each pair");
    let (residual, squared) = (Shared::new(residual.lines_mut()), Shared::new(squared));
    let dots = dots.map(Shared::new);
    batch.pattern.for_rows(GRAIN, |tokens| {
        let part = Part {
            batch: &batch,
            tokens,
            residual: &residual,
            squared: &squared,
            dots: dots.as_ref(),
        };
        lanes::run(isa, part);
    });
}

impl Batch<'_> {
    /// Checks that shapes agree.
    fn check(&self) {
        let tokens = self.pattern.rows();
        assert_eq!(
            self.activation.len(),
            self.pattern.pairs(),
            "there is one activation for each pair"
        );
        assert_eq!(
            self.decoder.rows(),
            self.pattern.width(),
            "the decoder has a row for each latent"
        );
        assert_eq!(self.label.rows(), tokens, "there is a label for each token");
        assert_eq!(
            self.label.columns(),
            self.decoder.columns(),
            "labels are as wide as the decoder"
        );
        assert_eq!(
            self.label.groups(),
            self.decoder.groups(),
            "tiles are equally wide"
        );
        assert_eq!(
            self.bias.len(),
            self.decoder.columns(),
            "the bias is as wide as the decoder"
        );
        assert_eq!(self.scale.len(), tokens, "there is a scale for each token");
    }
}

/// The tokens of one thread.
struct Part<'a> {
    batch: &'a Batch<'a>,
    tokens: Range<usize>,
    residual: &'a Shared<'a, Line>,
    squared: &'a Shared<'a, f64>,
    dots: Option<&'a Shared<'a, f32>>,
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        // SAFETY: each thread has tokens of its own.
        unsafe { self.squared.part(self.tokens.clone()) }.fill(0.0);
        if let Some(dots) = self.dots {
            // SAFETY: each thread has tokens, and so pairs, of its own.
            unsafe { dots.part(self.pairs()) }.fill(0.0);
        }
        for tile in 0..self.batch.label.tiles() {
            match self.batch.label.groups() {
                1 => self.tile::<L, 1>(lanes, tile),
                _ => self.tile::<L, 2>(lanes, tile),
            }
        }
    }
}

impl Part<'_> {
    /// Returns the pairs of this part's tokens.
    fn pairs(&self) -> Range<usize> {
        let offsets = self.batch.pattern.offsets();
        offsets[self.tokens.start]..offsets[self.tokens.end]
    }

    /// Does the columns of tile `tile`.
    #[inline(always)]
    fn tile<L: Lanes, const G: usize>(&self, lanes: L, tile: usize) {
        let Batch {
            pattern,
            activation,
            decoder,
            bias,
            label,
            scale,
        } = *self.batch;
        let spans: [Range<usize>; G] = std::array::from_fn(|group| label.span(tile, group));
        let bias: [L::Group; G] = std::array::from_fn(|group| lanes.load_part(&bias[spans[group].clone()]));
        let (decoder, labels) = (decoder.tile::<G>(tile), label.tile::<G>(tile));
        // SAFETY: each thread has tokens of its own.
        let squared = unsafe { self.squared.part(self.tokens.clone()) };
        for (token, squared) in self.tokens.clone().zip(squared) {
            let pairs = pattern.row(token);
            let (index, weight) = (&pattern.index()[pairs.clone()], &activation[pairs.clone()]);
            let mut error = weighted_sum(lanes, index, weight, decoder);
            let mut squares = lanes.splat(0.0);
            let first = (tile * label.rows() + token) * G;
            // SAFETY: each thread has tokens of its own, and these are the parts of one.
            let residual = unsafe { self.residual.part(first..first + G) };
            for group in 0..G {
                let whole = lanes.add(error[group], bias[group]);
                let difference = lanes.sub(whole, lanes.load(&labels[token][group].0));
                let difference = lanes.keep(difference, spans[group].len());
                squares = lanes.fma(difference, difference, squares);
                error[group] = lanes.mul(difference, lanes.splat(scale[token]));
                lanes.store(error[group], &mut residual[group].0);
            }
            *squared += f64::from(lanes.sum(squares));
            if let Some(dots) = self.dots {
                // SAFETY: each thread has tokens, and so pairs, of its own.
                add_dots(lanes, &error, index, decoder, unsafe { dots.part(pairs) });
            }
        }
    }
}

/// Adds to each of `dots` the product of `error` with the row of a tile that `index` names.
#[inline(always)]
fn add_dots<L: Lanes, const G: usize>(
    lanes: L,
    error: &[L::Group; G],
    index: &[u32],
    tile: &[[Line; G]],
    dots: &mut [f32],
) {
    let (eights, rest) = index.as_chunks::<SUMS>();
    let (sums, last) = dots.as_chunks_mut::<SUMS>();
    for (rows, sums) in eights.iter().zip(sums) {
        lanes.add_sums(products(lanes, error, rows, tile), sums);
    }
    if let Some(end) = rest.len().checked_sub(1) {
        let mut rows = [rest[end]; SUMS];
        rows[..=end].copy_from_slice(rest);
        let mut sums = [0.0; SUMS];
        sums[..=end].copy_from_slice(last);
        lanes.add_sums(products(lanes, error, &rows, tile), &mut sums);
        last.copy_from_slice(&sums[..=end]);
    }
}

/// Returns the products of an error with the rows of a tile that `index` names, each summed over groups.
#[inline(always)]
fn products<L: Lanes, const G: usize>(
    lanes: L,
    error: &[L::Group; G],
    index: &[u32; SUMS],
    tile: &[[Line; G]],
) -> [L::Group; SUMS] {
    let mut products = [lanes.splat(0.0); SUMS];
    for (product, &row) in products.iter_mut().zip(index) {
        let row = &tile[row as usize];
        *product = lanes.mul(error[0], lanes.load(&row[0].0));
        for group in 1..G {
            *product = lanes.fma(error[group], lanes.load(&row[group].0), *product);
        }
    }
    products
}
