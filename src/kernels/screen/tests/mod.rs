//! Screening against the full computation with the same products: equal latents and equal bits, whatever the input.

mod bounds;
mod cases;

use super::*;
use crate::kernels::flush::FlushDenormals;
use crate::kernels::rescore::products;
use cases::{Case, Random};

#[test]
fn selects_what_a_full_computation_selects() {
    let mut random = Random(7);
    let mut screen = Screen::default();
    for (rows, width, latents) in [
        (1, 1, 1),
        (3, 5, 1),
        (1, 16, 40),
        (13, 7, 33),
        (70, 33, 100),
        (40, 768, 130),
        (5, 9001, 20),
    ] {
        let times = if width > 100 { 1 } else { 3 };
        for _ in 0..times {
            let case = Case::random(&mut random, rows, width, latents);
            case.check(&mut screen, &format!("{rows} x {width} x {latents}"));
        }
    }
}

#[test]
fn no_rows_and_no_latents_select_nothing() {
    let mut random = Random(9);
    for (rows, latents) in [(0, 5), (5, 0), (0, 0)] {
        let case = Case::random(&mut random, rows, 4, latents);
        let mut out = Rows::default();
        Screen::default().encode(&case.x, &case.encoder(), Keep::Largest(3), &mut out);
        assert_eq!((out.offsets, out.index.len()), (vec![0; rows + 1], 0));
    }
}

#[test]
fn ties_go_to_the_first() {
    let mut random = Random(11);
    let mut case = Case::random(&mut random, 20, 12, 90);
    for latent in 30..90 {
        let (old, new) = ((latent % 30) * 12, latent * 12);
        case.weight.copy_within(old..old + 12, new);
        case.bias[latent] = case.bias[latent % 30];
    }
    case.factor = None;
    case.x.copy_within(0..120, 120);
    case.check(&mut Screen::default(), "copies");
    for (at, value) in case.weight.iter_mut().enumerate().skip(30 * 12) {
        *value = f32::from_bits(value.to_bits() + u32::from(at % 5 == 0));
    }
    case.check(&mut Screen::default(), "copies but for one ulp");
    case.x.fill(1.0);
    case.weight.fill(0.25);
    case.bias.fill(0.0);
    case.check(&mut Screen::default(), "all equal");
    case.bias.fill(-30.0);
    case.check(&mut Screen::default(), "all below zero");
    case.x.fill(0.0);
    case.check(&mut Screen::default(), "zero rows, below zero");
    case.bias.fill(0.0);
    case.check(&mut Screen::default(), "zero rows, zero bias");
    case.bias = random.normals(90, 1e-30);
    case.check(&mut Screen::default(), "zero rows");
    case.weight.fill(0.0);
    case.x = random.normals(240, 1.0);
    case.check(&mut Screen::default(), "zero weights");
}

/// Checks every combination of sizes of rows and weights.
fn check_sizes(seed: u64) {
    let mut random = Random(seed);
    let mut screen = Screen::default();
    let sizes = [
        1e-44, 1e-38, 1e-30, 1e-22, 1e-15, 1e-8, 1.0, 1e8, 1e11, 1e13, 1e15, 1e19, 1e30, 1e38,
    ];
    for x in sizes {
        for weight in sizes {
            let mut case = Case::random(&mut random, 5, 19, 37);
            case.x.iter_mut().for_each(|value| *value *= x);
            case.weight.iter_mut().for_each(|value| *value *= weight);
            let bias = [0.0, 1e-44, 1e-20, 1.0, 1e20][random.below(5)];
            case.bias.iter_mut().for_each(|value| *value *= bias);
            let factor = sizes[random.below(sizes.len())];
            if let Some(factors) = &mut case.factor {
                factors.iter_mut().for_each(|value| *value *= factor);
            }
            case.check(
                &mut screen,
                &format!("x {x}, weights {weight}, bias {bias}, factor {factor}"),
            );
        }
    }
}

#[test]
fn every_size_of_number_is_exact() {
    check_sizes(13);
}

#[test]
fn denormal_numbers_may_count_as_zero() {
    let _flush = FlushDenormals::start();
    check_sizes(29);
}

#[test]
fn numbers_of_different_sizes_meet() {
    let mut random = Random(15);
    let mut screen = Screen::default();
    for time in 0..30 {
        let mut case = Case::random(&mut random, 9, 21, 50);
        for row in case.x.chunks_mut(21).chain(case.weight.chunks_mut(21)) {
            let size = 10f32.powi(random.below(76) as i32 - 38);
            row.iter_mut()
                .for_each(|value| *value *= if time % 2 == 0 { size } else { size.powf(0.2) });
            let outlier = random.below(21);
            row[outlier] *= [1.0, 60.0, 1e6][random.below(3)];
        }
        case.check(&mut screen, &format!("mixed {time}"));
    }
}

#[test]
fn what_is_not_finite_comes_first() {
    let mut random = Random(17);
    let mut screen = Screen::default();
    for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for time in 0..4 {
            let mut case = Case::random(&mut random, 15, 8, 60);
            if time != 1 {
                case.x[random.below(120)] = special;
            }
            if time != 0 {
                case.weight[random.below(480)] = special;
            }
            if time == 3 {
                case.bias[random.below(60)] = special;
                case.bias[random.below(60)] = f32::NAN;
            }
            case.check(&mut screen, &format!("{special} {time}"));
        }
    }
}

#[test]
fn guesses_that_fail_change_nothing() {
    let mut random = Random(19);
    let mut screen = Screen::default();
    let first = Case::random(&mut random, 300, 24, 200);
    for factor in [1.0, 1e-3, 1.0, -1.0, 30.0, 0.1] {
        let mut case = first.clone();
        case.x.iter_mut().for_each(|value| *value *= factor);
        case.bias
            .iter_mut()
            .for_each(|value| *value -= if factor == -1.0 { 3.0 } else { 0.0 });
        for isa in Isa::ALL.into_iter().filter(|&isa| isa <= Isa::best()) {
            case.check_one(isa, &mut screen, Keep::Largest(10), "guess");
            case.check_one(isa, &mut screen, Keep::Batch(3000), "guess");
        }
    }
}

#[test]
fn guesses_that_only_wide_bounds_reach_change_nothing() {
    let mut random = Random(35);
    let mut case = Case::random(&mut random, 100, 24, 200);
    case.bias.fill(0.0);
    case.factor = None;
    case.x.iter_mut().step_by(24).for_each(|value| *value = 0.0);
    // Every other latent has a large weight that multiplies zeros, so that it survives with a low score.
    let large = |case: &mut Case| {
        case.weight
            .iter_mut()
            .step_by(48)
            .for_each(|weight| *weight = 5000.0)
    };
    for factor in [0.8, 0.85, 0.9, 0.95, 0.97] {
        let mut lower = case.clone();
        lower.weight.iter_mut().for_each(|weight| *weight *= factor);
        large(&mut case);
        large(&mut lower);
        for isa in Isa::ALL.into_iter().filter(|&isa| isa <= Isa::best()) {
            for keep in [Keep::Largest(10), Keep::Batch(1000)] {
                let mut screen = Screen::default();
                case.check_one(isa, &mut screen, keep, "before");
                lower.check_one(isa, &mut screen, keep, "after");
            }
        }
    }
}

#[test]
fn scores_just_above_their_bounds_are_found() {
    let mut random = Random(37);
    for (rows, width, latents) in [(1, 3, 1000), (12, 30, 1000), (50, 300, 1000)] {
        let case = Case::random(&mut random, rows, width, latents);
        for isa in Isa::ALL.into_iter().filter(|&isa| isa <= Isa::best()) {
            let all = (0..latents as u32).collect::<Vec<_>>();
            let mut bounds = vec![f32::INFINITY; latents];
            for (row, x) in case.x.chunks(width).enumerate() {
                let mut values = vec![0.0; latents];
                products(isa, x, &case.weight, &case.bias, &all, &mut values);
                // At most one in a panel, so that nothing else has it looked at.
                for latent in (row..latents).step_by(rows).filter(|latent| latent % 17 == 0) {
                    let score = case.encoder().score(latent as u32, values[latent]);
                    bounds[latent] = score.max(0.0).next_down().max(0.0);
                }
            }
            case.check_one(isa, &mut Screen::default(), Keep::Above(&bounds), "just above");
        }
    }
}

#[test]
fn all_scores_pass_a_bound_that_is_nan() {
    let mut random = Random(39);
    for (rows, width, latents) in [(1, 3, 40), (12, 30, 500)] {
        let mut case = Case::random(&mut random, rows, width, latents);
        case.factor = None;
        let mut bounds = vec![f32::INFINITY; latents];
        // At most one in a panel, so that nothing else has it looked at.
        bounds.iter_mut().step_by(17).for_each(|bound| *bound = f32::NAN);
        let all = (0..latents as u32).step_by(17).collect::<Vec<_>>();
        for isa in Isa::ALL.into_iter().filter(|&isa| isa <= Isa::best()) {
            let (mut screen, mut out) = (Screen::default(), Rows::default());
            let keep = Keep::Above(&bounds);
            let counts = screen.encode_with(isa, &case.x, &case.encoder(), keep, &mut out);
            assert_eq!((counts.candidates, counts.full), (rows * all.len(), 0));
            assert_eq!(out.index, all.repeat(rows));
            let mut special = case.clone();
            special.x[width - 1] = f32::INFINITY;
            special.weight[17 * width] = f32::NAN;
            special.check_one(isa, &mut screen, keep, "bounds that are NaN");
        }
    }
}

#[test]
fn latents_with_a_factor_of_zero_are_never_selected() {
    let mut random = Random(41);
    let (rows, width, latents) = (12, 20, 300);
    for special in [f32::NAN, f32::INFINITY, 1e30, 1.0] {
        let mut case = Case::random(&mut random, rows, width, latents);
        case.x[0] = special;
        let mut factor = vec![1.0; latents];
        for latent in (0..latents).step_by(17) {
            factor[latent] = if latent % 2 == 0 { 0.0 } else { -0.0 };
            case.weight[latent * width] = special;
            case.bias[latent] = special;
        }
        case.factor = Some(factor);
        let bounds = vec![f32::NAN; latents];
        for isa in Isa::ALL.into_iter().filter(|&isa| isa <= Isa::best()) {
            for keep in [
                Keep::Largest(latents),
                Keep::Batch(rows * latents),
                Keep::Above(&bounds),
            ] {
                let (mut screen, mut out) = (Screen::default(), Rows::default());
                case.check_one(isa, &mut screen, keep, "factors of zero");
                let counts = screen.encode_with(isa, &case.x, &case.encoder(), keep, &mut out);
                assert!(out.index.iter().all(|latent| latent % 17 != 0) && !out.index.is_empty());
                let fires = latents - latents.div_ceil(17);
                assert!(counts.candidates <= (rows - counts.full) * fires);
            }
        }
    }
}

#[test]
fn most_that_need_no_number_have_none() {
    let (rows, width, latents) = (50, 300, 1000);
    let case = Case::random(&mut Random(43), rows, width, latents);
    let (bounds, spans) = (vec![0.0; latents], vec![1e30; latents]);
    for isa in Isa::ALL.into_iter().filter(|&isa| isa <= Isa::best()) {
        let (within, bare) = case.check_between(isa, &mut Screen::default(), (&bounds, &spans), "positive");
        assert!(
            within > rows * latents / 4 && bare * 100 > within * 95,
            "{bare} of {within}"
        );
    }
}

#[test]
fn guesses_that_fail_are_counted() {
    let mut random = Random(21);
    let case = Case::random(&mut random, 300, 24, 200);
    let mut screen = Screen::default();
    let mut encode = |x: &[f32], keep| screen.encode(x, &case.encoder(), keep, &mut Rows::default());
    let zero_mean = case.x.iter().map(|value| value * 0.1).collect::<Vec<_>>();
    for keep in [Keep::Largest(10), Keep::Batch(3000)] {
        assert_eq!(encode(&case.x, keep).redone, 0);
        let again = encode(&case.x, keep);
        assert!(
            again.redone < 30 && again.candidates >= 3000 && again.candidates < 4000,
            "{again:?}"
        );
        let lower = encode(&zero_mean, keep);
        assert!(
            matches!(keep, Keep::Largest(_)) || lower.redone >= 300,
            "{lower:?}"
        );
    }
}

#[test]
fn few_candidates_are_left() {
    let mut random = Random(23);
    let mut case = Case::random(&mut random, 64, 256, 2000);
    case.factor = None;
    let mut screen = Screen::default();
    let counts = screen.encode(&case.x, &case.encoder(), Keep::Largest(20), &mut Rows::default());
    assert_eq!((counts.full, counts.rows), (0, 64));
    assert!(counts.candidates < 64 * 22, "{counts:?}");
}

#[test]
fn long_lists_are_pruned_or_given_up() {
    let mut random = Random(25);
    let mut case = Case::random(&mut random, 6, 20, 3000);
    case.factor = None;
    case.check(&mut Screen::default(), "long");
    case.weight
        .iter_mut()
        .for_each(|value| *value = 0.5 + *value * 1e-6);
    case.bias.fill(0.0);
    case.check(&mut Screen::default(), "long and nearly equal");
    let mut screen = Screen::default();
    case.x.iter_mut().for_each(|value| *value = value.abs());
    let counts = screen.encode(&case.x, &case.encoder(), Keep::Largest(2), &mut Rows::default());
    assert_eq!(counts.full, 6);
}
