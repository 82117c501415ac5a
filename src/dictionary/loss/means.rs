//! Sums and means over tokens, of which only some may count.

use crate::error::Result;
use crate::tensor::{Kind, Tensor};

/// Returns the mean of `x (…, n)` over the positions that count, `(n)`.
pub(super) fn mean_of_positions(x: &Tensor, counted: Option<&Tensor>) -> Result<Tensor> {
    let width = x.size().last().copied().unwrap_or(1);
    let Some(counted) = counted else {
        return Ok(x
            .f_reshape([-1, width])?
            .f_mean_dim([0i64].as_slice(), false, None::<Kind>)?);
    };
    let count = counted.f_sum(x.f_kind()?)?.f_clamp_min(1.0)?;
    let sum = x
        .f_masked_fill(&counted.f_logical_not()?.f_unsqueeze(-1)?, 0.0)?
        .f_reshape([-1, width])?
        .f_sum_dim_intlist([0i64].as_slice(), false, None::<Kind>)?;
    Ok(sum.f_div(&count)?)
}

/// Returns `‖a − b‖²` of each token.
pub fn squared_error(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    sum_last(&a.f_sub(b)?.f_square()?)
}

/// Returns the sum over the last dimension.
pub fn sum_last(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>)?)
}

/// Returns the mean over the positions that count (bool `(…)`; `None`: all); 0 when none does. What is 0-d already
/// stays as it is.
pub(super) fn token_mean(x: &Tensor, counted: Option<&Tensor>) -> Result<Tensor> {
    match counted {
        _ if x.dim() == 0 => Ok(x.shallow_clone()),
        None => Ok(x.f_mean(None::<Kind>)?),
        Some(counted) => {
            let count = counted.f_sum(x.f_kind()?)?.f_clamp_min(1.0)?;
            let sum = x.f_masked_fill(&counted.f_logical_not()?, 0.0)?;
            Ok(sum.f_sum(None::<Kind>)?.f_div(&count)?)
        }
    }
}
