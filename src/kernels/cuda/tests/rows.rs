//! Lengths of rows, and rows of one length, against libtorch.

use super::{LARGE, ORDERS};
use crate::kernels::cuda::rows::{lengths, scaled};
use crate::kernels::step_tests::Numbers;
use crate::tensor::{Device, Kind, Tensor};

fn matrix(rows: i64, width: i64) -> Tensor {
    let mut draw = Numbers::new((rows * 31 + width) as u64);
    Tensor::from_slice(&draw.numbers((rows * width) as usize)).view([rows, width])
}

fn close(found: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(found.size(), expected.size(), "{what}");
    assert!(
        found.isnan().equal(&expected.isnan()),
        "{what}: NaN in other places"
    );
    let apart = (found - expected).nan_to_num(0.0, 1e9, 1e9).abs().max();
    assert!(apart.double_value(&[]) < 1e-5, "{what}: {apart}");
}

#[test]
fn rows_of_every_size_have_the_lengths_that_libtorch_finds() {
    for (rows, width) in [(1, 1), (7, 3), (33, 128), (5, 300), (130, 64)] {
        let matrix = matrix(rows, width);
        let _ = matrix.get(rows - 1).zero_();
        let norm = matrix.norm_scalaropt_dim(2.0, [-1i64].as_slice(), true);
        let root = (width as f64).sqrt();
        let expected = &matrix * (norm.clamp_min(1e-12).reciprocal() * root);
        for emulated in ORDERS.iter().chain([&LARGE]) {
            let what = format!("{rows} rows of {width}");
            let (length, seen) = lengths(emulated, &matrix, 1e-12, true).expect("lengths");
            close(&length, &norm.view([rows]), &what);
            close(&seen.expect("asked for"), &norm.view([rows]), &what);
            assert!(
                lengths(emulated, &matrix, 1e-12, false)
                    .expect("lengths")
                    .1
                    .is_none()
            );
            close(
                &scaled(emulated, &matrix, 1e-12, root).expect("rows"),
                &expected,
                &what,
            );
        }
    }
}

#[test]
fn rows_that_are_not_finite_or_lie_anywhere_are_what_libtorch_makes_of_them() {
    let all = matrix(6, 21);
    let _ = all.get(1).get(3).fill_(f64::NAN);
    let _ = all.get(2).get(4).fill_(f64::INFINITY);
    let _ = all.get(3).fill_(1e-15);
    let room = Tensor::zeros([1 + 6 * 20], (Kind::Float, Device::Cpu));
    let mut there = room.narrow(0, 1, 6 * 20).view([6, 20]);
    there.copy_(&all.narrow(1, 0, 20));
    for matrix in [all, there] {
        let norm = matrix.norm_scalaropt_dim(2.0, [-1i64].as_slice(), true);
        let expected = &matrix * norm.clamp_min(1e-12).reciprocal();
        close(
            &scaled(&LARGE, &matrix, 1e-12, 1.0).expect("rows"),
            &expected,
            "rows",
        );
        let (_, seen) = lengths(&LARGE, &matrix, 1e-12, true).expect("lengths");
        let seen = seen.expect("asked for").nan_to_num(-1.0, 2e9, 2e9);
        let expected = (&norm * norm.gt(1e-12)).view([6]).nan_to_num(-1.0, 2e9, 2e9);
        close(&seen, &expected, "lengths over the floor");
    }
}
