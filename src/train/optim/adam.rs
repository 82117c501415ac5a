//! Adam (<https://arxiv.org/abs/1412.6980>) with PyTorch's arithmetic, without weight decay.

use super::{EPSILON, Moments, Rates};
use crate::error::Result;
use crate::tensor::Tensor;

/// One move: `p −= lr · m̂ / (√v̂ + ε)` with bias-corrected moments.
pub(super) fn step(
    parameter: &mut Tensor,
    gradient: &Tensor,
    moments: &mut Moments,
    rates: Rates,
) -> Result<()> {
    moments.steps += 1;
    let power = moments.steps as i32;
    let correction1 = 1.0 - rates.beta1.powi(power);
    let correction2 = (1.0 - rates.beta2.powi(power)).sqrt();
    let _ = moments.exp_avg.f_lerp_(gradient, 1.0 - rates.beta1)?;
    let square = gradient.f_square()?.f_mul_scalar_(1.0 - rates.beta2)?;
    let _ = moments.exp_avg_sq.f_mul_scalar_(rates.beta2)?.f_add_(&square)?;
    let scale = moments
        .exp_avg_sq
        .f_sqrt()?
        .f_div_scalar_(correction2)?
        .f_add_scalar_(EPSILON)?;
    let update = moments
        .exp_avg
        .f_div(&scale)?
        .f_mul_scalar_(rates.lr / correction1)?;
    let _ = parameter.f_sub_(&update)?;
    Ok(())
}
