use super::activate::activate_in;
use super::derive::derive_in;
use super::power::power_in;
use super::soft::soft_counts_in;
use super::*;
use crate::kernels::isa::Isa;
use crate::kernels::lanes::{self, GROUP, Kernel, Lanes};

/// Numbers that look random, the same each time, around 0.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next() * 2.0).collect()
}

fn positive(count: usize, seed: u64) -> Vec<f32> {
    numbers(count, seed)
        .iter()
        .map(|number| number.abs() + 0.1)
        .collect()
}

/// What is known of `width` latents.
struct Known {
    norm: Vec<f32>,
    threshold: Vec<f32>,
    bounds: Vec<f32>,
    is_jump: bool,
    is_scaled: bool,
}

impl Known {
    fn new(width: usize, is_jump: bool, is_scaled: bool) -> Self {
        Known {
            norm: positive(width, 1),
            threshold: positive(width, 2),
            bounds: positive(width, 3),
            is_jump,
            is_scaled,
        }
    }

    fn latents(&self) -> Latents<'_> {
        Latents {
            norm: &self.norm,
            scale: self.is_scaled.then_some((&self.norm[..], &self.norm[..])),
            threshold: self.is_jump.then_some(&self.threshold[..]),
        }
    }

    /// What the function sees of `h`, and the activation, in float64.
    fn act(&self, latent: usize, h: f32) -> (f64, f64) {
        let scale = if self.is_scaled {
            f64::from(self.norm[latent])
        } else {
            1.0
        };
        let seen = f64::from((f64::from(h) * scale) as f32);
        let bound = if self.is_jump {
            f64::from(self.threshold[latent])
        } else {
            0.0
        };
        (seen, if seen > bound { seen / scale } else { 0.0 })
    }
}

/// The sets of instructions that this processor has.
fn sets() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| *isa <= Isa::best())
}

/// Every combination of widths, tokens and kinds.
fn each(test: impl Fn(Isa, usize, usize, &Known)) {
    for isa in sets() {
        for (tokens, width) in [(1, 1), (3, 16), (5, 37), (2, 512), (7, 1100)] {
            for kind in 0..4 {
                test(
                    isa,
                    tokens,
                    width,
                    &Known::new(width, kind & 1 == 1, kind & 2 == 2),
                );
            }
        }
    }
}

fn close(got: &[f32], wanted: &[f64], what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    for (at, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        let room = 1e-5 * (1.0 + wanted.abs());
        assert!(
            (f64::from(*got) - wanted).abs() <= room,
            "{what} at {at}: {got} instead of {wanted}"
        );
    }
}

#[test]
fn activations_and_their_counts_are_those_of_the_formulas() {
    each(|isa, tokens, width, known| {
        let hidden_pre = numbers(tokens * width, 4);
        let mut acts = vec![9.0; tokens * width];
        let (mut fired, mut sum) = (vec![1.0; width], vec![0.0; width]);
        let (mut over, mut soft) = (vec![0.0; width], vec![0.0; width]);
        let whole: Vec<f32> = known.bounds.iter().map(|bound| bound + 0.3).collect();
        let bounds = Bounds {
            any: &known.bounds,
            whole: &whole,
            share: 0.25,
        };
        let counted = Counted {
            fired: &mut fired,
            sum: &mut sum,
            taking_part: Some((bounds, &mut over)),
            soft: Some((1.5, &mut soft)),
        };
        activate_in(isa, &hidden_pre, &known.latents(), &mut acts, counted);
        let mut wanted = vec![0.0; tokens * width];
        let mut sums = [
            vec![1.0; width],
            vec![0.0; width],
            vec![0.0; width],
            vec![0.0; width],
        ];
        for (at, h) in hidden_pre.iter().enumerate() {
            let latent = at % width;
            let (seen, act) = known.act(latent, *h);
            wanted[at] = act;
            sums[0][latent] += f64::from(act > 0.0);
            sums[1][latent] += act;
            let is_over = |bounds: &[f32]| f64::from(seen > f64::from(bounds[latent]));
            sums[2][latent] += 0.25 * is_over(&known.bounds) + 0.75 * is_over(&whole);
            sums[3][latent] += (1.5 * act * f64::from(known.norm[latent])).tanh();
        }
        close(&acts, &wanted, "activations");
        for (got, (wanted, what)) in [fired, sum, over, soft].iter().zip(sums.iter().zip([
            "fired",
            "sum",
            "taking part",
            "soft counts",
        ])) {
            close(got, wanted, what);
        }
    });
}

/// The derivatives and sums of the formulas in float64.
fn derived(
    known: &Known,
    h: &[f32],
    acts: &[f32],
    by: &[f32],
    penalty: &Penalty<'_>,
    cost: &[f32],
) -> (Vec<f64>, [Vec<f64>; 5]) {
    let width = known.norm.len();
    let mut sums = [(); 5].map(|()| vec![0.0; width]);
    let derivatives = by.iter().enumerate().map(|(at, by)| {
        let (latent, act) = (at % width, f64::from(acts[at]));
        let norm = f64::from(known.norm[latent]);
        let weighted = act * norm;
        let (value, slope) = match penalty {
            Penalty::None => (0.0, 0.0),
            Penalty::Linear(share) => (weighted, if weighted > 0.0 { f64::from(*share) } else { 0.0 }),
            Penalty::Tanh { stretch, steepness } => {
                let soft = (f64::from(*stretch) * weighted).tanh();
                (soft, f64::from(steepness[latent]) * (1.0 - soft * soft))
            }
            Penalty::Given(slopes) => (0.0, f64::from(slopes[at])),
        };
        let by = f64::from(*by) + slope * norm;
        sums[0][latent] += value;
        sums[1][latent] += slope * act;
        let mut by_pre = if act > 0.0 { by } else { 0.0 };
        if known.is_jump {
            let threshold = f64::from(known.threshold[latent]);
            let (seen, _) = known.act(latent, h[at]);
            if (seen - threshold).abs() < 0.25 && seen > 0.0 {
                sums[2][latent] += by / if known.is_scaled { norm } else { 1.0 };
            }
            let under = threshold - f64::from(h[at]);
            if under > 0.0 {
                sums[3][latent] += under;
                sums[4][latent] += 1.0;
                by_pre -= f64::from(cost[latent]);
            }
        }
        by_pre
    });
    (derivatives.collect(), sums)
}

#[test]
fn derivatives_and_their_sums_are_those_of_the_formulas() {
    each(|isa, tokens, width, known| {
        let hidden_pre = numbers(tokens * width, 5);
        let slopes = numbers(tokens * width, 6);
        let (steepness, cost) = (positive(width, 7), positive(width, 8));
        let acts: Vec<f32> = (0..tokens * width)
            .map(|at| known.act(at % width, hidden_pre[at]).1 as f32)
            .collect();
        let tanh = Penalty::Tanh {
            stretch: 1.5,
            steepness: &steepness,
        };
        for (penalty, is_lifted) in [Penalty::None, Penalty::Linear(0.3), tanh, Penalty::Given(&slopes)]
            .into_iter()
            .flat_map(|penalty| [(penalty, false), (penalty, true)])
        {
            let mut by = numbers(tokens * width, 9);
            let (mut wanted, wanted_sums) = derived(known, &hidden_pre, &acts, &by, &penalty, &cost);
            if is_lifted && known.is_jump {
                let lifts = cost.iter().cycle();
                wanted
                    .iter_mut()
                    .zip(lifts)
                    .for_each(|(by, lift)| *by += f64::from(*lift));
            }
            let mut sums = [(); 5].map(|()| vec![0.0f32; width]);
            let thresholds = Thresholds {
                half_window: 0.25,
                cost: Some(&cost),
                is_lifted,
            };
            derive_in(
                isa,
                (&hidden_pre, &acts),
                &known.latents(),
                (penalty, thresholds),
                &mut by,
                as_sums(&mut sums),
            );
            close(&by, &wanted, "derivatives");
            for (got, wanted) in sums.iter().zip(&wanted_sums) {
                close(got, wanted, &format!("sums with {penalty:?}"));
            }
        }
    });
}

fn as_sums(sums: &mut [Vec<f32>; 5]) -> Sums<'_> {
    let [penalty, by_norm, near, below, below_count] = sums;
    Sums {
        penalty,
        by_norm,
        near,
        below,
        below_count,
    }
}

#[test]
fn soft_counts_of_some_activations_are_those_of_the_formula() {
    for (isa, count) in sets().flat_map(|isa| [0, 1, 15, 16, 100].map(|count| (isa, count))) {
        let (mut acts, norm) = (numbers(count, 7), positive(count, 8));
        if let Some(last) = acts.last_mut() {
            *last = f32::NAN;
        }
        let mut soft = vec![9.0; count];
        soft_counts_in(isa, &acts, &norm, 1.5, &mut soft);
        for ((soft, act), norm) in soft.iter().zip(&acts).zip(&norm) {
            let wanted = (1.5 * f64::from(*act) * f64::from(*norm)).tanh();
            let is_close = (f64::from(*soft) - wanted).abs() <= 1e-6 || (soft.is_nan() && wanted.is_nan());
            assert!(is_close, "{soft} in place of {wanted}");
        }
    }
}

#[test]
fn penalties_on_rows_are_those_of_the_formula() {
    let ends = [0, 1, 1, 30, 66];
    for (isa, p) in sets().flat_map(|isa| [1, 2, 3, 6].map(|p| (isa, p))) {
        for rows in [Rows::Of(33), Rows::Between(&ends)] {
            let is_even = matches!(rows, Rows::Of(_));
            let count = if is_even { 4 } else { ends.len() - 1 };
            let size = if is_even { 132 } else { 66 };
            // Of the even rows, two share the norms with the other two.
            let (mut acts, norm) = (numbers(size, 7), positive(66, 8));
            acts[..33].fill(0.0);
            let (mut slopes, mut norms) = (vec![9.0; size], vec![9.0; count]);
            power_in(isa, (&acts, &norm), rows, (p, 0.3), &mut slopes, &mut norms);
            for (row, found) in norms.iter().enumerate() {
                let range = if is_even {
                    row * 33..(row + 1) * 33
                } else {
                    ends[row]..ends[row + 1]
                };
                let weighted = range
                    .clone()
                    .map(|at| f64::from(acts[at]) * f64::from(norm[at % 66]));
                let weighted: Vec<f64> = weighted.collect();
                let powers: f64 = weighted.iter().map(|w| w.abs().powi(p)).sum();
                let wanted = powers.powf(1.0 / f64::from(p));
                assert!(
                    (f64::from(*found) - wanted).abs() <= 1e-5 * wanted,
                    "{found}, not {wanted}"
                );
                for (w, slope) in weighted.iter().zip(&slopes[range]) {
                    let sign = f64::from(*w != 0.0) * w.signum();
                    let mut slope_wanted = 0.3 * sign * w.abs().powi(p - 1);
                    if wanted > 0.0 {
                        slope_wanted *= wanted.powi(1 - p);
                    }
                    let is_close = (f64::from(*slope) - slope_wanted).abs() <= 1e-5;
                    assert!(is_close, "{slope}, not {slope_wanted}");
                }
            }
        }
    }
}

#[test]
fn nan_and_infinity_come_through() {
    let known = Known::new(3, false, true);
    let mut acts = [0.0; 3];
    let (mut fired, mut sum) = ([0.0; 3], [0.0; 3]);
    let counted = Counted {
        fired: &mut fired,
        sum: &mut sum,
        taking_part: None,
        soft: None,
    };
    activate(
        &[f32::NAN, f32::INFINITY, f32::NEG_INFINITY],
        &known.latents(),
        &mut acts,
        counted,
    );
    assert!(
        acts[0].is_nan() && acts[1] == f32::INFINITY && acts[2] == 0.0,
        "{acts:?}"
    );
    assert_eq!(fired, [0.0, 1.0, 0.0]);
}

/// The tangents of 16 numbers.
struct Tangents([f32; GROUP]);

impl Kernel for Tangents {
    type Output = [f32; GROUP];

    fn run<L: Lanes>(self, lanes: L) -> [f32; GROUP] {
        let mut tangents = [0.0; GROUP];
        lanes.store(tanh::tanh(lanes, lanes.load(&self.0)), &mut tangents);
        tangents
    }
}

#[test]
fn the_tangent_is_that_of_float64() {
    for isa in sets() {
        for step in -50_000..50_000i32 {
            let numbers = std::array::from_fn(|lane| (step * GROUP as i32 + lane as i32) as f32 * 1.5e-5);
            for (x, got) in numbers.iter().zip(lanes::run(isa, Tangents(numbers))) {
                let (got, wanted) = (f64::from(got), f64::from(*x).tanh());
                assert!(
                    (got - wanted).abs() <= 4e-7 * wanted.abs(),
                    "tanh {x} is {wanted}, not {got}"
                );
            }
        }
        let ends = lanes::run(
            isa,
            Tangents(std::array::from_fn(|lane| {
                [f32::NAN, f32::INFINITY, -50.0][lane % 3]
            })),
        );
        assert!(ends[0].is_nan() && ends[1..3] == [1.0, -1.0], "{ends:?}");
    }
}
