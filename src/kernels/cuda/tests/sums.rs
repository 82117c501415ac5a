//! Sums against libtorch's in float64.

use super::{LARGE, ORDERS};
use crate::kernels::cuda::sums::{rows, terms, total};
use crate::kernels::step_tests::Numbers;
use crate::tensor::{Device, Kind, Tensor};

fn numbers(count: i64) -> Tensor {
    Tensor::from_slice(&Numbers::new(count as u64).numbers(count as usize))
}

fn apart(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!((found.kind(), found.size()), (Kind::Float, expected.size()));
    if found.numel() == 0 {
        return 0.0;
    }
    (found.to_kind(Kind::Double) - expected)
        .abs()
        .max()
        .double_value(&[])
}

#[test]
fn sums_are_libtorchs_and_do_not_depend_on_blocks() {
    for (count, width) in [(1, 1), (3, 70), (16, 5), (17, 300), (1500, 33), (0, 4), (4, 0)] {
        let x = numbers(count * width).view([count, width]);
        let wide = x.to_kind(Kind::Double);
        let all = ORDERS.iter().chain([&LARGE]).map(|emulated| {
            let sums = rows(emulated, &x, 3.0).expect("sums");
            let expected = wide.sum_dim_intlist([0i64].as_slice(), false, None::<Kind>) / 3.0;
            assert!(apart(&sums, &expected) < 1e-5, "{count} rows of {width}");
            let sum = total(emulated, Some(&x), 0.5).expect("a sum");
            assert!(
                apart(&sum, &(wide.sum(None::<Kind>) * 0.5)) < 1e-4,
                "{count} rows of {width}"
            );
            (sums, sum)
        });
        let all: Vec<_> = all.collect();
        assert!(all.iter().all(|one| *one == all[0]), "{count} rows of {width}");
    }
}

#[test]
fn terms_are_added_in_their_order_however_many_they_are() {
    for count in 1..20 {
        let values: Vec<Tensor> = (0..count).map(|at| Tensor::from(0.1f32 + at as f32)).collect();
        let expected = values
            .iter()
            .fold(0.0f32, |sum, value| sum + value.double_value(&[]) as f32);
        let sum = terms(&LARGE, &values.iter().collect::<Vec<_>>()).expect("a sum");
        assert_eq!(sum.double_value(&[]), f64::from(expected), "{count} terms");
    }
    assert!(terms(&LARGE, &[]).is_err());
    let nothing = total(&ORDERS[0], None, 0.0).expect("a sum");
    assert_eq!(nothing.double_value(&[]), 0.0);
}

#[test]
fn nan_reaches_the_sums_that_it_is_part_of() {
    let x = Tensor::ones([40, 3], (Kind::Float, Device::Cpu));
    let _ = x.get(39).get(1).fill_(f64::NAN);
    let sums = Vec::<f32>::try_from(rows(&LARGE, &x, 1.0).expect("sums")).expect("numbers");
    assert!(sums[0] == 40.0 && sums[1].is_nan() && sums[2] == 40.0, "{sums:?}");
    assert!(
        total(&LARGE, Some(&x), 1.0)
            .expect("a sum")
            .double_value(&[])
            .is_nan()
    );
}
