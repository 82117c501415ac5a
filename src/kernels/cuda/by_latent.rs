//! Sums over the pairs of each latent, in the order of their tokens.

use super::decode::Prefixes;
use super::encode::Pairs;
use super::launcher::{Argument, Grid, Launcher};
use crate::error::Result;
use crate::tensor::{Kind, Tensor};

use Argument::Whole;

/// Columns of a thread: the four of `scatter.cu`.
const COLUMNS: i64 = 4;

/// Pairs in the order of their latents, and within a latent of their tokens.
pub struct ByLatent {
    /// The places of the pairs, int64.
    order: Tensor,
    /// Where each latent's begin, and the last one's end, int64 `(S + 1)`.
    bounds: Tensor,
    /// How many pairs a token has room for.
    stride: i64,
}

impl ByLatent {
    /// Sorts pairs of `latents` latents. libtorch's stable sort has one result.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new(pairs: &Pairs, latents: i64) -> Result<Self> {
        // Numbers of two bytes are sorted in half the time.
        let kind = if latents < i64::from(i16::MAX) {
            Kind::Int16
        } else {
            Kind::Int
        };
        let index = pairs.index.f_view([-1])?.f_to_kind(kind)?;
        let (sorted, order) = index.f_sort_stable(true, 0, false)?;
        let all = Tensor::f_arange(latents + 1, (kind, pairs.index.device()))?;
        Ok(Self {
            order,
            bounds: all.f_searchsorted(&sorted, false, false, "left", None::<Tensor>)?,
            stride: pairs.shape().1,
        })
    }

    /// Returns how many pairs each latent has, float32 `(S)`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn counts(&self) -> Result<Tensor> {
        Ok(self
            .bounds
            .f_diff(1, 0, None::<Tensor>, None::<Tensor>)?
            .f_to_kind(Kind::Float)?)
    }

    /// Returns for each latent the sum of the rows of its tokens `(T, d)`, each times the weight of the pair, `(S, d)`, and
    /// the sum of the weights, `(S)`. With prefixes the rows are `(n, T, d)`, and each latent has those of the shortest
    /// prefix that it is in.
    ///
    /// # Errors
    /// The device failed.
    pub fn sums(
        &self,
        launcher: &dyn Launcher,
        rows: &Tensor,
        weight: &Tensor,
        prefixes: Option<&Prefixes>,
    ) -> Result<(Tensor, Tensor)> {
        let size = rows.size();
        let [.., tokens, width] = size[..] else {
            return Ok((rows.f_zeros_like()?, rows.f_zeros_like()?));
        };
        let latents = self.bounds.numel() as i64 - 1;
        let options = (Kind::Float, launcher.device());
        let output = Tensor::f_empty([latents, width], options)?;
        let weights = Tensor::f_empty([latents], options)?;
        let arguments = [
            Argument::floats(rows)?,
            Whole(width),
            Argument::of(&self.order, Kind::Int64)?,
            Argument::of(&self.bounds, Kind::Int64)?,
            Argument::floats(weight)?,
            Whole(self.stride),
            match prefixes.and_then(Prefixes::ends) {
                Some(ends) => Argument::of(ends, Kind::Int64)?,
                None => Argument::floats(None)?,
            },
            Whole(tokens * width),
            Argument::floats(&output)?,
            Argument::floats(&weights)?,
        ];
        let columns = launcher.threads() * COLUMNS;
        let grid = Grid::shared(latents, (width + columns - 1) / columns);
        launcher.launch("scatter_rows", grid, &arguments)?;
        Ok((output, weights))
    }
}
