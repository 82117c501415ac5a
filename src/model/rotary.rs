//! Rotary position embedding (Su et al. 2021, arXiv:2104.09864) and its ways of stretching the context.

use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, TchError, Tensor, send};

/// The frequencies by which a head's numbers turn from token to token.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// The base of the geometric series of wavelengths.
    pub theta: f64,
    /// How the frequencies are stretched for contexts longer than the training's.
    pub scaling: RopeScaling,
}

/// How frequencies are stretched for contexts longer than the training's.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// All frequencies divided by one factor (Chen et al. 2023, arXiv:2306.15595).
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// The base grows with the input once that is longer than the training's context ("NTK-aware").
    Dynamic {
        /// How many times the context is stretched.
        factor: f64,
        /// Context length of the training.
        original: i64,
    },
    /// Low frequencies divided, high ones kept, those between blended; Llama 3.1.
    Llama3 {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Wavelengths above `original / low` are divided.
        low: f64,
        /// Wavelengths below `original / high` are kept.
        high: f64,
        /// Context length of the training.
        original: f64,
    },
    /// YaRN (Peng et al. 2023, arXiv:2309.00071): blended by a ramp over dimensions, with a temperature.
    Yarn {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Rotations within the training context above which a dimension is kept.
        beta_fast: f64,
        /// Rotations below which a dimension is divided.
        beta_slow: f64,
        /// Context length of the training.
        original: f64,
        /// Rotated numbers are multiplied by this.
        magnitude: f64,
        /// The ramp's ends are rounded to whole dimensions.
        truncate: bool,
    },
    /// One divisor for each frequency, of its own for short and for long inputs; Phi-3.
    PerFrequency {
        /// Divisors for inputs up to `original` tokens.
        short: Vec<f64>,
        /// Divisors for longer inputs.
        long: Vec<f64>,
        /// Context length of the training.
        original: i64,
        /// Rotated numbers are multiplied by this.
        magnitude: f64,
    },
}

impl Rope {
    /// Frequencies `theta^(-2i/dims)` without stretching.
    pub fn plain(theta: f64) -> Self {
        Rope {
            theta,
            scaling: RopeScaling::None,
        }
    }

    /// Returns the longest input for a model whose file says `n_ctx`: some files give the context before it is
    /// stretched.
    pub(super) fn context(&self, n_ctx: i64) -> i64 {
        match self.scaling {
            RopeScaling::Dynamic { factor, original } => n_ctx.max((original as f64 * factor) as i64),
            RopeScaling::Yarn { factor, original, .. } => n_ctx.max((original * factor) as i64),
            RopeScaling::None
            | RopeScaling::Linear { .. }
            | RopeScaling::Llama3 { .. }
            | RopeScaling::PerFrequency { .. } => n_ctx,
        }
    }

    /// Refuses lists of divisors that are not one for each of `pairs` frequencies.
    pub(super) fn validate(&self, pairs: i64) -> Result<()> {
        let RopeScaling::PerFrequency { short, long, .. } = &self.scaling else {
            return Ok(());
        };
        let lists = [("short_factor", short), ("long_factor", long)];
        match lists.iter().find(|(_, list)| list.len() as i64 != pairs) {
            Some((key, list)) => Err(Error::input(format!(
                "`{key}` has {} numbers, but {pairs} frequencies need one each",
                list.len()
            ))),
            None => Ok(()),
        }
    }

    /// Angle per token of each pair of numbers, for an input that ends at token `end`; `dims / 2` of them, and one
    /// more where `dims` is odd.
    fn frequencies(&self, dims: i64, end: i64) -> Vec<f64> {
        let plain = series(self.theta, dims);
        match &self.scaling {
            RopeScaling::None => plain,
            RopeScaling::Dynamic { factor, original } => {
                let stretch = factor * end.max(*original) as f64 / *original as f64 - (factor - 1.0);
                series(self.theta * stretch.powf(dims as f64 / (dims as f64 - 2.0)), dims)
            }
            RopeScaling::Linear { factor } => plain.iter().map(|angle| angle / factor).collect(),
            RopeScaling::Llama3 {
                factor,
                low,
                high,
                original,
            } => plain
                .iter()
                .map(|angle| {
                    let turns = original * angle / (2.0 * std::f64::consts::PI);
                    let keep = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    angle * (keep + (1.0 - keep) / factor)
                })
                .collect(),
            RopeScaling::Yarn {
                factor,
                beta_fast,
                beta_slow,
                original,
                truncate,
                ..
            } => {
                let dimension = |turns: f64| {
                    let wavelengths = original / (turns * 2.0 * std::f64::consts::PI);
                    dims as f64 * wavelengths.ln() / (2.0 * self.theta.ln())
                };
                let share = ramp((dimension(*beta_fast), dimension(*beta_slow)), dims, *truncate);
                let blend = |(pair, angle): (usize, &f64)| {
                    let divide = share(pair);
                    angle * (1.0 - divide) + angle / factor * divide
                };
                plain.iter().enumerate().map(blend).collect()
            }
            RopeScaling::PerFrequency {
                short,
                long,
                original,
                ..
            } => {
                let divisors = if end > *original { long } else { short };
                plain
                    .iter()
                    .zip(divisors)
                    .map(|(angle, divisor)| angle / divisor)
                    .collect()
            }
        }
    }

    /// Returns whether inputs of `before` and of `after` tokens turn by different frequencies. Keys kept from the first
    /// then do not fit the second.
    pub(super) fn changes_between(&self, before: i64, after: i64) -> bool {
        match &self.scaling {
            RopeScaling::PerFrequency { original, .. } => (before > *original) != (after > *original),
            RopeScaling::Dynamic { original, .. } => before.max(*original) != after.max(*original),
            RopeScaling::None
            | RopeScaling::Linear { .. }
            | RopeScaling::Llama3 { .. }
            | RopeScaling::Yarn { .. } => false,
        }
    }

    /// Rotated numbers are multiplied by this.
    fn magnitude(&self) -> f64 {
        match self.scaling {
            RopeScaling::Yarn { magnitude, .. } | RopeScaling::PerFrequency { magnitude, .. } => magnitude,
            RopeScaling::None
            | RopeScaling::Linear { .. }
            | RopeScaling::Dynamic { .. }
            | RopeScaling::Llama3 { .. } => 1.0,
        }
    }
}

/// `theta^(-2i/dims)` for each pair of numbers.
fn series(theta: f64, dims: i64) -> Vec<f64> {
    (0..pairs(dims))
        .map(|pair| theta.powf(-2.0 * pair as f64 / dims as f64))
        .collect()
}

/// YaRN's share of division for each frequency: from 0 at the first of `ends` to 1 at the last.
fn ramp(ends: (f64, f64), dims: i64, truncate: bool) -> impl Fn(usize) -> f64 {
    let (first, last) = if truncate {
        (ends.0.floor(), ends.1.ceil())
    } else {
        ends
    };
    let (first, last) = (first.max(0.0), last.min(dims as f64 - 1.0));
    let width = if first == last { 0.001 } else { last - first };
    move |pair| ((pair as f64 - first) / width).clamp(0.0, 1.0)
}

/// Pairs of numbers that turn together, of `dims` numbers; an odd one out is paired with its neighbour.
pub(super) fn pairs(dims: i64) -> i64 {
    (dims + 1) / 2
}

/// Cosines and sines for a stretch of tokens, shape `[seq, 1, dims]` each.
#[derive(Debug)]
pub(super) struct Rotation {
    dims: i64,
    cosine: Tensor,
    /// The sines with the first half's sign turned, so that a roll by half the width completes the rotation.
    sine: Tensor,
}

impl Rotation {
    /// Computes the rotations of `length` tokens from number `start` on.
    pub(super) fn new(
        rope: &Rope,
        dims: i64,
        start: i64,
        length: i64,
        target: (Kind, Device),
    ) -> Result<Self> {
        let (kind, device) = target;
        // In single precision as everybody's reference does, so that long contexts agree with it too.
        let frequencies: Vec<f32> = rope
            .frequencies(dims, start + length)
            .iter()
            .map(|angle| *angle as f32)
            .collect();
        let frequencies = Tensor::f_from_slice(&frequencies)?;
        let positions = Tensor::f_arange_start(start, start + length, (Kind::Float, Device::Cpu))?;
        let angles = positions.f_outer(&frequencies)?.f_unsqueeze(1)?;
        let prepare = |x: Tensor| -> Result<Tensor> {
            let scaled = x.f_mul_scalar(rope.magnitude())?;
            Ok(send(&scaled.f_to_kind(kind)?, device)?)
        };
        let (cosine, sine) = (angles.f_cos()?, angles.f_sin()?);
        Ok(Rotation {
            dims: 2 * pairs(dims),
            cosine: prepare(Tensor::f_cat(&[&cosine, &cosine], -1)?)?,
            sine: prepare(Tensor::f_cat(&[&sine.f_neg()?, &sine], -1)?)?,
        })
    }

    /// Returns the rotations of tokens at `positions`, int64 `[batch, seq]`, of those that these are of.
    pub(super) fn at(&self, positions: &Tensor) -> Result<Self, TchError> {
        let (batch, seq) = (positions.size()[0], positions.size()[1]);
        let rows = |table: &Tensor| {
            let rows = table.f_index_select(0, &positions.f_flatten(0, -1)?)?;
            rows.f_view([batch, seq, 1, -1])
        };
        Ok(Rotation {
            dims: self.dims,
            cosine: rows(&self.cosine)?,
            sine: rows(&self.sine)?,
        })
    }

    /// Turns the first `dims` numbers of each head of `x`, shape `[batch, seq, heads, d_head]`, in their place.
    pub(super) fn apply_to(&self, x: &Tensor) -> Result<(), TchError> {
        if self.dims > 0 {
            let mut turned = x.f_narrow(-1, 0, self.dims)?;
            let swapped = turned.f_roll(self.dims / 2, -1)?;
            let _ = turned.f_mul_(&self.cosine)?.f_addcmul_(&swapped, &self.sine)?;
        }
        Ok(())
    }

    /// The same, of a copy.
    pub(super) fn apply(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let d_head = x.size().last().copied().unwrap_or_default();
        if self.dims == 0 {
            return Ok(x.shallow_clone());
        }
        let turned = x.f_narrow(-1, 0, self.dims)?;
        let swapped = turned.f_roll(self.dims / 2, -1)?;
        let turned = turned.f_mul(&self.cosine)?.f_addcmul_(&swapped, &self.sine)?;
        if self.dims == d_head {
            return Ok(turned);
        }
        Tensor::f_cat(&[&turned, &x.f_narrow(-1, self.dims, d_head - self.dims)?], -1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_rotation_slows_down_beyond_the_context_of_the_training() {
        let dynamic = Rope {
            theta: 10_000.0,
            scaling: RopeScaling::Dynamic {
                factor: 4.0,
                original: 16,
            },
        };
        let plain = Rope::plain(10_000.0).frequencies(8, 16);
        assert_eq!(dynamic.frequencies(8, 16), plain);
        let long = dynamic.frequencies(8, 32);
        assert_eq!(long[0], 1.0);
        assert!(long.iter().zip(&plain).skip(1).all(|(long, plain)| long < plain));
        assert_eq!(dynamic.context(16), 64);
        assert!(!dynamic.changes_between(3, 16) && dynamic.changes_between(16, 17));
    }

    #[test]
    fn heads_side_by_side_turn_as_they_do_apart() {
        for (kind, dims) in [(Kind::Float, 6), (Kind::Float, 16), (Kind::BFloat16, 10)] {
            let rotation =
                Rotation::new(&Rope::plain(10_000.0), dims, 0, 37, (kind, Device::Cpu)).expect("rotation");
            let heads = Tensor::randn([3, 37, 5, 16], (kind, Device::Cpu));
            let (q, k) = (heads.narrow(2, 0, 3).copy(), heads.narrow(2, 3, 2).copy());
            let [q, k] = [q, k].map(|x| rotation.apply(&x).expect("turned"));
            rotation.apply_to(&heads).expect("turned");
            assert_eq!(heads, Tensor::cat(&[q, k], 2), "{kind:?}, {dims}");
        }
    }

    #[test]
    fn a_rotation_keeps_norms_and_depends_on_distances_only() {
        let rope = Rope::plain(10_000.0);
        let rotation =
            |start| Rotation::new(&rope, 8, start, 5, (Kind::Double, Device::Cpu)).expect("rotation");
        let x = Tensor::randn([1, 1, 2, 8], (Kind::Double, Device::Cpu)).expand([1, 5, 2, 8], true);
        let score =
            |x: &Tensor, one: i64, other: i64| (x.get(0).get(one) * x.get(0).get(other)).sum(Kind::Double);
        let (early, late) = (
            rotation(0).apply(&x).expect("early"),
            rotation(3).apply(&x).expect("late"),
        );
        assert!(early.norm().allclose(&x.norm(), 1e-6, 1e-6, false));
        assert!(score(&early, 0, 2).allclose(&score(&late, 2, 4), 1e-5, 1e-5, false));
        assert!(!score(&early, 0, 2).allclose(&score(&early, 0, 3), 1e-5, 1e-5, false));
    }
}
