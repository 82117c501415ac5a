//! Norms and variances over any dimensions, by PyTorch's definitions.

use tch::{Kind, TchError, Tensor};

use super::range::number;

/// Returns the vector norm of order `p` over `dims`, or over all elements: `(Σ |x|^p)^(1/p)`; the largest absolute
/// value for infinity, the smallest for -infinity, the number of elements that are not 0 for 0.
///
/// # Errors
/// A dimension that is not there.
pub fn norm(tensor: &Tensor, p: f64, dims: Option<&[i64]>, keepdim: bool) -> Result<Tensor, TchError> {
    let all: Vec<i64>;
    let dims = match dims {
        Some(dims) if !dims.is_empty() => dims,
        _ => {
            all = (0..tensor.dim() as i64).collect();
            &all
        }
    };
    let sum = |t: Tensor| t.f_sum_dim_intlist(dims, keepdim, None::<Kind>);
    if p == f64::INFINITY {
        return tensor.f_abs()?.f_amax(dims, keepdim);
    }
    if p == f64::NEG_INFINITY {
        return tensor.f_abs()?.f_amin(dims, keepdim);
    }
    if p == 0.0 {
        let zero = number(0.0, tensor.kind(), tensor.device())?;
        return sum(tensor.f_ne_tensor(&zero)?.f_to_kind(tensor.kind())?);
    }
    if p == 1.0 {
        return sum(tensor.f_abs()?);
    }
    // Its gradient at 0 is 0.
    if p == 2.0 && dims.len() <= 2 && tensor.dim() > 0 {
        return tensor.f_frobenius_norm(dims, keepdim);
    }
    let power = |p: f64| number(p, Kind::Double, tensor.device());
    let sum = sum(tensor.f_abs()?.f_pow(&power(p)?)?)?;
    // A tensor without dimensions takes on the dtype of the exponent.
    sum.f_pow(&power(1.0 / p)?)?.f_to_kind(tensor.kind())
}

/// Returns the variance over `dims`, or over all elements: `Σ (x - mean)² / max(n - correction, 0)`, which is not a
/// number where `n` is not more than `correction`.
///
/// # Errors
/// A dimension that is not there.
pub fn variance(
    tensor: &Tensor,
    dims: Option<&[i64]>,
    correction: f64,
    keepdim: bool,
) -> Result<Tensor, TchError> {
    let population = tensor.f_var_dim(dims, false, keepdim)?;
    if correction == 0.0 {
        return Ok(population);
    }
    let count = tensor.numel() as f64 / population.numel().max(1) as f64;
    // libtorch warns on stderr where nothing is left to divide by; the value, 0/0, says it as well.
    if correction == 1.0 && count > 1.0 {
        return tensor.f_var_dim(dims, true, keepdim);
    }
    let factor = count / (count - correction).max(0.0);
    population
        .f_mul(&number(factor, Kind::Double, tensor.device())?)?
        .f_to_kind(tensor.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_of_every_order_over_every_choice_of_dimensions() {
        let x = Tensor::from_slice(&[3.0f32, -4.0, 0.0, 12.0]).reshape([2, 2]);
        let value = |p: f64| f64::try_from(norm(&x, p, None, false).expect("a norm")).expect("a number");
        assert_eq!(value(2.0), 13.0);
        assert_eq!(value(1.0), 19.0);
        assert_eq!(value(0.0), 3.0);
        assert_eq!(norm(&x, 3.0, None, false).expect("a norm").kind(), Kind::Float);
        assert_eq!(value(f64::INFINITY), 12.0);
        assert!((value(3.0) - (27.0f64 + 64.0 + 1728.0).cbrt()).abs() < 1e-5);
        let rows = norm(&x, 2.0, Some(&[1]), true).expect("a norm");
        assert_eq!(rows.size(), [2, 1]);
        assert!(norm(&x, 2.0, Some(&[5]), false).is_err());
        let cube = x.reshape([2, 2, 1]);
        assert_eq!(
            f64::try_from(norm(&cube, 2.0, None, false).expect("a norm")).expect("a number"),
            13.0
        );
    }

    #[test]
    fn the_variance_of_one_number_is_not_a_number() {
        let one = Tensor::from_slice(&[2.0f32]);
        assert!(
            f64::try_from(variance(&one, None, 1.0, false).expect("a tensor"))
                .expect("one")
                .is_nan()
        );
        assert_eq!(
            f64::try_from(variance(&one, None, 0.0, false).expect("a tensor")).expect("one"),
            0.0
        );
    }
}
