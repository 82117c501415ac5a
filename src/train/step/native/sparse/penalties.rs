//! What penalties and thresholds say of the pairs, and the derivatives by their pre-activations.

use super::room::Room;
use crate::dictionary::{Entries, LOG_THRESHOLD};
use crate::error::Result;
use crate::tensor::slices::numbers;
use crate::tensor::{Kind, Tensor};

use super::super::facts::Facts;
use super::super::gradients::Gradients;
use super::super::penalties::{add_thresholds, penalise};
use super::super::terms::Terms;

/// Adds the sparsity penalty, the thresholds' gradients and the threshold penalty, and sets the derivatives by the
/// pre-activations of the pairs.
///
/// # Errors
/// Too little memory.
pub(super) fn add_penalties(
    room: &mut Room,
    facts: &Facts<'_>,
    x: &Tensor,
    terms: &mut Terms,
    gradients: &mut Gradients,
) -> Result<()> {
    let act_fn = facts.sae.cfg.act_fn;
    if facts.settings.sparsity_loss_type.is_none() && !act_fn.has_thresholds() {
        room.by_pre.clear();
        room.by_pre.extend_from_slice(&room.by_acts);
        return Ok(());
    }
    let entries = room.entries()?;
    let acts = Tensor::f_from_slice(&room.acts)?;
    let mut by_acts = Tensor::f_from_slice(&room.by_acts)?;
    let soft_counts = match facts.settings.sparsity_loss_type {
        Some(kind) => {
            let weighted = acts.f_mul(&entries.of_latent(&facts.norm)?)?;
            kind.soft_counts(&weighted, &entries, facts.settings)?
        }
        None => None,
    };
    let kept = (&mut *terms, &mut *gradients);
    penalise(facts, &entries, (&acts, &mut by_acts), soft_counts.as_ref(), kept)?;
    let mut by_pre = by_acts.f_mul(&acts.f_gt(0.0)?)?;
    if act_fn.has_thresholds() {
        let hidden_pre = Tensor::f_from_slice(&room.rows.value)?;
        let (seen, by_scaled) = as_seen(facts, &entries, &hidden_pre, &by_acts)?;
        add_thresholds(facts, &entries, (&seen, &by_scaled), &facts.gate, Ok, gradients)?;
        add_threshold_penalty(facts, &entries, (x, &hidden_pre), &mut by_pre, (terms, gradients))?;
    }
    room.by_pre.clear();
    room.by_pre.extend_from_slice(numbers(&by_pre)?);
    Ok(())
}

/// Returns what the activation function saw of the pairs, and the derivative by what it gave for that.
fn as_seen(
    facts: &Facts<'_>,
    entries: &Entries,
    hidden_pre: &Tensor,
    by_acts: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let Some(factor) = &facts.factor else {
        return Ok((hidden_pre.shallow_clone(), by_acts.shallow_clone()));
    };
    let seen = hidden_pre.f_mul(&entries.of_latent(factor)?)?;
    Ok((seen, by_acts.f_div(&entries.of_latent(&facts.divisor()?)?)?))
}

/// Adds the threshold penalty `c · mean_t Σ relu(θ − h) n`. Nearly all pre-activations are below their threshold, so it is
/// computed as if all were: that takes the sum of the tokens alone. What is not below, all of it among the pairs, is taken
/// off again.
fn add_threshold_penalty(
    facts: &Facts<'_>,
    entries: &Entries,
    (x, hidden_pre): (&Tensor, &Tensor),
    by_pre: &mut Tensor,
    (terms, gradients): (&mut Terms, &mut Gradients),
) -> Result<()> {
    let Some((theta, share)) = facts.threshold_penalty() else {
        return Ok(());
    };
    let cost = facts.norm.f_mul_scalar(share)?;
    let over = hidden_pre.f_sub(&entries.of_latent(theta)?)?;
    let is_over = over.f_ge(0.0)?.f_to_kind(Kind::Float)?;
    let sum_of_x = x
        .f_sum_dim_intlist([0i64].as_slice(), false, Kind::Double)?
        .f_to_kind(Kind::Float)?;
    let sum_of_pre = facts
        .product(&sum_of_x.f_unsqueeze(0)?, &facts.parameter("W_E")?)?
        .f_squeeze_dim(0)?
        .f_add(&facts.parameter("b_E")?.f_mul_scalar(facts.tokens)?)?;
    let below = theta
        .f_mul_scalar(facts.tokens)?
        .f_sub(&sum_of_pre)?
        .f_add(&entries.sum_by_latent(&over.f_mul(&is_over)?)?)?
        .f_clamp_min(0.0)?;
    terms.add_threshold(below.f_mul(&cost)?.f_sum(None::<Kind>)?)?;
    gradients.add("W_D", facts.by_rows(&below.f_mul_scalar(share)?)?)?;
    let count = entries
        .sum_by_latent(&is_over)?
        .f_neg()?
        .f_add_scalar(facts.tokens)?;
    if let Some(by_log) = facts.by_log_threshold(&count.f_mul(&cost)?)? {
        gradients.add(LOG_THRESHOLD, by_log)?;
    }
    let _ = by_pre.f_addcmul_(&is_over, &entries.of_latent(&cost)?)?;
    gradients.add("b_E", cost.f_mul_scalar(-facts.tokens)?)?;
    gradients.add("W_E", cost.f_outer(&sum_of_x)?.f_neg_()?.f_tr()?)
}
