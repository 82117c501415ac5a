//! Divisions of whole numbers. A processor traps where -1 divides the least number of all, which ends the process;
//! these give what wrapping arithmetic gives.

use tch::{Kind, TchError, Tensor};

/// Returns whether all elements are whole numbers.
pub fn is_integral(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Int64 | Kind::Int | Kind::Int16 | Kind::Int8 | Kind::Uint8 | Kind::Bool
    )
}

/// `divisor` with 1 for -1, which leaves the same remainder, 0; and where that was, if anywhere.
fn without_minus_one(number: &Tensor, divisor: &Tensor) -> Result<(Tensor, Option<Tensor>), TchError> {
    let whole = is_integral(number.kind()) && is_integral(divisor.kind());
    if !whole || matches!(divisor.kind(), Kind::Uint8 | Kind::Bool) {
        return Ok((divisor.shallow_clone(), None));
    }
    let one = divisor.f_ones_like()?;
    let negative = divisor.f_eq_tensor(&one.f_neg()?)?;
    if negative.f_any()?.f_int64_value(&[])? == 0 {
        return Ok((divisor.shallow_clone(), None));
    }
    Ok((one.f_where_self(&negative, divisor)?, Some(negative)))
}

/// Returns the remainder with the sign of the divisor, as `torch.remainder`.
///
/// # Errors
/// Shapes that do not fit; a whole number modulo 0.
pub fn remainder(number: &Tensor, divisor: &Tensor) -> Result<Tensor, TchError> {
    number.f_remainder_tensor(&without_minus_one(number, divisor)?.0)
}

/// Returns the remainder with the sign of the number, as `torch.fmod`.
///
/// # Errors
/// Shapes that do not fit; a whole number modulo 0.
pub fn fmod(number: &Tensor, divisor: &Tensor) -> Result<Tensor, TchError> {
    number.f_fmod_tensor(&without_minus_one(number, divisor)?.0)
}

/// Returns the quotient rounded down, or towards zero if `mode` is `"trunc"`, as `torch.div` with a `rounding_mode`.
///
/// # Errors
/// Shapes that do not fit, another mode, a whole number over 0.
pub fn divide(number: &Tensor, divisor: &Tensor, mode: &str) -> Result<Tensor, TchError> {
    let (divisor, negative) = without_minus_one(number, divisor)?;
    let quotient = number.f_div_tensor_mode(&divisor, mode)?;
    match negative {
        None => Ok(quotient),
        Some(negative) => quotient.f_neg()?.f_where_self(&negative, &quotient),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_number_over_minus_one_wraps() {
        let number = Tensor::from_slice(&[i64::MIN, 7, -7, i64::MIN]);
        let divisor = Tensor::from_slice(&[-1i64, -1, 2, 3]);
        let values = |result: Result<Tensor, TchError>| {
            Vec::<i64>::try_from(result.expect("fits")).expect("whole numbers")
        };
        assert_eq!(values(remainder(&number, &divisor)), [0, 0, 1, 1]);
        assert_eq!(values(fmod(&number, &divisor)), [0, 0, -1, -2]);
        assert_eq!(
            values(divide(&number, &divisor, "floor")),
            [i64::MIN, -7, -4, -3_074_457_345_618_258_603]
        );
        let zero = Tensor::from_slice(&[0i64]);
        assert!(remainder(&number, &zero).is_err());
        assert!(divide(&number, &zero, "trunc").is_err());
    }
}
