//! Tensors of random numbers from a generator of one's own, the numbers that PyTorch draws from it on the CPU.

use tch::{Device, Kind, Tensor};

use super::random::Generator;
use super::size;
use crate::error::Result;

/// A generator, and the second of two normal numbers that were drawn together.
#[derive(Clone, Debug)]
pub struct Draws {
    generator: Generator,
    spare: Option<f64>,
}

/// From so many numbers on, normal ones are made in blocks of that size.
const BLOCK: usize = 16;

impl Draws {
    /// Returns one that begins as `torch.Generator().manual_seed(seed)`.
    pub fn new(seed: u64) -> Self {
        Draws {
            generator: Generator::new(seed),
            spare: None,
        }
    }

    /// Returns the generator.
    pub fn generator(&mut self) -> &mut Generator {
        &mut self.generator
    }

    /// A uniform number in 0..1: of 53 bits for float64, else of 24.
    fn unit(&mut self, kind: Kind) -> f64 {
        if kind == Kind::Double {
            (self.generator.next_u64() & ((1 << 53) - 1)) as f64 / (1u64 << 53) as f64
        } else {
            f64::from(self.generator.next_u32() & ((1 << 24) - 1)) / f64::from(1 << 24)
        }
    }

    /// Returns uniform numbers in `0..1`, of `shape` and `kind`.
    ///
    /// # Errors
    /// More than the memory holds.
    pub fn uniform(&mut self, shape: &[i64], kind: Kind) -> Result<Tensor> {
        let count = admitted(shape)?;
        let numbers: Vec<f64> = (0..count).map(|_| self.unit(kind)).collect();
        shaped(&numbers, shape, kind)
    }

    /// Returns numbers of the standard normal distribution, by Box and Muller.
    ///
    /// # Errors
    /// More than the memory holds.
    pub fn normal(&mut self, shape: &[i64], kind: Kind) -> Result<Tensor> {
        let count = admitted(shape)?;
        if count < BLOCK {
            let numbers: Vec<f64> = (0..count).map(|_| self.one_normal()).collect();
            return shaped(&numbers, shape, kind);
        }
        let mut numbers: Vec<f64> = (0..count).map(|_| self.unit(kind)).collect();
        for block in numbers.chunks_exact_mut(BLOCK) {
            make_normal(block);
        }
        if !count.is_multiple_of(BLOCK) {
            let last = &mut numbers[count - BLOCK..];
            last.iter_mut().for_each(|number| *number = self.unit(kind));
            make_normal(last);
        }
        shaped(&numbers, shape, kind)
    }

    fn one_normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let (turn, length) = (self.unit(Kind::Double), self.unit(Kind::Double));
        let (radius, angle) = ((-2.0 * (-length).ln_1p()).sqrt(), std::f64::consts::TAU * turn);
        self.spare = Some(radius * angle.sin());
        radius * angle.cos()
    }

    /// Returns whole numbers from `low` to `high - 1`, of `shape`, as int64.
    ///
    /// # Errors
    /// More than the memory holds.
    pub fn integers(&mut self, low: i64, high: i64, shape: &[i64]) -> Result<Tensor> {
        let count = admitted(shape)?;
        let range = high.wrapping_sub(low) as u64;
        let numbers: Vec<i64> = (0..count)
            .map(|_| {
                let drawn = if range >= 1 << 32 {
                    self.generator.next_u64() % range
                } else {
                    u64::from(self.generator.next_u32()) % range.max(1)
                };
                low.wrapping_add(drawn as i64)
            })
            .collect();
        Ok(Tensor::f_from_slice(&numbers)?.f_reshape(shape)?)
    }
}

/// Uniform numbers in pairs, half a block apart, as normal ones.
fn make_normal(block: &mut [f64]) {
    let half = block.len() / 2;
    for at in 0..half {
        let radius = (-2.0 * (1.0 - block[at]).ln()).sqrt();
        let angle = std::f64::consts::TAU * block[at + half];
        (block[at], block[at + half]) = (radius * angle.cos(), radius * angle.sin());
    }
}

/// How many numbers a shape has, if there is memory for them as float64.
fn admitted(shape: &[i64]) -> Result<usize> {
    size::admit(shape, Kind::Double, Device::Cpu)?;
    Ok(size::elements(shape)? as usize)
}

fn shaped(numbers: &[f64], shape: &[i64], kind: Kind) -> Result<Tensor> {
    Ok(Tensor::f_from_slice(numbers)?.f_to_kind(kind)?.f_reshape(shape)?)
}
