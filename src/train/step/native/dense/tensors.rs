//! What is computed number by number, by operations on whole tensors: on any device, in any format, for every activation
//! function.

use super::super::facts::Facts;
use super::super::gradients::Gradients;
use super::super::penalties::{add_thresholds, penalise};
use super::super::select::Selector;
use super::super::terms::Terms;
use super::counts::{Counts, TakingPart};
use crate::dictionary::Entries;
use crate::error::Result;
use crate::tensor::{Kind, Tensor, Workspace};

/// Returns what the activation function sees of pre-activations.
fn seen(facts: &Facts<'_>, hidden_pre: &Tensor) -> Result<Tensor> {
    match &facts.factor {
        Some(factor) => Ok(hidden_pre.f_mul(factor)?),
        None => Ok(hidden_pre.shallow_clone()),
    }
}

/// Returns the activations of `hidden_pre (n, d_sae)`, `(n, [heads ·] d_sae)`, and counts them.
///
/// # Errors
/// Too little memory.
pub(super) fn activate(
    facts: &Facts<'_>,
    hidden_pre: &Tensor,
    selector: &mut Selector,
    counts: &mut Counts,
) -> Result<Tensor> {
    let seen = seen(facts, &facts.for_heads(hidden_pre.shallow_clone())?)?;
    let acts = facts.unscaled(selector.applied(facts, &seen, &facts.gate)?)?;
    let by_latent = |of: &Tensor, kind: Kind| of.f_sum_dim_intlist([0i64].as_slice(), false, kind);
    let on = acts.f_gt(0.0)?;
    let _ = counts.fired.f_add_(&by_latent(&on, Kind::Float)?)?;
    if let Some(fired) = &mut counts.fired_somewhere {
        let _ = fired.f_add_(&by_latent(&on.f_any_dim(1, false)?, Kind::Float)?)?;
    }
    let _ = counts.sum.f_add_(&by_latent(&acts, acts.f_kind()?)?)?;
    if let Some(TakingPart { bounds, over, .. }) = &mut counts.taking_part {
        let _ = over.f_add_(&by_latent(&seen.f_gt_tensor(bounds)?, Kind::Float)?)?;
    }
    if let (Some(soft), Some(kind)) = (&mut counts.soft, facts.settings.sparsity_loss_type) {
        let weighted = acts.f_mul(&facts.norm)?;
        if let Some(counted) = kind.soft_counts(&weighted, &Entries::Every, facts.settings)? {
            let _ = soft.f_add_(&counted)?;
        }
    }
    Ok(acts.f_flatten(1, -1)?)
}

/// Returns the derivative by pre-activations from that by activations, `by_acts`, with what penalties and thresholds add.
///
/// # Errors
/// Too little memory.
pub(super) fn derive(
    facts: &Facts<'_>,
    block: &Workspace,
    (hidden_pre, acts): (&Tensor, &Tensor),
    by_acts: Tensor,
    soft_counts: Option<&Tensor>,
    (terms, gradients): (&mut Terms, &mut Gradients),
) -> Result<Tensor> {
    let every = &Entries::Every;
    let (acts, mut by_acts) = (&facts.by_head(acts)?, facts.by_head(&by_acts)?);
    let hidden_pre = &facts.for_heads(hidden_pre.shallow_clone())?;
    let kept = (&mut *terms, &mut *gradients);
    penalise(facts, every, (acts, &mut by_acts), (soft_counts, block), kept)?;
    if facts.sae.cfg.act_fn.has_thresholds() {
        let by_scaled = facts.unscaled(by_acts.shallow_clone())?;
        let seen = seen(facts, hidden_pre)?;
        add_thresholds(facts, every, (&seen, &by_scaled), &facts.gate, Ok, gradients)?;
    }
    let _ = by_acts.f_mul_(&acts.f_gt(0.0)?)?;
    if let (Some(theta), Some(cost)) = (facts.penalised_thresholds(), facts.threshold_cost()?) {
        let below = theta.f_sub(hidden_pre)?.f_relu()?;
        let is_below = below.f_gt(0.0)?;
        let sums = below.f_sum_dim_intlist([0i64].as_slice(), false, None::<Kind>)?;
        let count = is_below.f_sum_dim_intlist([0i64].as_slice(), false, sums.f_kind()?)?;
        terms.add_threshold_penalty(facts, (&sums, &count), gradients)?;
        let _ = by_acts.f_sub_(&is_below.f_mul(&cost)?)?;
    }
    Ok(by_acts.f_flatten(1, -1)?)
}
