//! Errors, derivatives, gradients and moves against libtorch in float64 and the kernels of the processor.

use super::ORDERS;
use crate::kernels::adam as plain;
use crate::kernels::adam::{Moves, Rule};
use crate::kernels::cuda::adam::{Moving, adam};
use crate::kernels::cuda::by_latent::ByLatent;
use crate::kernels::cuda::decode::{Batch, decode, residual, slopes};
use crate::kernels::cuda::pairs::Pairs;
use crate::kernels::cuda::prefixes::Prefixes;
use crate::kernels::isa::Isa;
use crate::kernels::step_tests::Numbers;
use crate::tensor::{Device, Kind, Tensor};

/// Pairs of which a row has none, some or all, and a dictionary.
pub(super) struct Example {
    pub(super) pairs: Pairs,
    pub(super) decoder: Tensor,
    pub(super) bias: Tensor,
    pub(super) label: Tensor,
}

impl Example {
    /// `full` gives every row as many pairs as there is room for.
    pub(super) fn new(tokens: i64, k: i64, latents: i64, width: i64, full: bool) -> Self {
        let mut draw = Numbers::new((tokens * 131 + latents * 17 + width) as u64);
        let mut matrix = |rows: i64, columns: i64| {
            Tensor::from_slice(&draw.numbers((rows * columns) as usize)).view([rows, columns])
        };
        let scores = matrix(tokens, latents);
        let (_, index) = scores.topk(k, 1, true, true);
        let (index, _) = index.sort(1, false);
        let value = matrix(tokens, k);
        let listed = if full {
            Tensor::full([tokens], k, (Kind::Int, Device::Cpu))
        } else {
            (Tensor::arange(tokens, (Kind::Int, Device::Cpu)) * 3).remainder(k + 1)
        };
        let place = Tensor::arange(k, (Kind::Int, Device::Cpu)).unsqueeze(0);
        let is_over = place.ge_tensor(&listed.unsqueeze(1));
        Example {
            pairs: Pairs {
                index: index
                    .masked_fill(&is_over, latents)
                    .to_kind(Kind::Int)
                    .contiguous(),
                value: value.masked_fill(&is_over, 0.0).contiguous(),
                listed: listed.to_kind(Kind::Int),
                places: None,
            },
            decoder: matrix(latents, width),
            bias: matrix(1, width).view([width]),
            label: matrix(tokens, width),
        }
    }

    pub(super) fn latents(&self) -> i64 {
        self.decoder.size()[0]
    }

    /// The values as a matrix of all latents, in float64.
    fn dense(&self, value: &Tensor) -> Tensor {
        let shape = [self.label.size()[0], self.latents() + 1];
        let all = Tensor::zeros(shape, (Kind::Double, Device::Cpu));
        let index = self.pairs.index.to_kind(Kind::Int64);
        all.scatter(1, &index, &value.to_kind(Kind::Double))
            .narrow(1, 0, self.latents())
    }
}

fn close(found: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(found.size(), expected.size(), "{what}");
    if found.numel() == 0 {
        return;
    }
    let apart = (found.to_kind(Kind::Double) - expected)
        .abs()
        .max()
        .double_value(&[]);
    let size = expected.abs().max().double_value(&[]).max(1.0);
    assert!(apart <= 1e-5 * size, "{what} differs by {apart} of {size}");
}

#[test]
fn errors_and_gradients_are_those_of_products_over_all_latents() {
    for (tokens, k, latents, width, full) in [
        (1, 1, 1, 1, true),
        (1, 1, 3, 1, true),
        (7, 3, 40, 33, false),
        (13, 9, 100, 300, false),
        (5, 40, 40, 64, true),
        (40, 5, 700, 1030, false),
    ] {
        let example = Example::new(tokens, k, latents, width, full);
        let what = format!("{tokens} tokens, {latents} latents, {width} columns");
        for prefixes in [
            vec![(latents, 1.0)],
            vec![(latents / 3, 0.5), (latents / 2, 0.25), (latents, 2.0)],
        ] {
            check(&example, &prefixes, &what);
        }
    }
}

/// The errors of each prefix, and what each group of latents is to blame for, by products over all latents.
fn blamed(example: &Example, prefixes: &[(i64, f64)]) -> (Vec<Tensor>, Vec<Tensor>) {
    let acts = example.dense(&example.pairs.value);
    let errors: Vec<Tensor> = prefixes
        .iter()
        .map(|(end, _)| {
            let decoder = wide(&example.decoder).narrow(0, 0, *end);
            acts.narrow(1, 0, *end).matmul(&decoder) + wide(&example.bias) - wide(&example.label)
        })
        .collect();
    let blame = (0..prefixes.len()).map(|from| {
        let later = prefixes.iter().zip(&errors).skip(from);
        let parts = later.map(|((_, weight), error)| error * (weight * 3.0));
        parts.reduce(|a, b| a + b).expect("a prefix")
    });
    let blame = blame.collect();
    (errors, blame)
}

fn wide(x: &Tensor) -> Tensor {
    x.to_kind(Kind::Double)
}

/// The sums over the rows or the columns.
fn sums(x: &Tensor, dim: i64) -> Tensor {
    x.sum_dim_intlist([dim].as_slice(), false, None::<Kind>)
}

fn check(example: &Example, prefixes: &[(i64, f64)], what: &str) {
    let acts = example.dense(&example.pairs.value);
    let latents = example.latents();
    let (errors, blame) = blamed(example, prefixes);
    for emulated in ORDERS {
        let held = Prefixes::new(prefixes, Device::Cpu).expect("prefixes");
        let batch = Batch {
            pairs: &example.pairs,
            reached: &example.pairs.index,
            decoder: &example.decoder,
            bias: Some(&example.bias),
            label: &example.label,
            prefixes: &held,
            scale: 3.0,
        };
        let (found, squared) = residual(&emulated, &batch).expect(what);
        close(&found, &Tensor::stack(&blame, 0), what);
        let squares: Vec<Tensor> = errors.iter().map(|error| sums(&error.square(), 1)).collect();
        close(&squared, &Tensor::stack(&squares, 0), what);
        let by_acts = slopes(&emulated, &batch, &found).expect(what);
        let at_once = decode(&emulated, &batch).expect(what);
        let is_held = prefixes.len() == 1 && example.pairs.stride() <= emulated.threads / 4;
        assert_eq!(at_once.is_some(), is_held, "{what}");
        if let Some(at_once) = at_once {
            close(&at_once.residual, &wide(&found), what);
            close(&at_once.squared, &wide(&squared), what);
            close(&at_once.slopes, &wide(&by_acts), what);
        }
        let by_latent = ByLatent::new(&emulated, &example.pairs, latents).expect(what);
        let (totals, weights) = by_latent
            .sums(&emulated, &found, &example.pairs.value, Some(&held))
            .expect(what);
        let starts = std::iter::once(0).chain(prefixes.iter().map(|(end, _)| *end));
        let (mut all_slopes, mut all_sums) = (Vec::new(), Vec::new());
        for ((start, (end, _)), blame) in starts.zip(prefixes).zip(&blame) {
            let decoder = wide(&example.decoder).narrow(0, start, end - start);
            all_slopes.push(blame.matmul(&decoder.tr()));
            all_sums.push(acts.narrow(1, start, end - start).tr().matmul(blame));
        }
        let is_pair = example.dense(&example.pairs.value.ones_like());
        close(
            &example.dense(&by_acts),
            &(Tensor::cat(&all_slopes, 1) * &is_pair),
            what,
        );
        close(&totals, &Tensor::cat(&all_sums, 0), what);
        close(&weights, &sums(&acts, 0), what);
        let counts = by_latent.counts();
        close(counts, &sums(&is_pair, 0), what);
    }
}

#[test]
fn nan_and_infinity_reach_what_they_are_part_of_and_nothing_else() {
    let example = Example::new(6, 3, 40, 33, true);
    let _ = example.pairs.value.get(2).fill_(f64::NAN);
    let held = Prefixes::new(&[(40, 1.0)], Device::Cpu).expect("prefixes");
    let batch = Batch {
        pairs: &example.pairs,
        reached: &example.pairs.index,
        decoder: &example.decoder,
        bias: None,
        label: &example.label,
        prefixes: &held,
        scale: 1.0,
    };
    let (found, squared) = residual(&ORDERS[0], &batch).expect("errors");
    let nan = squared.get(0).isnan();
    assert_eq!(
        Vec::<bool>::try_from(nan).expect("flags"),
        [false, false, true, false, false, false]
    );
    let rows = found
        .get(0)
        .isnan()
        .sum_dim_intlist([1i64].as_slice(), false, Kind::Int64);
    assert_eq!(Vec::<i64>::try_from(rows).expect("numbers"), [0, 0, 33, 0, 0, 0]);
}

/// Numbers that begin so many places after a multiple of 16 bytes.
fn placed(numbers: &[f32], begin: i64) -> Tensor {
    let count = numbers.len() as i64;
    let room = Tensor::zeros([begin + count], (Kind::Float, Device::Cpu));
    let mut place = room.narrow(0, begin, count);
    place.copy_(&Tensor::from_slice(numbers));
    place
}

/// Returns whether these are the same bits; of plain code, which rounds a multiplication before it adds, nearly.
fn is_same(a: f32, b: f32) -> bool {
    let is_near = Isa::chosen() == Isa::Plain && (a - b).abs() <= 1e-6 * (1.0 + a.abs());
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan() || is_near
}

#[test]
fn moves_have_the_bits_of_the_processors_kernel() {
    let mut draw = Numbers::new(5);
    let count = 1003;
    let mut gradient = draw.numbers(count);
    gradient.iter_mut().step_by(3).for_each(|number| *number = 0.0);
    gradient[500] = f32::INFINITY;
    gradient[501] = f32::NAN;
    let start = draw.numbers(count);
    for (moves, weight_decay) in [(Moves::All, 0.0), (Moves::All, 0.1), (Moves::WhereGradient, 0.0)] {
        // From where four numbers can be read at once, and from elsewhere.
        for (beta1, begin) in [(0.9, 0), (0.3, 0), (0.9, 1)] {
            let mut slices = [start.clone(), vec![0.0; count], vec![0.0; count]];
            let tensors: Vec<Tensor> = slices.iter().map(|numbers| placed(numbers, begin)).collect();
            let scale = Tensor::from(0.37f64);
            for step in 1..4 {
                let mut rule = Rule {
                    lr: 0.01,
                    beta1,
                    beta2: 0.999,
                    epsilon: 1e-8,
                    weight_decay,
                    step,
                    gradient_scale: 1.0,
                    moves,
                };
                let moving = Moving {
                    parameter: &tensors[0],
                    mean: &tensors[1],
                    square: &tensors[2],
                    gradient: &Tensor::from_slice(&gradient),
                    scale: Some(&scale),
                    due: None,
                };
                adam(&ORDERS[0], &moving, &rule).expect("moved");
                rule.gradient_scale = 0.37;
                let [parameter, mean, square] = &mut slices;
                plain::adam(
                    plain::Moving {
                        parameter,
                        mean,
                        square,
                        gradient: &gradient,
                    },
                    &rule,
                );
            }
            for (slice, tensor) in slices.iter().zip(&tensors) {
                let found = Vec::<f32>::try_from(tensor).expect("numbers");
                let odd = slice.iter().zip(&found).position(|(a, b)| !is_same(*a, *b));
                assert_eq!(odd, None, "{moves:?}, {weight_decay}, {beta1}, {begin}");
            }
        }
    }
}
