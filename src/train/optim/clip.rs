//! The gradient norm of a dictionary, and clipping by it.

use crate::dictionary::{Role, SparseAutoEncoder};
use crate::error::Result;
use crate::kernels::cuda::Launcher;
use crate::kernels::cuda::norms::{self as device_norms, Norms};
use crate::kernels::norms;
use crate::tensor::slices::{in_memory_order, numbers};
use crate::tensor::{Device, Kind, Tensor, no_grad_guard};

/// Gradient norms of one move, 0-d tensors on the device. Both are `‖g‖₂ / √(number of non-zero entries)`, so that they
/// do not grow with the dictionary or with the number of active latents.
#[derive(Debug)]
pub struct GradientNorms {
    /// Over all parameters but the thresholds, before clipping.
    pub before_clipping: Tensor,
    /// Over all parameters, after clipping.
    pub per_param: Tensor,
    /// What the gradients of all parameters but the thresholds are to be multiplied by, where they are clipped.
    pub scale: Option<Tensor>,
}

/// Measures the gradients. Where `most` is over 0, those of all parameters but the thresholds are to be scaled by
/// `most / (norm + 1e-6)` when their norm is larger. Nothing is read back from the device. Kernels for a GPU are those of
/// `launcher`.
///
/// # Errors
/// Too little memory; the device failed.
pub fn clip(
    sae: &SparseAutoEncoder,
    gradients: &[Tensor],
    most: f64,
    launcher: Option<&dyn Launcher>,
) -> Result<GradientNorms> {
    let _no_grad = no_grad_guard();
    if let Some(launcher) = launcher
        && let Some(norms) = clip_on(launcher, sae, gradients, most)?
    {
        return Ok(norms);
    }
    let (mut clipped, mut free) = (Sums::new(sae)?, Sums::new(sae)?);
    for (parameter, gradient) in sae.parameters().iter().zip(gradients) {
        match parameter.role {
            Role::Threshold => free.add(gradient)?,
            Role::Weight | Role::Bias => clipped.add(gradient)?,
        }
    }
    let before_clipping = clipped.norm()?;
    let mut scale = None;
    if most > 0.0 {
        let factor = before_clipping
            .f_add_scalar(1e-6)?
            .f_reciprocal()?
            .f_mul_scalar(most)?;
        let factor = factor.f_where_self(&before_clipping.f_gt(most)?, &before_clipping.f_ones_like()?)?;
        clipped.squares = clipped.squares.f_mul(&factor.f_square()?)?;
        scale = Some(factor);
    }
    let all = Sums {
        squares: clipped.squares.f_add(&free.squares)?,
        nonzeros: clipped.nonzeros.f_add(&free.nonzeros)?,
    };
    let kind = sae.kind();
    Ok(GradientNorms {
        before_clipping: before_clipping.f_to_kind(kind)?,
        per_param: all.norm()?.f_to_kind(kind)?,
        scale,
    })
}

/// Measures as [`clip`] does, by the kernels that `launcher` starts; `None` where the numbers do not lie as they want them.
fn clip_on(
    launcher: &dyn Launcher,
    sae: &SparseAutoEncoder,
    gradients: &[Tensor],
    most: f64,
) -> Result<Option<GradientNorms>> {
    if sae.kind() != Kind::Float {
        return Ok(None);
    }
    let (mut clipped, mut free) = (Vec::new(), Vec::new());
    for (parameter, gradient) in sae.parameters().iter().zip(gradients) {
        let fits = gradient.f_kind()? == Kind::Float && gradient.device() == launcher.device();
        let Some(ordered) = in_memory_order(gradient).filter(|_| fits) else {
            return Ok(None);
        };
        match parameter.role {
            Role::Threshold => free.push(ordered),
            Role::Weight | Role::Bias => clipped.push(ordered),
        }
    }
    let Norms { before, after, scale } = device_norms::norms(launcher, &clipped, &free, most)?;
    Ok(Some(GradientNorms {
        before_clipping: before,
        per_param: after,
        scale,
    }))
}

/// What a norm follows from, float64 and int64 0-d.
struct Sums {
    squares: Tensor,
    nonzeros: Tensor,
}

impl Sums {
    fn new(sae: &SparseAutoEncoder) -> Result<Self> {
        let zero = |kind| Tensor::f_zeros([0i64; 0].as_slice(), (kind, sae.device()));
        Ok(Self {
            squares: zero(Kind::Double)?,
            nonzeros: zero(Kind::Int64)?,
        })
    }

    fn add(&mut self, gradient: &Tensor) -> Result<()> {
        let plain = gradient.f_kind()? == Kind::Float && gradient.device() == Device::Cpu;
        let (squares, nonzeros) = match in_memory_order(gradient).filter(|_| plain) {
            Some(ordered) => {
                let statistics = norms::statistics(numbers(&ordered)?);
                (
                    Tensor::from(statistics.squares),
                    Tensor::from(statistics.nonzeros as i64),
                )
            }
            None => (
                gradient.f_norm()?.f_to_kind(Kind::Double)?.f_square()?,
                gradient.f_ne(0.0)?.f_sum(Kind::Int64)?,
            ),
        };
        let _ = self.squares.f_add_(&squares)?;
        let _ = self.nonzeros.f_add_(&nonzeros)?;
        Ok(())
    }

    fn norm(&self) -> Result<Tensor> {
        let count = self.nonzeros.f_clamp_min(1)?.f_to_kind(Kind::Double)?;
        Ok(self.squares.f_div(&count)?.f_sqrt()?)
    }
}
