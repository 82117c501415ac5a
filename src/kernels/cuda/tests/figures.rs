//! What is summed for logs, against its formulas in float64.

use super::{LARGE, ORDERS};
use crate::kernels::cuda::figures::{Measured, add, figures, silence};
use crate::kernels::step_tests::Numbers;
use crate::tensor::{Device, Kind, Tensor};

const ROUNDING: f64 = 1e-12;

/// The six figures of a step by the formulas of `docs/metrics.md`.
fn by_formula(error: &Tensor, label: &Tensor, (sum, active): (f64, i64)) -> [f64; 6] {
    let (error, label) = (error.to_kind(Kind::Double), label.to_kind(Kind::Double));
    let rows = |x: &Tensor| Vec::<f64>::try_from(x).expect("numbers");
    let by_row = |x: &Tensor| rows(&x.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Double));
    let centre = label.mean_dim([0i64].as_slice(), false, Kind::Double);
    let (error, spread, squares) = (rows(&error), by_row(&(&label - &centre)), by_row(&label));
    let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / numbers.len() as f64;
    let roots = |numbers: &[f64]| mean(&numbers.iter().map(|x| x.sqrt()).collect::<Vec<_>>());
    let part = |error: f64, spread: f64, squares: f64| {
        if spread > squares * ROUNDING {
            error / spread
        } else {
            f64::NAN
        }
    };
    let parts: Vec<f64> = (0..error.len())
        .map(|at| part(error[at], spread[at], squares[at]))
        .filter(|part| !part.is_nan())
        .collect();
    let length = roots(&squares);
    [
        1.0 - part(mean(&error), mean(&spread), mean(&squares)),
        1.0 - mean(&parts),
        roots(&error),
        roots(&error) / if length == 0.0 { f64::NAN } else { length },
        sum / active.max(1) as f64,
        active as f64 / error.len() as f64,
    ]
}

#[test]
fn figures_of_batches_are_those_of_their_formulas() {
    let draw = |rows: i64, width: i64| {
        let mut draw = Numbers::new((rows + width) as u64);
        Tensor::from_slice(&draw.numbers((rows * width) as usize)).view([rows, width])
    };
    let broken = draw(9, 5);
    let _ = broken.get(4).fill_(f64::NAN);
    for (label, active) in [
        (draw(1, 3), 0),
        (draw(300, 7), 900),
        (draw(40, 33), 17),
        (draw(20, 4).ones_like(), 5),
        (draw(5, 4).zeros_like(), 5),
        (broken, 3),
    ] {
        let tokens = label.size()[0];
        let error = draw(tokens, 1).view([tokens]).abs();
        let sum = 2.5;
        let expected = by_formula(&error, &label, (sum, active));
        let measured = Measured {
            error: &error,
            label: &label,
            activation: &Tensor::from(sum as f32),
            active: &Tensor::from(active),
            rounding: ROUNDING,
        };
        for emulated in ORDERS.iter().chain([&LARGE]) {
            let total = Tensor::from(100.0f64);
            let found = figures(emulated, &measured, &total).expect("figures");
            assert_eq!(total.double_value(&[]), 100.0 + active as f64);
            let all = found.reconstruction.iter().chain([&found.activation, &found.l0]);
            for (found, expected) in all.map(|x| x.double_value(&[])).zip(expected) {
                let is_same = found.is_nan() && expected.is_nan()
                    || (found - expected).abs() <= 1e-4 * expected.abs().max(1.0);
                assert!(is_same, "{found} and {expected} of {label:?}");
            }
        }
    }
}

#[test]
fn values_are_added_to_their_sums_and_what_is_not_there_counts_for_none() {
    let sums = Tensor::ones([2, 19], (Kind::Double, Device::Cpu));
    let numbers: Vec<Tensor> = (0..19)
        .map(|at| Tensor::from(if at == 3 { f32::NAN } else { at as f32 }))
        .collect();
    let mut values: Vec<Option<&Tensor>> = numbers.iter().map(Some).collect();
    values[17] = None;
    add(&LARGE, &sums, &values).expect("added");
    let is_there = |at: usize| at != 3 && at != 17;
    for at in 0..19 {
        let there = if is_there(at) { 1.0 } else { 0.0 };
        assert_eq!(sums.double_value(&[0, at as i64]), 1.0 + there * at as f64);
        assert_eq!(sums.double_value(&[1, at as i64]), 1.0 + there);
    }
    let infinite = Tensor::from(f32::INFINITY);
    let one = Tensor::zeros([2, 1], (Kind::Double, Device::Cpu));
    add(&LARGE, &one, &[Some(&infinite)]).expect("added");
    assert_eq!(one.double_value(&[0, 0]), f64::INFINITY);
    assert!(add(&LARGE, &one, &values).is_err(), "more values than sums");
}

#[test]
fn latents_that_fire_have_not_been_silent() {
    let fired: Vec<f32> = (0..300).map(|at| (at % 3) as f32).collect();
    let before = Tensor::arange(300, (Kind::Int64, Device::Cpu));
    for emulated in ORDERS {
        let after = silence(&emulated, &Tensor::from_slice(&fired), &before, 50).expect("counted");
        let after = Vec::<i64>::try_from(after).expect("numbers");
        let expected = (0..300).map(|at| if at % 3 == 0 { at + 50 } else { 0 });
        assert_eq!(after, expected.collect::<Vec<i64>>());
    }
}
