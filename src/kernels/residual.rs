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
    /// The first and the last token, exclusive, whose errors are asked for; what there is of others stays as it is.
    pub tokens: (usize, usize),
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
    /// The prefixes of the latents that reconstruct, from the shortest to all.
    pub prefixes: &'a [Prefix],
}

/// The first so many latents, which reconstruct by themselves.
#[derive(Clone, Copy, Debug)]
pub struct Prefix {
    /// How many they are.
    pub latents: u32,
    /// A further factor of their errors.
    pub weight: f32,
}

/// Where the errors of a batch go.
#[derive(Debug)]
pub struct Errors<'a> {
    /// For each prefix and token the sum of `weight · scale · (reconstruction − label)` over this prefix and the longer ones
    /// (tokens × columns): what the latents of this prefix that are not of the one before it are to blame for. Each takes
    /// the label's shape.
    pub residual: &'a mut [Tiles],
    /// For each prefix, for each token, the sum of the squares of `reconstruction − label` (prefixes × tokens).
    pub squared: &'a mut [f64],
    /// For each pair the product of the token's residual, of the shortest prefix with this latent, with the latent's row of
    /// the decoder, if wanted: the gradient of the activation, where the residual is that of the reconstruction.
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
    let prefixes = batch.prefixes.len();
    assert_eq!(residual.len(), prefixes, "each prefix has its residuals");
    assert_eq!(
        squared.len(),
        prefixes * batch.pattern.rows(),
        "there is one squared error for each prefix and token"
    );
    let whole = dots
        .as_ref()
        .is_none_or(|dots| dots.len() == batch.pattern.pairs());
    assert!(whole, "there is one product for each pair");
    let label = batch.label;
    let residual: Vec<Shared<'_, Line>> = residual
        .iter_mut()
        .map(|tiles| {
            tiles.reshape(label.rows(), label.columns(), label.groups() * GROUP);
            Shared::new(tiles.lines_mut())
        })
        .collect();
    let squared = Shared::new(squared);
    let dots = dots.map(Shared::new);
    let (first, end) = batch.tokens;
    batch.pattern.for_rows_of(first..end, GRAIN, |tokens| {
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
        let last = self.prefixes.last().map(|prefix| prefix.latents as usize);
        assert_eq!(last, Some(self.pattern.width()), "the last prefix is all latents");
    }
}

/// The tokens of one thread.
struct Part<'a> {
    batch: &'a Batch<'a>,
    tokens: Range<usize>,
    residual: &'a [Shared<'a, Line>],
    squared: &'a Shared<'a, f64>,
    dots: Option<&'a Shared<'a, f32>>,
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        for prefix in 0..self.residual.len() {
            // SAFETY: each thread has tokens of its own.
            unsafe { self.squared.part(self.squares(prefix)) }.fill(0.0);
        }
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

    /// Returns where the squared errors of its tokens by a prefix stand.
    fn squares(&self, prefix: usize) -> Range<usize> {
        let first = prefix * self.batch.pattern.rows();
        first + self.tokens.start..first + self.tokens.end
    }

    /// Returns which of a token's `pairs` are of a prefix, but not of the one before it.
    #[inline(always)]
    fn group(&self, pairs: &Range<usize>, prefix: usize) -> Range<usize> {
        let Batch {
            pattern, prefixes, ..
        } = *self.batch;
        let index = &pattern.index()[pairs.clone()];
        // The latents of a token ascend.
        let before = |end: u32| pairs.start + index.partition_point(|&latent| latent < end);
        let start = match prefix {
            0 => pairs.start,
            _ => before(prefixes[prefix - 1].latents),
        };
        let end = if prefix + 1 == prefixes.len() {
            pairs.end
        } else {
            before(prefixes[prefix].latents)
        };
        start..end
    }

    /// Does the columns of tile `tile`.
    #[inline(always)]
    fn tile<L: Lanes, const G: usize>(&self, lanes: L, tile: usize) {
        let Batch {
            pattern,
            decoder,
            bias,
            label,
            ..
        } = *self.batch;
        let bias: [L::Group; G] =
            std::array::from_fn(|group| lanes.load_part(&bias[label.span(tile, group)]));
        let decoder = decoder.tile::<G>(tile);
        for token in self.tokens.clone() {
            let pairs = pattern.row(token);
            self.decode(lanes, (tile, token), &pairs, (bias, decoder));
            let mut error = [lanes.splat(0.0); G];
            for prefix in (0..self.residual.len()).rev() {
                // SAFETY: each thread has tokens of its own, and these are the parts of one.
                let residual = unsafe { self.residual[prefix].part(self.lines::<G>(tile, token)) };
                let is_last = prefix + 1 == self.residual.len();
                for (error, line) in error.iter_mut().zip(residual) {
                    let own = lanes.load(&line.0);
                    if is_last {
                        *error = own;
                    } else {
                        *error = lanes.add(own, *error);
                        lanes.store(*error, &mut line.0);
                    }
                }
                if let Some(dots) = self.dots {
                    let group = self.group(&pairs, prefix);
                    let index = &pattern.index()[group.clone()];
                    // SAFETY: each thread has tokens, and so pairs, of its own.
                    add_dots(lanes, &error, index, decoder, unsafe { dots.part(group) });
                }
            }
        }
    }

    /// Returns where the parts of a token's residual stand.
    fn lines<const G: usize>(&self, tile: usize, token: usize) -> Range<usize> {
        let first = (tile * self.batch.label.rows() + token) * G;
        first..first + G
    }

    /// Decodes a token by one prefix after the other, and writes the error of each.
    #[inline(always)]
    fn decode<L: Lanes, const G: usize>(
        &self,
        lanes: L,
        (tile, token): (usize, usize),
        pairs: &Range<usize>,
        (bias, decoder): ([L::Group; G], &[[Line; G]]),
    ) {
        let Batch {
            pattern,
            activation,
            label,
            scale,
            prefixes,
            ..
        } = *self.batch;
        let labels = &label.tile::<G>(tile)[token];
        let mut whole = bias;
        for (prefix, Prefix { weight, .. }) in prefixes.iter().enumerate() {
            let group = self.group(pairs, prefix);
            let (index, activation) = (&pattern.index()[group.clone()], &activation[group]);
            let sums = weighted_sum(lanes, index, activation, decoder);
            let factor = lanes.splat(scale[token] * weight);
            let mut squares = lanes.splat(0.0);
            // SAFETY: each thread has tokens of its own, and these are the parts of one.
            let residual = unsafe { self.residual[prefix].part(self.lines::<G>(tile, token)) };
            for part in 0..G {
                whole[part] = lanes.add(sums[part], whole[part]);
                let difference = lanes.sub(whole[part], lanes.load(&labels[part].0));
                let difference = lanes.keep(difference, label.span(tile, part).len());
                squares = lanes.fma(difference, difference, squares);
                lanes.store(lanes.mul(difference, factor), &mut residual[part].0);
            }
            let place = prefix * pattern.rows() + token;
            // SAFETY: each thread has tokens of its own.
            let squared = unsafe { self.squared.part(place..place + 1) };
            squared[0] += f64::from(lanes.sum(squares));
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
