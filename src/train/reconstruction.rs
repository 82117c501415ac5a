//! How well a batch was reconstructed, for logs.

use crate::dictionary::{squared_error, sum_last};
use crate::error::Result;
use crate::kernels::spread::spread;
use crate::tensor::slices::numbers;
use crate::tensor::{Kind, Tensor};

/// The metrics of a [`Reconstruction`].
pub(super) const RECONSTRUCTION: [&str; 4] = [
    "metrics/explained_variance",
    "metrics/explained_variance_legacy",
    "metrics/l2_norm_error",
    "metrics/l2_norm_error_ratio",
];

/// Room for what rows are measured by, from one batch to the next.
#[derive(Debug, Default)]
pub(super) struct Room {
    apart: Vec<f32>,
    squares: Vec<f32>,
}

/// How well a batch was reconstructed.
pub(super) struct Reconstruction {
    /// 0-d, in the order of their metrics. What the batch does not have is NaN.
    pub(super) figures: [Tensor; 4],
    /// The mean squared distance of the label from its centre, `([heads])`.
    pub(super) variance: Tensor,
}

/// Returns figures of the reconstruction of normalised `label (n, [heads,] d_model)` by its squared error `(n, [heads])`.
pub(super) fn reconstruction(error: &Tensor, label: &Tensor, room: &mut Room) -> Result<Reconstruction> {
    let size = label.size();
    if let (2 | 3, Ok(rows), Ok(errors)) = (size.len(), numbers(label), numbers(error)) {
        let parts = size[1..size.len() - 1].iter().product::<i64>().max(1);
        let columns = size[1..].iter().product::<i64>();
        let shape = (columns as usize, (columns / parts) as usize);
        let figures = figures_of_rows((rows, shape), errors, room);
        let mut variance = vec![0.0f64; parts as usize];
        for (at, apart) in room.apart.iter().enumerate() {
            variance[at % parts as usize] += f64::from(*apart) / size[0] as f64;
        }
        return Ok(Reconstruction {
            figures: figures.map(|figure| Tensor::from(figure as f32)),
            variance: Tensor::f_from_slice(&variance)?.f_view(&size[1..size.len() - 1])?,
        });
    }
    // Rows, and heads where there are any, each with a centre of its own.
    let centre = label.f_mean_dim([0i64].as_slice(), false, None::<Kind>)?;
    let (variance, squares) = (squared_error(label, &centre)?, sum_last(&label.f_square()?)?);
    let mean = |x: &Tensor| x.f_mean(None::<Kind>);
    let per_token = unexplained(error, &variance, &squares)?;
    let distance = mean(&error.f_sqrt()?)?;
    let length = mean(&squares.f_sqrt()?)?;
    let figures = [
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
    ];
    Ok(Reconstruction {
        figures,
        variance: variance.f_mean_dim([0i64].as_slice(), false, None::<Kind>)?,
    })
}

/// Returns the figures of `rows` in float32 on the CPU, where each part of them has its squared error; how many columns a row and a
/// part have.
fn figures_of_rows((rows, shape): (&[f32], (usize, usize)), errors: &[f32], room: &mut Room) -> [f64; 4] {
    let tokens = errors.len();
    room.apart.resize(tokens, 0.0);
    room.squares.resize(tokens, 0.0);
    let Room { apart, squares } = room;
    spread(rows, shape, apart, squares);
    let rounding = rounding(Kind::Float);
    let unexplained = |error: f64, apart: f64, squares: f64| {
        let varies = apart > squares * rounding;
        if varies { error / apart } else { f64::NAN }
    };
    let mean = |of: &[f32]| of.iter().copied().map(f64::from).sum::<f64>() / tokens as f64;
    let mean_root = |of: &[f32]| {
        of.iter()
            .copied()
            .map(|square| f64::from(square).sqrt())
            .sum::<f64>()
            / tokens as f64
    };
    let (mut sum, mut count) = (0.0, 0.0);
    for ((error, apart), squares) in errors.iter().zip(&*apart).zip(&*squares) {
        let part = unexplained(f64::from(*error), f64::from(*apart), f64::from(*squares));
        if !part.is_nan() {
            sum += part;
            count += 1.0;
        }
    }
    let (distance, length) = (mean_root(errors), mean_root(squares));
    [
        1.0 - unexplained(mean(errors), mean(apart), mean(squares)),
        1.0 - sum / count,
        distance,
        if length == 0.0 {
            f64::NAN
        } else {
            distance / length
        },
    ]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Device;

    #[test]
    fn figures_of_rows_are_those_of_tensors() {
        let options = (Kind::Float, Device::Cpu);
        let label = Tensor::randn([9, 6], options);
        let still = Tensor::ones([9, 6], options);
        let heads = Tensor::randn([9, 3, 6], options);
        let mut room = Room::default();
        for (label, error) in [
            (&heads, Tensor::rand([9, 3], options)),
            (&label, Tensor::rand([9], options)),
            (&label.narrow(0, 0, 4), Tensor::zeros([4], options)),
            (&still, Tensor::rand([9], options)),
            (&still.zeros_like(), Tensor::rand([9], options)),
        ] {
            let by_rows = reconstruction(&error, label, &mut room).expect("figures");
            let double = |x: &Tensor| x.to_kind(Kind::Double);
            let by_tensors = reconstruction(&double(&error), &double(label), &mut room).expect("figures");
            assert_eq!(by_rows.variance.size(), by_tensors.variance.size());
            let apart = (&by_rows.variance - &by_tensors.variance).abs().max();
            assert!(apart.double_value(&[]) < 1e-5, "{apart}");
            let figures = by_rows.figures.iter().zip(&by_tensors.figures);
            for (name, (found, expected)) in RECONSTRUCTION.iter().zip(figures) {
                let (found, expected) = (found.double_value(&[]), expected.double_value(&[]));
                let is_same = (found - expected).abs() <= 1e-5 * expected.abs().max(1.0);
                assert!(
                    is_same || found.is_nan() && expected.is_nan(),
                    "{name}: {found} for {expected}"
                );
            }
        }
    }
}
