//! Muon (<https://kellerjordan.github.io/posts/muon>): a matrix moves along the orthogonal matrix that is nearest to the
//! running mean of its gradient, so that all directions are learnt at the same pace. Biases and thresholds move by AdamW.

use super::adam::{self, MOMENTS};
use super::method::{Method, Rates, Setting, State};
use crate::dictionary::Role;
use crate::error::Result;
use crate::kernels::adam::Moves;
use crate::tensor::{Kind, Tensor, product};

#[derive(Debug)]
pub(super) struct Muon;

/// Coefficients of the polynomial `a X + (b A + c A²) X`, `A = X Xᵀ`, and how often it is applied.
const POLYNOMIAL: (f64, f64, f64) = (3.4445, -4.7750, 2.0315);
const ITERATIONS: usize = 5;
/// Added to the norm that a matrix is divided by.
const NORM_EPSILON: f64 = 1e-7;

impl Method for Muon {
    fn keeps(&self, role: Role) -> &'static [&'static str] {
        match role {
            Role::Weight => &["momentum_buffer"],
            Role::Bias | Role::Threshold => MOMENTS,
        }
    }

    fn kernel(&self, role: Role) -> Option<Moves> {
        (role != Role::Weight).then_some(Moves::All)
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting::Betas, Setting::WeightDecay, Setting::Momentum]
    }

    /// Makes one move of a matrix of `r` rows and `c` columns: `m = μ m + (1 − μ) g`, `u = μ m + (1 − μ) g` (Nesterov),
    /// `p *= 1 − lr · decay`, `p −= lr · √max(1, r/c) · orthogonal(u)`. Biases and thresholds move as by Adam.
    fn step(&self, parameter: &mut Tensor, gradient: &Tensor, state: &mut State, rates: Rates) -> Result<()> {
        if rates.role != Role::Weight {
            return adam::step(parameter, gradient, state, rates);
        }
        state.steps += 1;
        for mean in &mut state.tensors {
            let _ = mean.f_lerp_(gradient, 1.0 - rates.momentum)?;
            let direction = orthogonal(&gradient.f_lerp(mean, rates.momentum)?)?;
            let size = parameter.size();
            let (rows, columns) = (size[size.len() - 2], size[size.len() - 1]);
            let scale = (rows as f64 / columns as f64).max(1.0).sqrt();
            rates.decay(parameter)?;
            let _ = parameter.f_sub_(&direction.f_mul_scalar(rates.lr * scale)?)?;
        }
        Ok(())
    }
}

/// Returns a matrix near to the orthogonal one that is nearest to `x (…, r, c)`, by iterations of Newton and Schulz;
/// its singular values are between about 0.7 and 1.2.
fn orthogonal(x: &Tensor) -> Result<Tensor> {
    let kind = x.f_kind()?;
    let wide = if kind == Kind::Double {
        Kind::Double
    } else {
        Kind::Float
    };
    let size = x.size();
    let tall = size[size.len() - 2] > size[size.len() - 1];
    let mut x = x.f_to_kind(wide)?;
    if tall {
        x = x.f_transpose(-2, -1)?;
    }
    let norm = x.f_norm_scalaropt_dim(2.0, [-2i64, -1].as_slice(), true)?;
    x = x.f_div(&norm.f_add_scalar(NORM_EPSILON)?)?;
    let (a, b, c) = POLYNOMIAL;
    for _ in 0..ITERATIONS {
        let square = product::matmul(&x, &x.f_transpose(-2, -1)?)?;
        let series = square
            .f_mul_scalar(b)?
            .f_add(&product::matmul(&square, &square)?.f_mul_scalar(c)?)?;
        x = x.f_mul_scalar(a)?.f_add(&product::matmul(&series, &x)?)?;
    }
    if tall {
        x = x.f_transpose(-2, -1)?;
    }
    Ok(x.f_to_kind(kind)?)
}
