//! The bound itself: no estimate is further from its score, and it is no wider than it has to be.

use super::super::block::{Block, Lists};
use super::super::weights::Weights;
use super::super::worker::{Job, survivors};
use super::cases::{Case, Random};
use super::*;
use crate::kernels::rescore::products;

/// What a bound is measured by.
struct Widest {
    /// The largest error in units of its bound.
    error: f64,
    /// The largest bound in units of the product of the norms.
    bound: f64,
}

/// Compares every estimate with its score, and returns what was largest.
fn widest(isa: Isa, case: &Case) -> Widest {
    let encoder = case.encoder();
    let latents = encoder.latents();
    let (tile, group) = Job::tile(isa);
    let mut weights = Weights::default();
    weights.fill(isa, &encoder, Keep::Largest(1), group);
    let mut block = Block::default();
    let lists = Lists {
        capacity: latents + 64,
        largest: None,
    };
    let row = |at: usize| &case.x[at * case.width..][..case.width];
    block.fill(isa, (case.rows(), row), (tile, group * PANEL), &weights, lists);
    block.limit[..case.rows()].fill(-f32::MAX);
    survivors(isa, &weights, &mut block);
    let norm = |row: &[f32]| {
        row.iter()
            .map(|&value| f64::from(value) * f64::from(value))
            .sum::<f64>()
            .sqrt()
    };
    let mut widest = Widest {
        error: 0.0,
        bound: 0.0,
    };
    for slot in 0..case.rows() {
        let (index, estimates) = block.survivors(slot);
        let fires = (0..latents as u32)
            .filter(|&latent| encoder.may_fire(latent))
            .collect::<Vec<_>>();
        assert_eq!(index, fires);
        let mut values = vec![0.0; index.len()];
        products(isa, row(slot), &case.weight, &case.bias, index, &mut values);
        for ((&latent, &estimate), &value) in index.iter().zip(estimates).zip(&values) {
            let bound = f64::from(block.bound(slot, latent, &weights));
            let error = (f64::from(estimate) - f64::from(encoder.score(latent, value))).abs();
            assert!(
                error <= bound,
                "{isa:?}, row {slot}, latent {latent}: {error} > {bound}"
            );
            let weight = &case.weight[latent as usize * case.width..][..case.width];
            widest.error = widest.error.max(if bound > 0.0 { error / bound } else { 0.0 });
            widest.bound = widest.bound.max(bound / (norm(row(slot)) * norm(weight)));
        }
    }
    widest
}

fn sets() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|&isa| isa <= Isa::best())
}

#[test]
fn no_error_exceeds_its_bound() {
    let mut random = Random(31);
    for (rows, width, latents) in [(1, 1, 1), (7, 2, 40), (20, 5, 100), (30, 64, 90), (13, 999, 50)] {
        for _ in 0..20 {
            let mut case = Case::random(&mut random, rows, width, latents);
            for row in case.x.chunks_mut(width).chain(case.weight.chunks_mut(width)) {
                let size = 10f32.powi(random.below(16) as i32 - 8);
                row.iter_mut().for_each(|value| *value *= size);
                row[random.below(width)] *= [1.0, 0.0, 30.0, 3000.0][random.below(4)];
            }
            sets().for_each(|isa| assert!(widest(isa, &case).error > 0.0 || width * latents == 1));
        }
    }
}

#[test]
fn bounds_are_tight_where_numbers_are_common() {
    let mut random = Random(33);
    let mut case = Case::random(&mut random, 20, 768, 64);
    case.factor = None;
    for isa in sets() {
        let widest = widest(isa, &case);
        assert!(widest.bound < 5e-4, "{}", widest.bound);
    }
}

#[test]
fn sums_of_equal_rows_do_not_overflow() {
    for width in [1, 2, 3, 4, 5, 100, 1001, 20_000, 100_001] {
        for (sign, other) in [(1.0, 1.0), (-1.0, 1.0), (1.0, 0.0), (-1.0, 0.9)] {
            let row = |first: f32, rest: f32| (0..width).map(move |at| if at < 2 { first } else { rest });
            let case = Case {
                width,
                x: row(1.0, other).collect(),
                weight: row(sign, sign * other).chain(row(sign * 0.7, other)).collect(),
                bias: vec![0.0; 2],
                factor: None,
            };
            // Entries of both rows are off by a half at most, of a norm of 46,300.
            let rounding = 1.1 * (width as f64).sqrt() / 46300.0;
            sets().for_each(|isa| assert!(widest(isa, &case).bound < rounding + 1e-4));
        }
    }
}
