//! Activation functions: which latents are on, and how gradients pass.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::tensor::{Kind, Tensor};

/// The activation function of a dictionary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActFn {
    /// `max(0, h)`.
    #[default]
    Relu,
    /// `h` where it exceeds a trained threshold, else 0 (<https://arxiv.org/abs/2407.14435>).
    JumpRelu,
    /// The `k` largest of each token (<https://arxiv.org/abs/2406.04093>).
    TopK,
    /// The `k · tokens` largest of the whole batch (<https://arxiv.org/abs/2412.06410>).
    BatchTopK,
}

impl ActFn {
    /// Does a number `k` decide how many latents are on?
    pub fn selects_k(self) -> bool {
        matches!(self, ActFn::TopK | ActFn::BatchTopK)
    }

    /// The name as it is written in configurations.
    pub fn name(self) -> &'static str {
        match self {
            ActFn::Relu => "relu",
            ActFn::JumpRelu => "jumprelu",
            ActFn::TopK => "topk",
            ActFn::BatchTopK => "batchtopk",
        }
    }
}

/// What an activation function needs besides its input.
pub struct Gate<'a> {
    /// Active latents per token of the top-k family.
    pub k: i64,
    /// `log θ` of shape `(d_sae)`, for `jumprelu`.
    pub log_threshold: Option<&'a Tensor>,
    /// Width of the window in which thresholds receive gradient, for `jumprelu`.
    pub window: f64,
    /// Which positions count, bool `(…)`: for `batchtopk`, whose others are 0. `None`: all.
    pub counted: Option<&'a Tensor>,
}

impl ActFn {
    /// Applies the function to `pre (…, d_sae)`; gradients pass through the entries that stay on.
    pub fn apply(self, pre: &Tensor, gate: &Gate<'_>) -> Result<Tensor> {
        match (self, gate.log_threshold) {
            (ActFn::JumpRelu, Some(log_threshold)) => {
                let threshold = log_threshold.f_exp()?.f_to_kind(pre.kind())?;
                jumprelu(pre, &threshold, gate.window)
            }
            (ActFn::Relu | ActFn::JumpRelu, _) => Ok(pre.f_relu()?),
            (ActFn::TopK, _) => {
                let width = pre.size().last().copied().unwrap_or(1);
                keep_largest(&pre.f_relu()?, gate.k.min(width))
            }
            (ActFn::BatchTopK, _) => batchtopk(pre, gate),
        }
    }
}

/// The `k · B` largest of all, with B the positions that count.
fn batchtopk(pre: &Tensor, gate: &Gate<'_>) -> Result<Tensor> {
    let width = pre.size().last().copied().unwrap_or(1).max(1);
    let total = pre.numel() as i64;
    let on = pre.f_relu()?;
    let (on, positions) = match gate.counted {
        None => (on, total / width),
        Some(counted) => (
            on.f_masked_fill(&counted.f_logical_not()?.f_unsqueeze(-1)?, 0.0)?,
            counted.f_sum(Kind::Int64)?.f_int64_value(&[])?,
        ),
    };
    let kept = keep_largest(&on.f_reshape([-1])?, gate.k.saturating_mul(positions).min(total))?;
    Ok(kept.f_view_as(pre)?)
}

/// `pre` where it is over `threshold (d_sae)`.
///
/// The step has no useful derivative, so the threshold gets the straight-through estimate
/// `Σ g · (−θ/w) · [|h − θ| < w/2] · [h > 0]`
/// (<https://transformer-circuits.pub/2025/january-update/index.html#DL>).
fn jumprelu(pre: &Tensor, threshold: &Tensor, window: f64) -> Result<Tensor> {
    let (h, theta) = (pre.f_detach()?, threshold.f_detach()?);
    let on = h.f_gt_tensor(&theta)?;
    let passed = pre.f_mul(&on)?;
    if !threshold.requires_grad() {
        return Ok(passed);
    }
    let near = h
        .f_sub(&theta)?
        .f_abs()?
        .f_lt(window / 2.0)?
        .f_logical_and(&h.f_gt(0.0)?)?;
    let slope = theta.f_mul_scalar(-1.0 / window)?.f_mul(&near)?;
    // θ − θ is 0: it adds nothing to the value and carries the estimated slope to the threshold's gradient.
    let carrier = threshold.f_sub(&theta)?;
    Ok(passed.f_add(&carrier.f_mul(&slope)?)?)
}

/// Keeps the `k` largest along the last dimension and sets the rest to 0.
fn keep_largest(values: &Tensor, k: i64) -> Result<Tensor> {
    let (kept, places) = values.f_topk(k, -1, true, false)?;
    Ok(values.f_detach()?.f_zeros_like()?.f_scatter(-1, &places, &kept)?)
}
