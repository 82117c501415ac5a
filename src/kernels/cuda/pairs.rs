//! Pairs of a token and a latent, and what is computed of all of them.

use super::launcher::{Argument, Grid, Launcher};
use super::prefixes::Prefixes;
use super::rows::warps;
use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, Tensor};

use Argument::Whole;

/// Pairs that a block of the kernel that multiplies them is worth.
const PAIRS: i64 = 64;

/// Pairs of a token and a latent, token by token, latents ascending: with room for equally many of each token, `(T, k)`, or
/// one after the other, `(n)`. Places that are left over hold the number of latents and 0.
#[derive(Debug)]
pub struct Pairs {
    /// The latents, int32.
    pub index: Tensor,
    /// A number of each, float32: their pre-activations, not multiplied with the factor, or their activations.
    pub value: Tensor,
    /// How many there are of each token, int32 `(T)`.
    pub listed: Tensor,
    /// Where they are, where there is not room for equally many of each token.
    pub places: Option<Places>,
}

/// Where pairs are that lie one after the other.
#[derive(Debug)]
pub struct Places {
    /// Where those of each token begin, and the last one's end, int32 `(T + 1)`.
    pub starts: Tensor,
    /// The token of each, int32 `(n)`.
    pub token: Tensor,
}

impl Pairs {
    /// Returns room for `k` pairs of each of `tokens` tokens.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn with_room(tokens: i64, k: i64, device: Device) -> Result<Self> {
        Ok(Self {
            index: Tensor::f_empty([tokens, k], (Kind::Int, device))?,
            value: Tensor::f_empty([tokens, k], (Kind::Float, device))?,
            listed: Tensor::f_empty([tokens], (Kind::Int, device))?,
            places: None,
        })
    }

    /// Returns room for `count` pairs of `tokens` tokens one after the other.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn in_a_row(tokens: i64, count: i64, device: Device) -> Result<Self> {
        let whole = |size: i64| Tensor::f_empty([size], (Kind::Int, device));
        Ok(Self {
            index: whole(count)?,
            value: Tensor::f_empty([count], (Kind::Float, device))?,
            listed: whole(tokens)?,
            places: Some(Places {
                starts: whole(tokens + 1)?,
                token: whole(count)?,
            }),
        })
    }

    /// Returns room for `count` pairs one after the other, of which each token has as many as `listed`, int32 `(T)`, says,
    /// from its place in `starts`, int32 `(T + 1)`, on.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn listed(listed: &Tensor, starts: &Tensor, count: i64, device: Device) -> Result<Self> {
        // A place that is left over, so that none is null.
        let mut pairs = Self::in_a_row(0, count.max(1), device)?;
        pairs.listed = listed.shallow_clone();
        if let Some(places) = &mut pairs.places {
            places.starts = starts.shallow_clone();
        }
        Ok(pairs)
    }

    /// Becomes no pairs of any of `latents` latents.
    ///
    /// # Errors
    /// The device failed.
    pub(super) fn clear(&self, latents: i64) -> Result<()> {
        let _ = self.index.shallow_clone().f_fill_(latents)?;
        let _ = self.value.shallow_clone().f_zero_()?;
        let _ = self.listed.shallow_clone().f_zero_()?;
        if let Some(places) = &self.places {
            let _ = places.starts.shallow_clone().f_zero_()?;
            let _ = places.token.shallow_clone().f_zero_()?;
        }
        Ok(())
    }

    /// Returns how many tokens there are.
    pub fn tokens(&self) -> i64 {
        self.listed.numel() as i64
    }

    /// Returns for how many pairs there is room.
    pub fn room(&self) -> i64 {
        self.index.numel() as i64
    }

    /// Returns how many pairs each token has room for, 0 where they lie one after the other.
    pub(super) fn stride(&self) -> i64 {
        match self.places {
            Some(_) => 0,
            None => self.index.size().last().copied().unwrap_or(0),
        }
    }

    /// Returns the same pairs with other numbers.
    ///
    /// # Errors
    /// None.
    pub fn with_values(&self, value: &Tensor) -> Result<Self> {
        Ok(Self {
            index: self.index.shallow_clone(),
            value: value.f_view(self.index.size().as_slice())?,
            listed: self.listed.shallow_clone(),
            places: self.places.as_ref().map(|places| Places {
                starts: places.starts.shallow_clone(),
                token: places.token.shallow_clone(),
            }),
        })
    }

    /// Returns the rows from `start` on, in the same memory.
    ///
    /// # Errors
    /// There are not so many.
    pub(super) fn rows(&self, start: i64, rows: i64) -> Result<Self> {
        let listed = self.listed.f_narrow(0, start, rows)?;
        let places = match &self.places {
            Some(places) => Some(Places {
                starts: places.starts.f_narrow(0, start, rows + 1)?,
                token: places.token.shallow_clone(),
            }),
            None => None,
        };
        let part = |x: &Tensor| match places {
            Some(_) => Ok(x.shallow_clone()),
            None => x.f_narrow(0, start, rows),
        };
        Ok(Self {
            index: part(&self.index)?,
            value: part(&self.value)?,
            listed,
            places,
        })
    }

    /// Returns what kernels are told of where the pairs of each token are: how many, where they begin, for how many there is
    /// room.
    ///
    /// # Errors
    /// Tensors that are not of their dtypes.
    pub(super) fn layout(&self) -> Result<[Argument<'_>; 3]> {
        Ok([
            Argument::of(&self.listed, Kind::Int)?,
            match &self.places {
                Some(places) => Argument::of(&places.starts, Kind::Int)?,
                None => Argument::floats(None)?,
            },
            Whole(self.stride()),
        ])
    }

    /// Returns where kernels write pairs that lie one after the other: latents, numbers, tokens.
    ///
    /// # Errors
    /// They do not.
    pub(super) fn columns(&self) -> Result<[Argument<'_>; 3]> {
        Ok([
            Argument::of(&self.index, Kind::Int)?,
            Argument::floats(&self.value)?,
            Argument::of(&self.in_places()?.token, Kind::Int)?,
        ])
    }

    /// Returns where pairs that lie one after the other begin, and the last one's end, int32 `(T + 1)`.
    ///
    /// # Errors
    /// They do not.
    pub(super) fn starts(&self) -> Result<&Tensor> {
        Ok(&self.in_places()?.starts)
    }

    fn in_places(&self) -> Result<&Places> {
        let places = self.places.as_ref();
        places.ok_or_else(|| Error::run("these pairs have room for equally many of each token"))
    }

    /// Returns the token of each pair, int64 `(n)`.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn token(&self) -> Result<Tensor> {
        if let Some(places) = &self.places {
            return Ok(places.token.f_to_kind(Kind::Int64)?);
        }
        let all = Tensor::f_arange(self.room(), (Kind::Int64, self.index.device()))?;
        Ok(all.f_floor_divide_scalar(self.stride().max(1))?)
    }

    /// Returns the sum of the `numbers` of the pairs of each token, float32 `(T)`.
    ///
    /// # Errors
    /// The device failed.
    pub fn sums_by_token(&self, launcher: &dyn Launcher, numbers: &Tensor) -> Result<Tensor> {
        let sums = Tensor::f_empty([self.tokens()], (Kind::Float, launcher.device()))?;
        let [listed, starts, stride] = self.layout()?;
        let arguments = [
            Argument::floats(numbers)?,
            listed,
            starts,
            stride,
            Whole(self.tokens()),
            Argument::floats(&sums)?,
        ];
        launcher.launch("token_sums", warps(launcher, self.tokens()), &arguments)?;
        Ok(sums)
    }
}

/// Sets the values of `pairs` to the products of their rows `x (T, d)`, or `(n, T, d)` for the groups of latents that
/// `prefixes` add, with those of their latents `(S, d)`, and adds the latents' biases. Pairs whose latent is -1 get 0.
///
/// # Errors
/// The device failed.
pub(super) fn products(
    launcher: &dyn Launcher,
    x: &Tensor,
    latents: &Tensor,
    bias: Option<&Tensor>,
    pairs: &Pairs,
    prefixes: Option<&Prefixes>,
) -> Result<()> {
    let (rows, width) = (pairs.tokens(), latents.size()[1]);
    let [listed, starts, stride] = pairs.layout()?;
    let arguments = [
        Argument::floats(x)?,
        Argument::floats(latents)?,
        Argument::floats(bias)?,
        Whole(width),
        Argument::of(&pairs.index, Kind::Int)?,
        listed,
        starts,
        stride,
        match prefixes.and_then(Prefixes::ends) {
            Some(ends) => Argument::of(ends, Kind::Int64)?,
            None => Argument::floats(None)?,
        },
        Whole(rows * width),
        Argument::floats(&pairs.value)?,
    ];
    let common = pairs.room() / rows.max(1);
    launcher.launch(
        "pair_products",
        Grid::shared(rows, common / PAIRS + 1),
        &arguments,
    )
}
