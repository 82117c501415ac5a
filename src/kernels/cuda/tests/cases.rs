//! Rows and encoders, and what the processor's kernels select of them.

use crate::kernels::cuda::estimate::Encoder;
use crate::kernels::cuda::pairs::Pairs;
use crate::kernels::screen::{self, Keep, Rows, Screen};
use crate::kernels::step_tests::Numbers;
use crate::tensor::{Kind, Tensor};

/// Rows and an encoder.
pub(super) struct Case {
    pub(super) x: Vec<f32>,
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) factor: Option<Vec<f32>>,
    pub(super) width: usize,
}

impl Case {
    pub(super) fn new(rows: usize, width: usize, latents: usize) -> Self {
        let mut draw = Numbers::new((rows * 131 + width * 17 + latents) as u64);
        Case {
            x: draw.numbers(rows * width),
            weight: draw.numbers(latents * width),
            bias: draw.numbers(latents),
            factor: Some(draw.numbers(latents).iter().map(|number| number.abs()).collect()),
            width,
        }
    }

    /// Latents that are copies of 30, without factors.
    pub(super) fn of_copies() -> Self {
        let mut case = Case::new(6, 12, 700);
        for latent in 30..700 {
            let (old, new) = ((latent % 30) * 12, latent * 12);
            case.weight.copy_within(old..old + 12, new);
            case.bias[latent] = case.bias[latent % 30];
        }
        case.factor = None;
        case
    }

    /// Calls `look` with rows and encoders of odd sizes, with factors and without, and with how many latents to select of a row.
    pub(super) fn each_size(mut look: impl FnMut(&Self, usize, &str)) {
        for (rows, width, latents, k) in [
            (1, 1, 1, 1),
            (3, 5, 1, 4),
            (2, 16, 40, 40),
            (13, 7, 33, 3),
            (20, 33, 1000, 5),
            (9, 300, 513, 64),
            (4, 768, 1100, 16),
        ] {
            let mut case = Case::new(rows, width, latents);
            look(&case, k, &format!("{rows} x {width} x {latents}, k = {k}"));
            case.factor = None;
            look(&case, k, "without factors");
        }
    }

    /// Calls `look` with rows and encoders, each with a number that no bound holds for somewhere, and with that number.
    pub(super) fn each_odd(rows: usize, mut look: impl FnMut(&Self, f32, &str)) {
        let numbers = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, 1e-40];
        for (at, odd) in numbers.into_iter().enumerate() {
            let mut case = Case::new(rows, 9, 150);
            case.x[9 + at] = odd;
            look(&case, odd, &format!("{odd} in a row"));
            case.x[9 + at] = 0.5;
            case.weight[40 * 9 + 3] = odd;
            look(&case, odd, &format!("{odd} in a latent"));
            case.weight[40 * 9 + 3] = 0.5;
            case.bias[17] = odd;
            look(&case, odd, &format!("{odd} in a bias"));
            case.bias[17] = 0.5;
            if let Some(factor) = &mut case.factor {
                factor[120] = if odd < 0.0 { 0.0 } else { odd };
            }
            look(&case, odd, &format!("{odd} in a factor"));
            case.x.fill(odd);
            look(&case, odd, &format!("{odd} everywhere"));
        }
    }

    /// The product of the norms of a row and a latent, and the bias.
    pub(super) fn size(&self, row: usize, latent: usize) -> f64 {
        let norm = |x: &[f32], at: usize| -> f64 {
            let row = &x[at * self.width..][..self.width];
            row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
        };
        norm(&self.x, row) * norm(&self.weight, latent) + f64::from(self.bias[latent]).abs()
    }

    pub(super) fn rows(&self) -> usize {
        self.x.len() / self.width
    }

    pub(super) fn latents(&self) -> usize {
        self.bias.len()
    }

    pub(super) fn score(&self, latent: usize, pre: f32) -> f32 {
        self.factor.as_ref().map_or(pre, |factor| pre * factor[latent])
    }

    /// What the processor selects.
    pub(super) fn expected(&self, keep: Keep<'_>) -> Rows {
        let encoder = screen::Encoder {
            width: self.width,
            weight: &self.weight,
            bias: &self.bias,
            factor: self.factor.as_deref(),
        };
        let mut expected = Rows::default();
        Screen::default().encode(&self.x, &encoder, keep, &mut expected);
        expected
    }

    pub(super) fn given(&self) -> Given {
        let shaped = |x: &[f32], shape: &[i64]| Tensor::from_slice(x).view(shape);
        let (d, s) = (self.width as i64, self.latents() as i64);
        Given {
            x: shaped(&self.x, &[self.rows() as i64, d]),
            weight: shaped(&self.weight, &[s, d]),
            bias: shaped(&self.bias, &[s]),
            factor: self.factor.as_ref().map(|factor| shaped(factor, &[s])),
        }
    }

    /// Compares pairs with those that are expected.
    pub(super) fn check(&self, found: &[Vec<(u32, f32)>], expected: &Rows, what: &str) {
        assert_eq!(found.len(), self.rows(), "{what}");
        for (row, found) in found.iter().enumerate() {
            let range = expected.offsets[row]..expected.offsets[row + 1];
            let latents: Vec<u32> = found.iter().map(|(latent, _)| *latent).collect();
            assert_eq!(
                latents,
                expected.index[range.clone()],
                "{what}: latents of row {row}"
            );
            for ((latent, found), at) in found.iter().zip(range) {
                let (expected, size) = (expected.value[at], self.size(row, *latent as usize));
                assert!(
                    is_near(*found, expected, size),
                    "{what}: {found} for {expected} in row {row}"
                );
            }
        }
    }
}

/// The same as tensors.
pub(super) struct Given {
    pub(super) x: Tensor,
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
    pub(super) factor: Option<Tensor>,
}

impl Given {
    pub(super) fn encoder(&self) -> Encoder<'_> {
        Encoder {
            weight: &self.weight,
            bias: &self.bias,
            factor: self.factor.as_ref(),
        }
    }
}

/// Returns the pairs of each row, and sees that the places that are left over are as they should be.
pub(super) fn by_row(pairs: &Pairs, latents: usize) -> Vec<Vec<(u32, f32)>> {
    let whole = |x: &Tensor| Vec::<i32>::try_from(x.view([-1])).expect("numbers");
    let (index, listed) = (whole(&pairs.index), whole(&pairs.listed));
    let value = Vec::<f32>::try_from(pairs.value.view([-1])).expect("numbers");
    let starts: Vec<i32> = match &pairs.places {
        Some(places) => whole(&places.starts),
        None => (0..listed.len() as i32)
            .map(|row| row * pairs.stride() as i32)
            .collect(),
    };
    let mut is_over = vec![true; index.len()];
    let rows = starts.iter().zip(&listed).enumerate();
    let rows = rows.map(|(row, (start, there))| {
        let range = *start as usize..(start + there) as usize;
        is_over[range.clone()].fill(false);
        if let Some(places) = &pairs.places {
            let tokens = places.token.narrow(0, i64::from(*start), i64::from(*there));
            assert_eq!(
                tokens,
                tokens.full_like(row as i64).to_kind(Kind::Int),
                "row {row}"
            );
        }
        let pairs = range.map(|at| (index[at] as u32, value[at]));
        pairs.collect()
    });
    let rows = rows.collect();
    let over = is_over
        .iter()
        .zip(&index)
        .zip(&value)
        .filter(|((is_over, _), _)| **is_over);
    for ((_, index), value) in over {
        assert_eq!(
            (*index as usize, *value),
            (latents, 0.0),
            "a place that is left over"
        );
    }
    rows
}

/// Two sums of the same numbers in other orders, of which those of the largest are of this size.
pub(super) fn is_near(found: f32, expected: f32, size: f64) -> bool {
    found == expected
        || found.is_nan() && expected.is_nan()
        || f64::from(found - expected).abs() <= 4.0 * f64::from(f32::EPSILON) * size
}
