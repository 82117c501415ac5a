//! What one call on a dictionary is told besides its input. Nothing of it outlives the call, so encoding, measuring and
//! evaluating leave a dictionary as it was.

use std::fmt;

use super::activation::{ActFn, CustomActivation};
use super::loss::LossTerms;
use crate::error::{Error, Result};
use crate::tensor::{DType, Kind, Tensor, product};

/// One pass through a dictionary. The default is the dictionary as its configuration says, all positions counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pass<'a> {
    /// Active latents per token of the top-k family; `None` for the configuration's `top_k`. A training schedule gives
    /// its own.
    pub k: Option<i64>,
    /// Number format of the matrix products; `None` for the dictionary's own.
    pub amp: Option<DType>,
    /// Which positions count, `(…)` as the leading shape of the input: 0 or false at BOS, padding and ignored tokens.
    /// `None`: all. The others take no part in whatever a pass does over several positions: batchtopk's budget, means,
    /// frequencies, batch-wise norms.
    pub counted: Option<&'a Tensor>,
    /// Pieces of the arithmetic that a script or program brings along.
    pub custom: Custom<'a>,
    /// The terms of a reconstruction have a value for each token, not their mean. The loss is the same.
    pub per_token: bool,
}

/// A sparsity penalty of a script's or program's own: from the activations `(…, d_sae)` and the decoder norms to the penalty
/// of each token `(…)`, or a single number.
pub type PenaltyFn<'a> = &'a dyn Fn(&Tensor, &Tensor) -> Result<Tensor>;

/// A loss of a script's or program's own, 0-d, from the terms and tensors of the built-in one.
pub type LossFn<'a> = &'a dyn Fn(&LossTerms) -> Result<Tensor>;

/// Pieces of the arithmetic in place of the built-in ones, for the one call.
#[derive(Clone, Copy, Default)]
pub struct Custom<'a> {
    /// The activation function of `act_fn` "custom".
    pub activation: Option<CustomActivation<'a>>,
    /// The sparsity penalty, in place of `sparsity_loss_type`; λ is applied to it.
    pub penalty: Option<PenaltyFn<'a>>,
    /// The whole loss, in place of the sum of the terms.
    pub loss: Option<LossFn<'a>>,
}

impl fmt::Debug for Custom<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Custom")
            .field("activation", &self.activation.is_some())
            .field("penalty", &self.penalty.is_some())
            .field("loss", &self.loss.is_some())
            .finish()
    }
}

impl<'a> Pass<'a> {
    /// Returns a pass in which only the positions count where `mask` is not 0.
    pub fn counting(mask: Option<&'a Tensor>) -> Self {
        Pass {
            counted: mask,
            ..Pass::default()
        }
    }

    /// Returns `x W`, in [`amp`](Self::amp) where it is given: both sides are rounded to it, sums are kept wider, and
    /// the result returns in the dtype of `weight`. As in PyTorch's autocast, float64 is left alone.
    ///
    /// # Errors
    /// Shapes that do not fit, too little memory.
    pub fn product(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let kind = weight.f_kind()?;
        match self.amp.map(DType::kind) {
            Some(amp) if amp != kind && kind != Kind::Double => {
                let rounded = product::matmul(&x.f_to_kind(amp)?, &weight.f_to_kind(amp)?)?;
                Ok(rounded.f_to_kind(kind)?)
            }
            _ => Ok(product::matmul(x, weight)?),
        }
    }

    /// Refuses a `k` that this kind of dictionary, with `d_sae` latents, cannot have.
    pub(super) fn check_k(&self, act_fn: ActFn, d_sae: i64) -> Result<()> {
        match self.k {
            Some(_) if !act_fn.selects_k() => Err(Error::input(format!(
                "a number of active latents was given, but `act_fn` is \"{}\", which selects by value",
                act_fn.name()
            ))
            .hint("leave `k` out")
            .under("k")),
            Some(k) if !(1..=d_sae).contains(&k) => Err(Error::input(format!(
                "{k} active latents per token were asked for, but the dictionary has {d_sae} latents"
            ))
            .hint(format!("give a number from 1 to {d_sae}"))
            .under("k")),
            _ => Ok(()),
        }
    }

    /// Returns which positions of `x (…, d)` count: bool `(…)` on its device, or `None` for all.
    ///
    /// # Errors
    /// The mask has another shape than the positions.
    pub(super) fn counted_of(&self, x: &Tensor) -> Result<Option<Tensor>> {
        let Some(mask) = self.counted else {
            return Ok(None);
        };
        let size = x.size();
        let positions = &size[..size.len().saturating_sub(1)];
        if mask.size() != positions {
            return Err(Error::input(format!(
                "the mask has shape {:?}, but the activations have positions of shape {positions:?}",
                mask.size()
            ))
            .hint("a mask has one number for each position: 1 where it counts, 0 where it does not")
            .under("mask"));
        }
        Ok(Some(mask.f_to_device(x.device())?.f_ne(0.0)?))
    }
}

/// Returns the rows of `x (…, d)` whose positions count, `(n, d)`, in order. Where all do, nothing is selected.
///
/// # Errors
/// The shapes do not fit each other.
pub fn counted_rows(x: &Tensor, counted: Option<&Tensor>) -> Result<Tensor> {
    let width = x.size().last().copied().unwrap_or(1);
    let Some(counted) = counted else {
        return Ok(x.f_reshape([-1, width])?);
    };
    let places = counted
        .f_to_device(x.device())?
        .f_ne(0.0)?
        .f_reshape([-1])?
        .f_nonzero()?
        .f_squeeze_dim(1)?;
    let rows = x.f_reshape([-1, width])?;
    if places.size()[0] == rows.size()[0] {
        Ok(rows)
    } else {
        Ok(rows.f_index_select(0, &places)?)
    }
}
