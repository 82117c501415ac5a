//! Encoding of the largest of each token against the kernels of the processor: equal latents, and products that differ by the
//! order of their sums.

use super::cases::{Case, by_row};
use super::{LARGE, ORDERS};
use crate::kernels::cuda::Launcher;
use crate::kernels::cuda::encode::largest_within;
use crate::kernels::cuda::estimate::{Counted, Encoder};
use crate::kernels::cuda::pairs::Pairs;
use crate::kernels::screen::{Counts, Keep};
use crate::tensor::{Device, Kind, Tensor};

/// Compares the selection of `k` latents with the processor's, with room for the estimates of some rows at a time.
fn check(case: &Case, k: usize, what: &str) {
    let expected = case.expected(Keep::Largest(k));
    let given = case.given();
    for emulated in ORDERS {
        let bytes = if emulated.reversed {
            4 * case.latents() as i64 * 7
        } else {
            1 << 30
        };
        let pairs = selected(&emulated, &given.x, &given.encoder(), (k as i64, bytes)).0;
        case.check(&by_row(&pairs, case.latents()), &expected, what);
    }
}

/// Selects `k` of each row, with so many bytes for estimates.
fn selected(
    launcher: &dyn Launcher,
    x: &Tensor,
    encoder: &Encoder<'_>,
    wanted: (i64, i64),
) -> (Pairs, Counts) {
    let mut counted = Counted::new(launcher.device()).expect("room to count");
    let pairs = largest_within(launcher, x, encoder, wanted, &mut counted).expect("selected");
    (pairs, counted.counts().expect("counts"))
}

#[test]
fn odd_sizes_select_what_the_processor_selects() {
    Case::each_size(check);
}

#[test]
fn ties_empty_and_full_selections() {
    let mut case = Case::of_copies();
    check(&case, 11, "copies");
    check(&case, 500, "most of them");
    case.bias.fill(-100.0);
    check(&case, 11, "none above zero");
    case.bias.fill(0.5);
    case.x.fill(0.0);
    check(&case, 11, "zero rows");
    case.weight.fill(0.0);
    check(&case, 500, "zero weights");
}

#[test]
fn numbers_without_a_bound_are_computed_in_full() {
    Case::each_odd(4, |case, _, what| check(case, 4, what));
}

#[test]
fn every_size_of_number_is_exact() {
    for x in [1e-38f32, 1e-22, 1.0, 1e11, 1e19] {
        for weight in [1e-30f32, 1.0, 1e15] {
            let mut case = Case::new(3, 19, 37);
            case.x.iter_mut().for_each(|value| *value *= x);
            case.weight.iter_mut().for_each(|value| *value *= weight);
            case.bias.iter_mut().for_each(|value| *value *= x);
            check(&case, 5, &format!("x {x}, weights {weight}"));
        }
    }
}

#[test]
fn estimates_within_their_bound_change_nothing() {
    // Estimates that are off by nearly as much as tensor cores may be leave the selection as it is.
    let case = Case::new(5, 64, 400);
    let shaped = |x: &[f32], rows: i64| Tensor::from_slice(x).view([rows, 64]);
    let (x, weight) = (shaped(&case.x, 5), shaped(&case.weight, 400));
    let bias = Tensor::from_slice(&case.bias);
    let encoder = Encoder {
        weight: &weight,
        bias: &bias,
        factor: None,
    };
    let (exact, counts) = selected(&LARGE, &x, &encoder, (7, 1 << 20));
    assert_eq!((counts.rows, counts.full), (5, 0));
    assert!((5 * 7..5 * 100).contains(&counts.candidates), "{counts:?}");
    let shaken = selected(&Shaken, &x, &encoder, (7, 1 << 20)).0;
    assert_eq!(exact.index, shaken.index);
    assert_eq!(exact.value, shaken.value);
}

/// A processor whose sums are worse than those of tensor cores may be.
#[derive(Debug)]
struct Shaken;

impl crate::kernels::cuda::Launcher for Shaken {
    fn device(&self) -> Device {
        Device::Cpu
    }

    fn launch(
        &self,
        kernel: &str,
        grid: crate::kernels::cuda::launcher::Grid,
        arguments: &[crate::kernels::cuda::launcher::Argument<'_>],
    ) -> crate::error::Result<()> {
        LARGE.launch(kernel, grid, arguments)
    }

    fn product(&self, left: &Tensor, right: &Tensor) -> crate::error::Result<Tensor> {
        let product = LARGE.product(left, right)?;
        let norm = |x: &Tensor| {
            x.to_kind(Kind::Float)
                .square()
                .sum_dim_intlist([1i64].as_slice(), true, None::<Kind>)
                .sqrt()
        };
        let most = norm(left).matmul(&norm(right).tr()) * (80.0 / f64::from(1 << 23));
        let sign = Tensor::arange(product.numel() as i64, (Kind::Float, Device::Cpu))
            .remainder(2.0)
            .view_as(&product)
            * 2.0
            - 1.0;
        Ok(product + most * sign)
    }
}
