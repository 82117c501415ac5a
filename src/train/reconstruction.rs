//! How well a batch was reconstructed, for logs.

use crate::dictionary::{squared_error, sum_last};
use crate::error::Result;
use crate::kernels::spread::spread;
use crate::tensor::slices::{numbers, numbers_mut};
use crate::tensor::{Device, Kind, Tensor};

/// The metrics of [`reconstruction_figures`].
pub(super) const RECONSTRUCTION: [&str; 4] = [
    "metrics/explained_variance",
    "metrics/explained_variance_legacy",
    "metrics/l2_norm_error",
    "metrics/l2_norm_error_ratio",
];

/// Returns figures of the reconstruction of normalised `label (…, d_model)` by its squared error `(…)`, 0-d, in the order of
/// their metrics. What the batch does not have is NaN.
pub(super) fn reconstruction_figures(error: &Tensor, label: &Tensor) -> Result<[Tensor; 4]> {
    let (variance, squares) = spread_of(label)?;
    let mean = |x: &Tensor| x.f_mean(None::<Kind>);
    let per_token = unexplained(error, &variance, &squares)?;
    let distance = mean(&error.f_sqrt()?)?;
    let length = mean(&squares.f_sqrt()?)?;
    Ok([
        explained(&unexplained(&mean(error)?, &mean(&variance)?, &mean(&squares)?)?)?,
        explained(
            &per_token
                .f_reshape([-1])?
                .f_nanmean([0i64].as_slice(), false, None::<Kind>)?,
        )?,
        distance.shallow_clone(),
        distance
            .f_div(&length)?
            .f_masked_fill(&length.f_eq(0.0)?, f64::NAN)?,
    ])
}

/// Returns the squared distances of the rows of `label (…, d_model)` from their mean, and their squared norms, `(…)` each.
fn spread_of(label: &Tensor) -> Result<(Tensor, Tensor)> {
    if let (2, Ok(rows)) = (label.dim(), numbers(label)) {
        let size = label.size();
        let room = || Tensor::f_empty([size[0]], (Kind::Float, Device::Cpu));
        let (mut apart, mut squares) = (room()?, room()?);
        spread(
            rows,
            size[1] as usize,
            numbers_mut(&mut apart)?,
            numbers_mut(&mut squares)?,
        );
        return Ok((apart, squares));
    }
    // Rows, and heads where there are any, each with a centre of its own.
    let centre = label.f_mean_dim([0i64].as_slice(), false, None::<Kind>)?;
    Ok((squared_error(label, &centre)?, sum_last(&label.f_square()?)?))
}

fn explained(unexplained: &Tensor) -> Result<Tensor> {
    Ok(unexplained.f_neg()?.f_add_scalar(1.0)?)
}

/// Returns `error / variance`, or NaN where the variance is nothing but rounding of numbers as large as `squares` says.
fn unexplained(error: &Tensor, variance: &Tensor, squares: &Tensor) -> Result<Tensor> {
    let varies = variance.f_gt_tensor(&squares.f_mul_scalar(rounding(variance.f_kind()?))?)?;
    Ok(error
        .f_div(variance)?
        .f_masked_fill(&varies.f_logical_not()?, f64::NAN)?)
}

/// Returns the part of the squares that a variance has by rounding alone.
pub(super) fn rounding(kind: Kind) -> f64 {
    let rounding = 10.0 * epsilon(kind);
    rounding * rounding
}

/// Returns the distance from 1 to the next number.
fn epsilon(kind: Kind) -> f64 {
    match kind {
        Kind::Double => f64::EPSILON,
        Kind::Half => 9.77e-4,
        Kind::BFloat16 => 7.81e-3,
        _ => f64::from(f32::EPSILON),
    }
}
