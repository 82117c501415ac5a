//! Tests of the kernels of a training step against plain computations in double precision.

mod adam;
mod lanes;
mod norms;
mod residual;
mod scatter;
mod spread;

use super::isa::Isa;
use super::pattern::Pattern;

/// Numbers that look random (xorshift).
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn new(seed: u64) -> Self {
        Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 20
    }

    /// Returns a number from −1 to 1.
    pub(super) fn number(&mut self) -> f32 {
        (self.bits() % (1 << 24)) as f32 / (1 << 23) as f32 - 1.0
    }

    pub(super) fn numbers(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.number()).collect()
    }
}

/// Which latents are active.
#[derive(Clone, Copy, Debug)]
pub(super) enum Active {
    Nothing,
    Everything,
    /// Every `0`-th on average, and every fifth token has none.
    Some(u64),
    /// Latent 0 on every token, and a few others.
    Skewed,
}

/// A batch of tokens and a dictionary.
pub(super) struct Example {
    pub(super) tokens: usize,
    pub(super) latents: usize,
    pub(super) columns: usize,
    offsets: Vec<usize>,
    index: Vec<u32>,
    pub(super) activation: Vec<f32>,
    pub(super) decoder: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) label: Vec<f32>,
    pub(super) scale: Vec<f32>,
}

impl Example {
    pub(super) fn new(tokens: usize, latents: usize, columns: usize, active: Active) -> Self {
        let mut numbers = Numbers::new((tokens * 31 + latents * 7 + columns) as u64);
        let (mut offsets, mut index) = (vec![0], vec![]);
        for token in 0..tokens {
            index.extend((0..latents as u32).filter(|&latent| match active {
                Active::Nothing => false,
                Active::Everything => true,
                Active::Some(every) => token % 5 != 3 && numbers.bits().is_multiple_of(every),
                Active::Skewed => latent == 0 || numbers.bits().is_multiple_of(9),
            }));
            offsets.push(index.len());
        }
        Example {
            activation: numbers.numbers(index.len()),
            decoder: numbers.numbers(latents * columns),
            bias: numbers.numbers(columns),
            label: numbers.numbers(tokens * columns),
            scale: numbers.numbers(tokens),
            tokens,
            latents,
            columns,
            offsets,
            index,
        }
    }

    pub(super) fn pattern(&self) -> Pattern<'_> {
        Pattern::new(&self.offsets, &self.index, self.latents)
    }

    /// Returns token and latent of each pair.
    pub(super) fn pairs(&self) -> Vec<(usize, usize)> {
        let tokens = (0..self.tokens).flat_map(|token| self.pattern().row(token).map(move |_| token));
        tokens
            .zip(self.index.iter().map(|&latent| latent as usize))
            .collect()
    }
}

/// Returns examples of odd sizes and of all kinds of patterns.
pub(super) fn examples() -> Vec<Example> {
    let sizes = [
        (0, 3, 5),
        (1, 1, 1),
        (7, 5, 3),
        (13, 40, 17),
        (30, 21, 48),
        (22, 33, 83),
        (9, 12, 128),
    ];
    let kinds = [
        Active::Nothing,
        Active::Everything,
        Active::Some(2),
        Active::Some(6),
        Active::Skewed,
    ];
    let all = sizes.into_iter().flat_map(|size| kinds.map(|kind| (size, kind)));
    all.map(|((tokens, latents, columns), kind)| Example::new(tokens, latents, columns, kind))
        .collect()
}

/// Returns an example that is large enough for several threads.
pub(super) fn large_example() -> Example {
    Example::new(700, 211, 37, Active::Some(2))
}

/// Returns the sets of instructions that this processor has.
pub(super) fn sets() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|&isa| isa <= Isa::best())
}

impl Example {
    /// The same with the first so many latents alone.
    fn of_the_first(&self, latents: usize) -> Example {
        let mut part = Example {
            tokens: self.tokens,
            latents,
            columns: self.columns,
            offsets: vec![0],
            index: Vec::new(),
            activation: Vec::new(),
            decoder: self.decoder[..latents * self.columns].to_vec(),
            bias: self.bias.clone(),
            label: self.label.clone(),
            scale: self.scale.clone(),
        };
        for row in self.offsets.windows(2) {
            for at in row[0]..row[1] {
                if (self.index[at] as usize) < latents {
                    part.index.push(self.index[at]);
                    part.activation.push(self.activation[at]);
                }
            }
            part.offsets.push(part.index.len());
        }
        part
    }
}

/// A sum in double precision, and how large its terms are: what rounding errors are relative to.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) value: f64,
    pub(super) size: f64,
}

impl Sum {
    pub(super) fn add(&mut self, term: f64) {
        self.add_sum(
            Sum {
                value: term,
                size: term.abs(),
            },
            1.0,
        );
    }

    pub(super) fn add_sum(&mut self, term: Sum, factor: f64) {
        self.value += term.value * factor;
        self.size += term.size * factor.abs();
    }
}

/// Checks that numbers are sums to within a millionth.
#[track_caller]
pub(super) fn assert_close(numbers: &[f32], sums: &[Sum]) {
    assert_eq!(numbers.len(), sums.len());
    for (at, (&number, sum)) in numbers.iter().zip(sums).enumerate() {
        let error = (f64::from(number) - sum.value).abs();
        assert!(
            error <= 1e-6 * sum.size,
            "{number} in place of {} at {at}",
            sum.value
        );
    }
}

/// Returns what `work` returns on one thread, having checked that it is the same on others, to the bit.
#[track_caller]
pub(super) fn on_any_threads(work: impl Fn() -> Vec<u32>) -> Vec<u32> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = ALONE.lock();
    let run = |threads: i32| {
        tch::set_num_threads(threads);
        work()
    };
    let one = run(1);
    for threads in [2, 3, 8] {
        assert!(run(threads) == one, "{threads} threads");
    }
    one
}

/// Returns the bits of numbers.
pub(super) fn bits(numbers: &[f32]) -> impl Iterator<Item = u32> {
    numbers.iter().map(|number| number.to_bits())
}
