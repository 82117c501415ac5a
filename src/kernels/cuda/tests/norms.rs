//! Norms of gradients against the processor's.

use super::{LARGE, ORDERS};
use crate::kernels::cuda::norms::{Norms, norms};
use crate::kernels::norms::statistics;
use crate::kernels::step_tests::Numbers;
use crate::tensor::{Device, Kind, Tensor};

/// Gradients of these numbers of entries, every third of which is 0.
fn gradients(counts: &[usize]) -> Vec<Tensor> {
    let mut draw = Numbers::new(11);
    let mut one = |count: &usize| {
        let mut numbers = draw.numbers(*count);
        numbers.iter_mut().step_by(3).for_each(|number| *number = 0.0);
        Tensor::from_slice(&numbers)
    };
    counts.iter().map(&mut one).collect()
}

/// The sum of squares and the number of entries that are not 0, by the processor's kernel.
fn sums(gradients: &[Tensor]) -> (f64, u64) {
    gradients.iter().fold((0.0, 0), |(squares, nonzeros), gradient| {
        let numbers = Vec::<f32>::try_from(gradient).expect("numbers");
        let more = statistics(&numbers);
        (squares + more.squares, nonzeros + more.nonzeros)
    })
}

fn norm((squares, nonzeros): (f64, u64)) -> f64 {
    (squares / nonzeros.max(1) as f64).sqrt()
}

fn values(found: &Norms) -> [f64; 3] {
    assert_eq!(
        (found.before.kind(), found.after.kind()),
        (Kind::Float, Kind::Float)
    );
    let scale = found.scale.as_ref().map_or(1.0, |scale| scale.double_value(&[]));
    [
        found.before.double_value(&[]),
        scale,
        found.after.double_value(&[]),
    ]
}

#[test]
fn norms_and_the_factor_of_clipping_are_those_of_the_processor() {
    for (held, free) in [
        (&[5003, 1, 7, 64][..], &[][..]),
        (&[129, 40_000, 3, 0, 17, 6], &[33]),
        (&[8], &[100, 4]),
        (&[0], &[]),
        (&[], &[]),
    ] {
        let (clipped, free) = (gradients(held), gradients(free));
        let (held, more) = (sums(&clipped), sums(&free));
        let before = norm(held);
        for most in [0.0, before * 0.25, before * 4.0 + 1.0] {
            let scale = if most > 0.0 && before > most {
                most / (before + 1e-6)
            } else {
                1.0
            };
            let after = norm((held.0 * scale * scale + more.0, held.1 + more.1));
            let all = ORDERS.iter().chain([&LARGE]).map(|emulated| {
                let found = norms(emulated, &clipped, &free, most).expect("norms");
                assert_eq!(found.scale.is_some(), most > 0.0);
                values(&found)
            });
            let all: Vec<_> = all.collect();
            assert!(
                all.iter().all(|one| *one == all[0]),
                "blocks of every size add in one order"
            );
            for (found, expected) in all[0].iter().zip([before, scale, after]) {
                assert!(
                    (found - expected).abs() <= 1e-6 * expected,
                    "{found} {expected} {most}"
                );
            }
        }
    }
}

#[test]
fn numbers_that_are_not_finite_reach_the_norm_and_do_not_clip() {
    let gradient = gradients(&[1000]).remove(0);
    let _ = gradient.get(17).fill_(f64::NAN);
    let [before, scale, after] = values(&norms(&LARGE, &[gradient], &[], 0.1).expect("norms"));
    assert!(before.is_nan() && after.is_nan());
    assert_eq!(scale, 1.0);
}

#[test]
fn gradients_that_begin_anywhere_are_read_number_by_number() {
    let all = gradients(&[4001]).remove(0);
    let found = |gradient: &Tensor| {
        let gradients = [gradient.shallow_clone()];
        values(&norms(&LARGE, &gradients, &[], 0.0).expect("norms"))
    };
    for start in 1..4 {
        let view = all.narrow(0, start, 3990);
        let copy = view.copy();
        assert!((found(&view)[0] - found(&copy)[0]).abs() < 1e-7);
    }
    let doubles = Tensor::zeros([3], (Kind::Double, Device::Cpu));
    assert!(norms(&LARGE, &[doubles], &[], 0.0).is_err());
}
