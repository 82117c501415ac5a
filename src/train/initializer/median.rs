//! The geometric median: the point with the least sum of distances to all others.

use crate::error::Result;
use crate::tensor::{Kind, Tensor};

/// Most iterations.
const ITERATIONS: usize = 1000;

/// Stop once the point moves less than this, relative to its norm.
const TOLERANCE: f64 = 1e-12;

/// The geometric median of `points (n, d)`, `(d)`, by Weiszfeld's iteration from their mean
/// (<https://en.wikipedia.org/wiki/Geometric_median>), in float64.
///
/// # Errors
/// Too little memory.
pub fn geometric_median(points: &Tensor) -> Result<Tensor> {
    let _no_grad = tch::no_grad_guard();
    let wide = points.f_to_kind(Kind::Double)?;
    let mut median = wide.f_mean_dim([0i64].as_slice(), false, Kind::Double)?;
    for _ in 0..ITERATIONS {
        let distances = wide
            .f_sub(&median)?
            .f_norm_scalaropt_dim(2.0, [1i64].as_slice(), true)?
            .f_clamp_min(1e-20)?;
        let weights = distances.f_reciprocal()?;
        let total = weights.f_sum(Kind::Double)?;
        let next = wide
            .f_mul(&weights)?
            .f_sum_dim_intlist([0i64].as_slice(), false, Kind::Double)?
            .f_div(&total)?;
        let moved = next.f_sub(&median)?.f_norm()?.f_double_value(&[])?;
        let size = next.f_norm()?.f_double_value(&[])?;
        median = next;
        if moved <= TOLERANCE * size {
            break;
        }
    }
    Ok(median.f_to_kind(points.f_kind()?)?)
}
