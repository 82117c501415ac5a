//! Every library against float64, whatever the shape, the order of the numbers and the numbers themselves.

use tch::{Device, Kind, Tensor};

use super::backend::Backend;
use super::speed::is_accurate;

fn here() -> impl Iterator<Item = Backend> {
    Backend::ALL.into_iter().filter(|backend| backend.is_available())
}

/// Numbers of both signs and very different sizes, the same in every run.
fn numbers(rows: i64, columns: i64) -> Tensor {
    let row = Tensor::arange(rows * columns, (Kind::Float, Device::Cpu));
    let waves = (&row * 0.7).sin() * (&row * 0.013).cos().exp();
    waves.reshape([rows, columns])
}

/// The matrix in several orders of its numbers: by row, by column, with gaps, every second row of another.
fn orders(rows: i64, columns: i64) -> Vec<Tensor> {
    let wide = numbers(rows, columns + 3);
    let tall = numbers(2 * rows, columns);
    vec![
        numbers(rows, columns),
        numbers(columns, rows).tr(),
        wide.narrow(1, 1, columns),
        tall.slice(0, 0, 2 * rows, 2),
    ]
}

#[test]
fn products_have_the_accuracy_of_sums_in_float32() {
    for (rows, inner, columns) in [
        (2, 5, 2),
        (33, 17, 65),
        (7, 1, 129),
        (64, 768, 50),
        (3, 20_001, 5),
        (130, 63, 515),
    ] {
        for backend in here() {
            for a in orders(rows, inner) {
                for b in orders(inner, columns) {
                    let right = is_accurate(backend, &a, &b).expect("shapes fit");
                    let (a, b) = (a.stride(), b.stride());
                    assert!(right, "{backend}: {rows} × {inner} × {columns}, {a:?} and {b:?}");
                }
            }
        }
    }
}

#[test]
fn products_are_put_where_they_should_be_or_added_to_what_is_there() {
    for backend in here() {
        for sum in orders(40, 70) {
            let (a, b) = (numbers(40, 90), numbers(70, 90).tr());
            let product = a.to_kind(Kind::Double).matmul(&b.to_kind(Kind::Double));
            let expected = sum.to_kind(Kind::Double) + &product;
            let mut found = sum.shallow_clone();
            let compare = |found: &Tensor, expected: &Tensor| {
                assert_eq!(found.data_ptr(), sum.data_ptr());
                let apart = (found.to_kind(Kind::Double) - expected).abs().max();
                let apart = f64::try_from(apart).expect("a number");
                assert!(apart < 1e-4, "{backend}: {apart:e}");
            };
            backend.add(&mut found, &a, &b).expect("shapes fit");
            compare(&found, &expected);
            let _ = found.fill_(f64::NAN);
            backend.put(&mut found, &a, &b).expect("shapes fit");
            compare(&found, &product);
        }
    }
}

#[test]
fn numbers_that_are_none_reach_the_rows_and_columns_they_belong_to() {
    for backend in here() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let (a, b) = (numbers(40, 50), numbers(50, 60));
            let _ = a.get(3).narrow(0, 7, 1).fill_(bad);
            let _ = b.narrow(1, 11, 1).fill_(bad);
            let product = backend.multiply(&a, &b).expect("shapes fit");
            let wide = a.to_kind(Kind::Double).matmul(&b.to_kind(Kind::Double));
            let same = product.isfinite().eq_tensor(&wide.isfinite()).all();
            assert_eq!(i64::try_from(same).expect("a number"), 1, "{backend}: {bad}");
            let infinite = |x: &Tensor| x.nan_to_num(0.0, 1.0, -1.0) * x.isinf();
            let same = infinite(&product)
                .eq_tensor(&infinite(&wide).to_kind(Kind::Float))
                .all();
            assert_eq!(i64::try_from(same).expect("a number"), 1, "{backend}: {bad}");
        }
    }
}

#[test]
fn empty_matrices_and_the_same_bytes_again() {
    for (rows, inner, columns) in [(0, 4, 5), (4, 0, 5), (4, 5, 0)] {
        let (a, b) = (numbers(rows, inner), numbers(inner, columns));
        let product = super::matmul(&a, &b).expect("shapes fit");
        assert_eq!(product.size(), [rows, columns]);
        assert_eq!(f64::try_from(product.sum(Kind::Double)).expect("a number"), 0.0);
    }
    for backend in here() {
        let (a, b) = (numbers(200, 300), numbers(250, 300).tr());
        let (first, second) = (backend.multiply(&a, &b), backend.multiply(&a, &b));
        assert_eq!(
            first.expect("shapes fit"),
            second.expect("shapes fit"),
            "{backend}"
        );
    }
}

#[test]
fn libraries_are_known_by_their_names() {
    for backend in Backend::ALL {
        assert_eq!(backend.name().parse::<Backend>().expect("its name"), backend);
    }
    let error = "blas".parse::<Backend>().expect_err("no such library");
    assert!(error.to_string().contains("`gemm`"), "{error}");
}
