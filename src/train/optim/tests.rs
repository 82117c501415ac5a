//! Every optimiser against its published formula, computed number by number in float64.

use super::method::{EPSILON, Rates, State};
use super::table::OptimizerClass;
use crate::dictionary::Role;
use crate::tensor::{Device, Tensor};

const LR: f64 = 0.01;
const BETAS: (f64, f64) = (0.9, 0.99);
const MOMENTUM: f64 = 0.8;
const DECAY: f64 = 0.1;
const SHAPE: (usize, usize) = (3, 2);

fn rates(role: Role) -> Rates {
    Rates {
        role,
        lr: LR,
        beta1: BETAS.0,
        beta2: BETAS.1,
        momentum: MOMENTUM,
        weight_decay: DECAY,
    }
}

/// The gradient of a step: fixed numbers of both signs.
fn gradient(step: usize) -> Vec<f64> {
    let number = |index: usize| ((step * 7 + index * 3) % 11) as f64 / 5.0 - 1.0;
    (0..SHAPE.0 * SHAPE.1).map(number).collect()
}

fn begin() -> Vec<f64> {
    (0..SHAPE.0 * SHAPE.1)
        .map(|index| index as f64 / 4.0 - 0.5)
        .collect()
}

fn tensor(values: &[f64]) -> Tensor {
    Tensor::from_slice(values)
        .to_device(Device::Cpu)
        .reshape([SHAPE.0 as i64, SHAPE.1 as i64])
}

/// The parameter after four moves by the optimiser.
fn moved(class: OptimizerClass, role: Role) -> Vec<f64> {
    let method = class.method();
    let mut parameter = tensor(&begin());
    let mut state = State {
        name: "W_E",
        kinds: method.keeps(role),
        tensors: method
            .keeps(role)
            .iter()
            .map(|_| parameter.zeros_like())
            .collect(),
        steps: 0,
        counted: None,
    };
    for step in 0..4 {
        method
            .step(&mut parameter, &tensor(&gradient(step)), &mut state, rates(role))
            .expect("moved");
    }
    Vec::<f64>::try_from(parameter.reshape([-1])).expect("numbers")
}

fn close(class: OptimizerClass, role: Role, expected: &[f64], tolerance: f64) {
    for (ours, theirs) in moved(class, role).iter().zip(expected) {
        assert!(
            (ours - theirs).abs() < tolerance,
            "{class:?}: {ours} and {theirs}"
        );
    }
}

/// Adam by its formula, with a decay of its own.
fn adam(decay: f64) -> Vec<f64> {
    let mut p = begin();
    let (mut m, mut v) = (vec![0.0; p.len()], vec![0.0; p.len()]);
    for step in 0..4 {
        for (index, g) in gradient(step).into_iter().enumerate() {
            m[index] = BETAS.0 * m[index] + (1.0 - BETAS.0) * g;
            v[index] = BETAS.1 * v[index] + (1.0 - BETAS.1) * g * g;
            let power = step as i32 + 1;
            let m_hat = m[index] / (1.0 - BETAS.0.powi(power));
            let v_hat: f64 = v[index] / (1.0 - BETAS.1.powi(power));
            p[index] *= 1.0 - LR * decay;
            p[index] -= LR * m_hat / (v_hat.sqrt() + EPSILON);
        }
    }
    p
}

#[test]
fn adam_and_adamw_follow_their_formulas() {
    close(OptimizerClass::Adam, Role::Weight, &adam(0.0), 1e-12);
    close(OptimizerClass::AdamW, Role::Weight, &adam(DECAY), 1e-12);
    close(OptimizerClass::AdamW, Role::Bias, &adam(0.0), 1e-12);
    close(OptimizerClass::Muon, Role::Threshold, &adam(0.0), 1e-12);
}

#[test]
fn sgd_and_signum_follow_their_formulas() {
    let (mut sgd, mut signum) = (begin(), begin());
    let (mut buffer, mut mean) = (vec![0.0; sgd.len()], vec![0.0; sgd.len()]);
    for step in 0..4 {
        for (index, g) in gradient(step).into_iter().enumerate() {
            buffer[index] = MOMENTUM * buffer[index] + g;
            sgd[index] -= LR * buffer[index];
            mean[index] = MOMENTUM * mean[index] + (1.0 - MOMENTUM) * g;
            let sign = if mean[index] == 0.0 {
                0.0
            } else {
                f64::signum(mean[index])
            };
            signum[index] -= LR * sign;
        }
    }
    close(OptimizerClass::Sgd, Role::Weight, &sgd, 1e-12);
    close(OptimizerClass::Signum, Role::Weight, &signum, 1e-12);
}

/// `x · y` of matrices by rows.
fn product(x: &[Vec<f64>], y: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let cell = |row: &Vec<f64>, column: usize| row.iter().zip(y).map(|(a, b)| a * b[column]).sum();
    let row_of = |row| (0..y[0].len()).map(|column| cell(row, column)).collect();
    x.iter().map(row_of).collect()
}

fn transposed(x: &[Vec<f64>]) -> Vec<Vec<f64>> {
    (0..x[0].len())
        .map(|column| x.iter().map(|row| row[column]).collect())
        .collect()
}

/// The iterations of Newton and Schulz on a matrix with more rows than columns, on its transpose.
fn orthogonal_by_hand(x: &[f64]) -> Vec<f64> {
    let rows: Vec<Vec<f64>> = x.chunks(SHAPE.1).map(<[f64]>::to_vec).collect();
    let mut x = transposed(&rows);
    let norm = x
        .iter()
        .flatten()
        .map(|number| number * number)
        .sum::<f64>()
        .sqrt()
        + 1e-7;
    x.iter_mut().flatten().for_each(|number| *number /= norm);
    for _ in 0..5 {
        let square = product(&x, &transposed(&x));
        let fourth = product(&square, &square);
        let series: Vec<Vec<f64>> = square
            .iter()
            .zip(&fourth)
            .map(|(a, b)| a.iter().zip(b).map(|(a, b)| -4.7750 * a + 2.0315 * b).collect())
            .collect();
        let moved = product(&series, &x);
        for (row, moved) in x.iter_mut().zip(&moved) {
            for (number, moved) in row.iter_mut().zip(moved) {
                *number = 3.4445 * *number + moved;
            }
        }
    }
    transposed(&x).concat()
}

#[test]
fn muon_follows_its_formula() {
    let mut p = begin();
    let mut mean = vec![0.0; p.len()];
    let scale = (SHAPE.0 as f64 / SHAPE.1 as f64).sqrt();
    for step in 0..4 {
        let g = gradient(step);
        for (mean, g) in mean.iter_mut().zip(&g) {
            *mean = MOMENTUM * *mean + (1.0 - MOMENTUM) * g;
        }
        let ahead: Vec<f64> = mean
            .iter()
            .zip(&g)
            .map(|(mean, g)| (1.0 - MOMENTUM) * g + MOMENTUM * mean)
            .collect();
        for (p, direction) in p.iter_mut().zip(orthogonal_by_hand(&ahead)) {
            *p = *p * (1.0 - LR * DECAY) - LR * scale * direction;
        }
    }
    close(OptimizerClass::Muon, Role::Weight, &p, 1e-9);
}
