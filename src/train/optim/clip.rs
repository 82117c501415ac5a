//! The gradient norm of a dictionary, and clipping by it.

use crate::dictionary::{Role, SparseAutoEncoder};
use crate::error::Result;
use crate::tensor::{Kind, Tensor, no_grad_guard};

/// Gradient norms of one move, 0-d tensors on the device. Both are `‖g‖₂ / √(number of non-zero entries)`, so that they
/// do not grow with the dictionary or with the number of active latents.
#[derive(Debug)]
pub struct GradientNorms {
    /// Over all parameters but the thresholds, before clipping.
    pub before_clipping: Tensor,
    /// Over all parameters, after clipping.
    pub per_param: Tensor,
}

/// Measures the gradients and, where `most` is over 0, scales those of all parameters but the thresholds by
/// `most / (norm + 1e-6)` when their norm is larger. Nothing is read back from the device.
///
/// # Errors
/// Too little memory.
pub fn clip(sae: &SparseAutoEncoder, gradients: &mut [Tensor], most: f64) -> Result<GradientNorms> {
    let _no_grad = no_grad_guard();
    let clipped: Vec<bool> = sae
        .parameters()
        .iter()
        .map(|parameter| parameter.role != Role::Threshold)
        .collect();
    let before_clipping = norm(
        gradients
            .iter()
            .zip(&clipped)
            .filter(|(_, in_norm)| **in_norm)
            .map(|(g, _)| g),
    )?;
    if most > 0.0 {
        let scale = before_clipping
            .f_add_scalar(1e-6)?
            .f_reciprocal()?
            .f_mul_scalar(most)?;
        let scale = scale.f_where_self(&before_clipping.f_gt(most)?, &before_clipping.f_ones_like()?)?;
        for (gradient, _) in gradients
            .iter_mut()
            .zip(&clipped)
            .filter(|(_, in_norm)| **in_norm)
        {
            let _ = gradient.f_mul_(&scale)?;
        }
    }
    Ok(GradientNorms {
        before_clipping,
        per_param: norm(gradients.iter())?,
    })
}

fn norm<'a>(gradients: impl Iterator<Item = &'a Tensor>) -> Result<Tensor> {
    let (mut norms, mut counts) = (Vec::new(), Vec::new());
    for gradient in gradients {
        norms.push(gradient.f_norm()?);
        counts.push(gradient.f_ne(0.0)?.f_sum(Kind::Int64)?);
    }
    let total = Tensor::f_stack(&norms, 0)?.f_norm()?;
    let count = Tensor::f_stack(&counts, 0)?.f_sum(Kind::Int64)?.f_clamp_min(1)?;
    Ok(total.f_div(&count.f_to_kind(total.f_kind()?)?.f_sqrt()?)?)
}
