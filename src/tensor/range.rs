//! Tensors of single numbers and of numbers in a row.
//!
//! tch's `Scalar` arguments panic when a call that they are given to fails, so single numbers go to libtorch as tensors
//! without dimensions, and where libtorch takes only a `Scalar` all that can fail is checked before.

use tch::{Device, Kind, TchError, Tensor};

use super::size;
use crate::error::{Error, Result};

/// Returns a number as a tensor without dimensions.
///
/// # Errors
/// A device that is out of memory.
pub fn number(value: f64, kind: Kind, device: Device) -> Result<Tensor, TchError> {
    Tensor::f_from_slice(&[value])?
        .f_reshape([0i64; 0])?
        .f_to_kind(kind)?
        .f_to_device(device)
}

/// Returns a whole number as a tensor without dimensions.
///
/// # Errors
/// A device that is out of memory.
pub fn whole_number(value: i64, kind: Kind, device: Device) -> Result<Tensor, TchError> {
    Tensor::f_from_slice(&[value])?
        .f_reshape([0i64; 0])?
        .f_to_kind(kind)?
        .f_to_device(device)
}

/// Length of a row from `start` to before `end`, `count` being how many steps fit.
fn checked_length(start: impl ToString, end: impl ToString, step: f64, count: f64) -> Result<i64> {
    let (start, end) = (start.to_string(), end.to_string());
    if step == 0.0 || !step.is_finite() {
        return Err(Error::input(format!(
            "`step` is a number other than 0, but was given {step}"
        )));
    }
    if !count.is_finite() {
        return Err(Error::input(format!(
            "a row of numbers has a beginning and an end, but these are {start} and {end}"
        )));
    }
    if count < 0.0 {
        let way = if step > 0.0 { "upwards" } else { "downwards" };
        return Err(
            Error::input(format!("no row of numbers leads from {start} {way} to {end}"))
                .hint("give a `step` of the other sign, or the end last"),
        );
    }
    if count < i64::MAX as f64 {
        Ok(count as i64)
    } else {
        Err(Error::out_of_memory(format!(
            "no machine holds {count:e} numbers"
        )))
    }
}

/// Returns the whole numbers from `start` in steps of `step`, without `end`, as `torch.arange`.
///
/// # Errors
/// A step of 0 or away from `end`, or a row that the memory does not hold.
pub fn whole_range(start: i64, end: i64, step: i64, (kind, device): (Kind, Device)) -> Result<Tensor> {
    let distance = (i128::from(end) - i128::from(start)) as f64;
    let count = (distance / step as f64).ceil();
    let count = checked_length(start, end, step as f64, count)?;
    size::admit(&[count], kind, device)?;
    // Beyond 2^53 the length above is rounded, and no memory is that large.
    Ok(Tensor::f_arange_start_step(start, end, step, (kind, device))?)
}

/// Numbers from `start` in steps of `step`, without `end`, as `torch.arange`.
///
/// # Errors
/// As [`whole_range`].
pub fn range(start: f64, end: f64, step: f64, (kind, device): (Kind, Device)) -> Result<Tensor> {
    let count = checked_length(start, end, step, ((end - start) / step).ceil())?;
    size::admit(&[count], kind, device)?;
    Ok(Tensor::f_arange_start_step(start, end, step, (kind, device))?)
}

/// Returns `steps` numbers evenly spaced from `start` to `end`, both included.
///
/// # Errors
/// A negative number of steps, or more than the memory holds.
pub fn linspace(start: f64, end: f64, steps: i64, (kind, device): (Kind, Device)) -> Result<Tensor> {
    if steps < 0 {
        return Err(Error::input(format!(
            "`steps` is at least 0, but was given {steps}"
        )));
    }
    size::admit(&[steps], kind, device)?;
    let ends = [start, end].map(|end| number(end, Kind::Double, Device::Cpu));
    let [start, end] = ends;
    Ok(Tensor::f_linspace_tensor_tensor(
        &start?,
        &end?,
        steps,
        (kind, device),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: (Kind, Device) = (Kind::Int64, Device::Cpu);
    const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

    #[test]
    fn rows_that_cannot_be_are_errors() {
        assert!(whole_range(0, -5, 1, WHOLE).is_err());
        assert!(whole_range(0, 5, 0, WHOLE).is_err());
        assert!(whole_range(i64::MIN, i64::MAX, 1, WHOLE).is_err());
        assert!(range(0.0, f64::NAN, 1.0, FLOAT).is_err());
        assert!(range(0.0, 1e18, 1.0, FLOAT).is_err());
        assert!(linspace(0.0, 1.0, -5, FLOAT).is_err());
        assert!(linspace(0.0, 1.0, i64::MAX, FLOAT).is_err());
    }

    #[test]
    fn rows_are_torchs() {
        let values = |t: Result<Tensor>| {
            Vec::<f64>::try_from(t.expect("a row").to_kind(Kind::Double)).expect("numbers")
        };
        assert_eq!(values(whole_range(5, 0, -2, WHOLE)), [5.0, 3.0, 1.0]);
        assert_eq!(values(range(0.0, 1.0, 0.25, FLOAT)), [0.0, 0.25, 0.5, 0.75]);
        assert_eq!(values(linspace(0.0, 1.0, 3, FLOAT)), [0.0, 0.5, 1.0]);
        assert_eq!(values(whole_range(3, 3, 1, WHOLE)), [0.0; 0]);
    }
}
