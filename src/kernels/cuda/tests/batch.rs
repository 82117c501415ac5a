//! Encoding of the largest of a batch against the kernels of the processor.

use super::cases::{Case, by_row};
use super::{LARGE, ORDERS};
use crate::kernels::cuda::Launcher;
use crate::kernels::cuda::batch::{Limits, largest_of_batch, largest_of_batch_within};
use crate::kernels::cuda::estimate::Counted;
use crate::kernels::cuda::pairs::Pairs;
use crate::kernels::screen::{Counts, Keep};
use crate::tensor::Device;

const EVERYTHING: Limits = Limits {
    bytes: 1 << 30,
    room: 1 << 12,
};

fn selected(launcher: &dyn Launcher, case: &Case, k: usize, limits: Limits) -> (Pairs, Counts) {
    let given = case.given();
    let mut counted = Counted::new(Device::Cpu).expect("room to count");
    let wanted = (k as i64, limits);
    let pairs = largest_of_batch_within(launcher, &given.x, &given.encoder(), wanted, &mut counted);
    (pairs.expect("selected"), counted.counts().expect("counts"))
}

/// Compares the selection of `k` latents for each row with the processor's: with room for everything, with some rows at a time
/// and room for about as many candidates as are selected, and with room for none.
fn check(case: &Case, k: usize, what: &str) {
    let expected = case.expected(Keep::Batch(k * case.rows()));
    let row = 4 * case.latents() as i64;
    for (emulated, limits) in [
        (ORDERS[0], EVERYTHING),
        (
            ORDERS[1],
            Limits {
                bytes: 3 * row,
                room: k as i64 + 1,
            },
        ),
        (
            ORDERS[0],
            Limits {
                bytes: 2 * row,
                room: 0,
            },
        ),
    ] {
        let (pairs, counts) = selected(&emulated, case, k, limits);
        let what = format!("{what}, {limits:?}");
        case.check(&by_row(&pairs, case.latents()), &expected, &what);
        assert_eq!(counts.rows, case.rows(), "{what}");
        if limits.room == 0 {
            assert_eq!(counts.candidates, 0, "{what}");
        }
    }
}

#[test]
fn odd_sizes_select_what_the_processor_selects() {
    Case::each_size(check);
    check(&Case::new(4, 768, 1100), 600, "more than a half");
    let case = Case::new(11, 20, 300);
    let given = case.given();
    let mut counted = Counted::new(Device::Cpu).expect("room to count");
    let pairs = largest_of_batch(&LARGE, &given.x, &given.encoder(), 4, &mut counted).expect("selected");
    case.check(
        &by_row(&pairs, 300),
        &case.expected(Keep::Batch(44)),
        "as a step asks",
    );
    let counts = counted.counts().expect("counts");
    assert_eq!((counts.rows, counts.full), (11, 0));
    assert!((44..200).contains(&counts.candidates), "{counts:?}");
}

#[test]
fn rows_that_have_everything_and_rows_that_have_nothing() {
    let mut case = Case::new(9, 14, 250);
    for (row, x) in case.x.chunks_mut(14).enumerate() {
        let size = [1.0, 1e-3, 50.0][row % 3];
        x.iter_mut().for_each(|value| *value *= size);
    }
    check(&case, 12, "rows of several sizes");
    check(&case, 83, "as many as are above zero in some rows");
    case.x.truncate(14);
    check(&case, 17, "one row");
    case.x.clear();
    check(&case, 3, "no rows");
}

#[test]
fn ties_empty_and_full_selections() {
    let mut case = Case::of_copies();
    check(&case, 11, "copies");
    case.x.copy_within(0..36, 36);
    check(&case, 150, "copies in rows that are copies");
    check(&case, 700, "all of them");
    case.bias.fill(-100.0);
    check(&case, 11, "none above zero");
    case.bias.fill(0.5);
    case.x.fill(0.0);
    check(&case, 11, "zero rows: all tie");
    check(&case, 699, "all but a few of what ties");
    case.weight.fill(0.0);
    check(&case, 500, "zero weights");
    case.bias.fill(0.0);
    check(&case, 500, "zeros");
}

#[test]
fn numbers_without_a_bound_are_computed_all_the_same() {
    Case::each_odd(5, |case, _, what| {
        check(case, 4, what);
        check(case, 100, what);
    });
}

#[test]
fn every_size_of_number_is_exact() {
    for x in [1e-44f32, 1e-38, 1e-22, 1.0, 1e11, 1e19] {
        for weight in [1e-30f32, 1.0, 1e15] {
            let mut case = Case::new(4, 19, 37);
            case.x.iter_mut().for_each(|value| *value *= x);
            case.weight.iter_mut().for_each(|value| *value *= weight);
            case.bias.iter_mut().for_each(|value| *value *= x);
            check(&case, 5, &format!("x {x}, weights {weight}"));
        }
    }
}

#[test]
fn too_many_are_refused() {
    let case = Case::new(2, 3, 5);
    let given = case.given();
    let mut counted = Counted::new(Device::Cpu).expect("room to count");
    for k in [0, i64::from(i32::MAX)] {
        let found = largest_of_batch(&LARGE, &given.x, &given.encoder(), k, &mut counted);
        assert!(found.expect_err("refused").message().contains("cannot select"));
    }
}
