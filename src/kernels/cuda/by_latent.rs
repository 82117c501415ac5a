//! Sums over the pairs of each latent, in the order of their tokens.

use super::launcher::{Argument, Grid, Launcher};
use super::pairs::Pairs;
use super::prefixes::Prefixes;
use super::rows::warps;
use crate::error::Result;
use crate::tensor::{Kind, Tensor};

use Argument::Whole;

/// Columns of a thread: the four of `scatter.cu`.
const COLUMNS: i64 = 4;

/// Tokens of a group, as in `order.cu`.
const GROUPED: i64 = 32;

/// Pairs in the order of their latents, and within a latent of their tokens.
#[derive(Debug)]
pub struct ByLatent {
    /// The places of the pairs, int64.
    order: Tensor,
    /// Where each latent's begin, and the last one's end, int64 `(S + 1)`.
    bounds: Tensor,
    /// How many pairs each latent has, float32 `(S)`.
    counts: Tensor,
    /// The token of each pair, where there is not room for equally many of each token.
    token: Option<Tensor>,
    /// How many pairs a token has room for.
    stride: i64,
}

impl ByLatent {
    /// Sorts pairs of `latents` latents, of which a token has each at most once. For the time being this takes a quarter of a
    /// byte for each token and latent.
    ///
    /// # Errors
    /// Too little memory; the device failed.
    pub fn new(launcher: &dyn Launcher, pairs: &Pairs, latents: i64) -> Result<Self> {
        let tokens = pairs.tokens();
        let groups = (tokens + GROUPED - 1) / GROUPED;
        let blocks = latents / launcher.threads() + 1;
        let empty = |size: &[i64], kind: Kind| Tensor::f_empty(size, (kind, launcher.device()));
        let cells = [groups.max(1), latents];
        let (marks, before) = (empty(&cells, Kind::Int)?, empty(&cells, Kind::Int)?);
        let sums = empty(&[blocks], Kind::Int)?;
        let made = Self {
            order: empty(&[pairs.room()], Kind::Int64)?,
            bounds: empty(&[latents + 1], Kind::Int64)?,
            counts: empty(&[latents], Kind::Float)?,
            token: pairs.places.as_ref().map(|places| places.token.shallow_clone()),
            stride: pairs.stride(),
        };
        let [listed, starts, stride] = pairs.layout()?;
        let index = Argument::of(&pairs.index, Kind::Int)?;
        let given = [index, listed, starts, stride, Whole(tokens), Whole(latents)];
        let (marks, before) = (
            Argument::of(&marks, Kind::Int)?,
            Argument::of(&before, Kind::Int)?,
        );
        let sums = Argument::of(&sums, Kind::Int)?;
        let bounds = Argument::of(&made.bounds, Kind::Int64)?;
        let counts = Argument::floats(&made.counts)?;
        let order = Argument::of(&made.order, Kind::Int64)?;
        launcher.launch(
            "mark_pairs",
            Grid::rows(groups.max(1)),
            &[&given[..], &[marks][..]].concat(),
        )?;
        let arguments = [marks, Whole(groups), Whole(latents), before, counts, sums, bounds];
        launcher.launch("count_pairs", Grid::rows(blocks), &arguments)?;
        launcher.launch(
            "bound_latents",
            Grid::rows(blocks),
            &[sums, Whole(latents), bounds],
        )?;
        let arguments = [&given[..], &[marks, before, bounds, order][..]].concat();
        launcher.launch("order_pairs", warps(launcher, tokens), &arguments)?;
        Ok(made)
    }

    /// Returns how many pairs each latent has, float32 `(S)`.
    pub fn counts(&self) -> &Tensor {
        &self.counts
    }

    /// Returns the places of the pairs in their order, and where each latent's begin.
    #[cfg(test)]
    pub(super) fn parts(&self) -> (&Tensor, &Tensor) {
        (&self.order, &self.bounds)
    }

    /// Returns how many pairs there are, int64 0-d.
    ///
    /// # Errors
    /// Too little memory.
    pub fn total(&self) -> Result<Tensor> {
        Ok(self.bounds.f_get(-1)?)
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
        let (kernel, token_of) = match &self.token {
            Some(token) => ("scatter_lists", Argument::of(token, Kind::Int)?),
            None => ("scatter_rows", Whole(self.stride)),
        };
        let arguments = [
            Argument::floats(rows)?,
            Whole(width),
            Argument::of(&self.order, Kind::Int64)?,
            Argument::of(&self.bounds, Kind::Int64)?,
            Argument::floats(weight)?,
            token_of,
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
        launcher.launch(kernel, grid, &arguments)?;
        Ok((output, weights))
    }

    /// Returns for each latent the sum of the `numbers` of its pairs, float32 `(S)`.
    ///
    /// # Errors
    /// The device failed.
    pub fn number_sums(&self, launcher: &dyn Launcher, numbers: &Tensor) -> Result<Tensor> {
        let latents = self.bounds.numel() as i64 - 1;
        let sums = Tensor::f_empty([latents], (Kind::Float, launcher.device()))?;
        let arguments = [
            Argument::floats(numbers)?,
            Argument::of(&self.order, Kind::Int64)?,
            Argument::of(&self.bounds, Kind::Int64)?,
            Whole(latents),
            Argument::floats(&sums)?,
        ];
        launcher.launch("latent_sums", warps(launcher, latents), &arguments)?;
        Ok(sums)
    }
}
