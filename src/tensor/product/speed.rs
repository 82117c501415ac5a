//! How fast the libraries multiply on this machine.

use std::collections::BTreeMap;
use std::time::Instant;
use std::{env, fs};

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, TchError, Tensor};

use super::backend::Backend;
use crate::tensor::runtime;

/// What the libraries took, by their names, in milliseconds; without those that are wrong or missing here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Milliseconds(BTreeMap<String, f64>);

/// A library that takes at most so many times what the fastest takes is as good.
const AS_FAST: f64 = 1.05;

impl Milliseconds {
    /// Returns the fastest library of this process; the first of those that are as good.
    pub(super) fn best(&self) -> Option<Backend> {
        let available = || Backend::ALL.into_iter().filter(|backend| backend.is_available());
        let least = available()
            .filter_map(|backend| self.of(backend))
            .min_by(f64::total_cmp)?;
        available().find(|backend| self.of(*backend).is_some_and(|time| time <= AS_FAST * least))
    }

    /// Returns what a library took.
    pub fn of(&self, backend: Backend) -> Option<f64> {
        let time = self.0.get(backend.name()).copied();
        time.filter(|time| time.is_finite() && *time > 0.0)
    }
}

/// Returns what the speed depends on: processor, libtorch, its threads, what oneDNN is limited to, this program.
pub(super) fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| {
        let (name, model) = line.split_once(':')?;
        (name.trim() == "model name").then(|| model.trim())
    });
    let limit = env::var("ONEDNN_MAX_CPU_ISA").or_else(|_| env::var("DNNL_MAX_CPU_ISA"));
    format!(
        "{}, libtorch {}, {} threads{}, saescript {}",
        model.unwrap_or(env::consts::ARCH),
        runtime::libtorch_version().unwrap_or_default(),
        tch::get_num_threads(),
        limit.map_or(String::new(), |limit| format!(", oneDNN with {limit}")),
        env!("CARGO_PKG_VERSION")
    )
}

/// Rows, inner length and columns of the products that are measured.
const SHAPE: (i64, i64, i64) = (256, 768, 2048);
const REPEATS: usize = 4;

/// Measures the libraries in turn, each at its best of some repeats.
pub(super) fn measure() -> Milliseconds {
    let Ok(problem) = Problem::new(SHAPE) else {
        return Milliseconds::default();
    };
    // Looking whether it is right also warms up.
    let right = Backend::ALL
        .into_iter()
        .filter(|backend| backend.is_available() && problem.is_right(*backend).unwrap_or(false));
    let mut least: Vec<(Backend, f64)> = right.map(|backend| (backend, f64::INFINITY)).collect();
    for _ in 0..REPEATS {
        for (backend, time) in &mut least {
            let start = Instant::now();
            if problem.run(*backend).is_ok() {
                *time = time.min(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    let times = least.into_iter().map(|(backend, time)| {
        // A thousandth of a millisecond is all that a clock tells.
        (backend.name().to_string(), (time * 1e3).round() / 1e3)
    });
    Milliseconds(times.collect())
}

/// Products as training has them: of a batch with matrices in both orders of their numbers.
pub(super) struct Problem {
    a: Tensor,
    by_row: Tensor,
    by_column: Tensor,
}

impl Problem {
    /// Returns products of these rows, inner length and columns. Random numbers are left to whoever has set their seed.
    pub(super) fn new((rows, inner, columns): (i64, i64, i64)) -> Result<Self, TchError> {
        let waves = |rows: i64, columns: i64| {
            let row = Tensor::f_arange(rows * columns, (Kind::Float, Device::Cpu))?;
            row.f_mul_scalar(0.7)?.f_sin()?.f_reshape([rows, columns])
        };
        let by_row = waves(inner, columns)?;
        Ok(Problem {
            a: waves(rows, inner)?,
            by_column: by_row.f_tr()?.f_contiguous()?.f_tr()?,
            by_row,
        })
    }

    fn run(&self, backend: Backend) -> Result<(), TchError> {
        let _ = backend.multiply(&self.a, &self.by_row)?;
        let _ = backend.multiply(&self.a, &self.by_column)?;
        Ok(())
    }

    /// Returns whether a library's products are as accurate as sums in float32 are.
    pub(super) fn is_right(&self, backend: Backend) -> Result<bool, TchError> {
        Ok(is_accurate(backend, &self.a, &self.by_row)? && is_accurate(backend, &self.a, &self.by_column)?)
    }
}

/// Returns whether a library's product of `a` and `b` is that of float64 within what sums in float32 lose:
/// `4 √k 2⁻²⁴ |a| |b|`, for an inner length of k. Formats of fewer digits, in which some libraries can be told to
/// multiply, lose more.
pub(super) fn is_accurate(backend: Backend, a: &Tensor, b: &Tensor) -> Result<bool, TchError> {
    let wide = |x: &Tensor| x.f_to_kind(Kind::Double);
    let (wide_a, wide_b) = (wide(a)?, wide(b)?);
    let inner = a.size()[1].max(1) as f64;
    let bound = wide_a.f_abs()?.f_mm(&wide_b.f_abs()?)?;
    let bound = bound.f_mul_scalar(4.0 * inner.sqrt() * f64::from(f32::EPSILON) / 2.0)?;
    let apart = wide(&backend.multiply(a, b)?)?
        .f_sub(&wide_a.f_mm(&wide_b)?)?
        .f_abs()?;
    let within = apart.f_le_tensor(&bound)?.f_all()?;
    Ok(within.f_int64_value(&[])? != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(given: &[(&str, f64)]) -> Milliseconds {
        Milliseconds(
            given
                .iter()
                .map(|(name, time)| (name.to_string(), *time))
                .collect(),
        )
    }

    #[test]
    fn the_fastest_is_the_best_and_of_equals_the_first() {
        assert_eq!(times(&[]).best(), None);
        assert_eq!(
            times(&[("mkl", 3.0), ("gemm", 4.0)]).best(),
            Some(Backend::Libtorch)
        );
        assert_eq!(times(&[("mkl", 3.0), ("gemm", 3.1)]).best(), Some(Backend::Gemm));
        assert_eq!(times(&[("mkl", f64::NAN), ("other", 1.0)]).best(), None);
    }

    #[test]
    fn all_that_are_here_are_measured() {
        let measured = measure();
        for backend in Backend::ALL {
            assert_eq!(
                measured.of(backend).is_some(),
                backend.is_available(),
                "{backend}"
            );
        }
        assert!(measured.best().is_some());
    }

    #[test]
    fn formats_of_fewer_digits_are_not_accurate_enough() {
        let problem = Problem::new((64, 768, 96)).expect("memory");
        let rounded = problem.a.to_kind(Kind::BFloat16).to_kind(Kind::Float);
        let product = rounded.matmul(&problem.by_row).to_kind(Kind::Double);
        let (a, b) = (
            problem.a.to_kind(Kind::Double),
            problem.by_row.to_kind(Kind::Double),
        );
        let apart = (product - a.matmul(&b)).abs();
        let bound = a.abs().matmul(&b.abs()) * (4.0 * 768f64.sqrt() * f64::from(f32::EPSILON) / 2.0);
        assert!(i64::try_from(apart.gt_tensor(&bound).any()).expect("a number") != 0);
    }
}
