//! The geometric median: the point with the least sum of distances to all others.

use crate::error::Result;
use crate::tensor::{Kind, Tensor, no_grad_guard};

/// Most iterations.
const ITERATIONS: usize = 1000;

/// Stop once the point moves less than this, relative to its norm.
const TOLERANCE: f64 = 1e-12;

/// Nearer than this, a point is where the median is taken to be.
const COINCIDES: f64 = 1e-20;

/// Returns the geometric median of `points (n, d)`, `(d)`, by Weiszfeld's iteration from their mean
/// (<https://en.wikipedia.org/wiki/Geometric_median>), in float64. Where an iterate meets one of the points, whose
/// weight would be infinite, it goes on as Vardi and Zhang say (<https://doi.org/10.1073/pnas.97.4.1423>).
///
/// # Errors
/// Too little memory.
pub fn geometric_median(points: &Tensor) -> Result<Tensor> {
    let _no_grad = no_grad_guard();
    let wide = points.f_to_kind(Kind::Double)?;
    let mut median = wide.f_mean_dim([0i64].as_slice(), false, Kind::Double)?;
    for _ in 0..ITERATIONS {
        let next = step(&wide, &median)?;
        let moved = next.f_sub(&median)?.f_norm()?.f_double_value(&[])?;
        let size = next.f_norm()?.f_double_value(&[])?;
        median = next;
        if moved <= TOLERANCE * size {
            break;
        }
    }
    Ok(median.f_to_kind(points.f_kind()?)?)
}

/// Makes one iteration: returns the mean of the points weighted by the reciprocals of their distances. The points that
/// `median` lies on are left out of it and draw it back, with as much force as there are such points.
fn step(points: &Tensor, median: &Tensor) -> Result<Tensor> {
    let distances = points
        .f_sub(median)?
        .f_norm_scalaropt_dim(2.0, [1i64].as_slice(), true)?;
    let here = distances.f_le(COINCIDES)?;
    let weights = distances.f_reciprocal()?.f_masked_fill(&here, 0.0)?;
    let total = weights.f_sum(Kind::Double)?;
    let met = here.f_sum(Kind::Int64)?.f_int64_value(&[])?;
    if met == points.size()[0] {
        return Ok(median.shallow_clone());
    }
    let next = points
        .f_mul(&weights)?
        .f_sum_dim_intlist([0i64].as_slice(), false, Kind::Double)?
        .f_div(&total)?;
    if met == 0 {
        return Ok(next);
    }
    let pull = next.f_sub(median)?.f_mul(&total)?.f_norm()?.f_double_value(&[])?;
    let stays = (met as f64 / pull.max(COINCIDES)).min(1.0);
    Ok(next
        .f_mul_scalar(1.0 - stays)?
        .f_add(&median.f_mul_scalar(stays)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn median(points: &[f64]) -> f64 {
        let points = Tensor::from_slice(points).view([-1, 1]);
        geometric_median(&points).expect("a median").double_value(&[0])
    }

    #[test]
    fn a_mean_that_is_one_of_the_points_holds_nothing_up() {
        // The mean, 2, is a point, but the median of five numbers is the middle one.
        let found = median(&[0.0, 0.5, 1.0, 2.0, 6.5]);
        assert!((found - 1.0).abs() < 1e-6, "{found}");
    }

    #[test]
    fn points_in_one_place_are_their_own_median() {
        assert_eq!(median(&[3.0, 3.0, 3.0]), 3.0);
        // More than half of the weight holds the median.
        assert!(median(&[0.0, 0.0, 0.0, 6.0]) < 1e-6);
    }
}
