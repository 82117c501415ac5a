//! What penalties say of activations, thresholds and decoder norms, written once for all latents and for pairs.

use super::facts::Facts;
use super::gradients::Gradients;
use super::terms::Terms;
use crate::dictionary::{Entries, Gate, LOG_THRESHOLD, Penalty};
use crate::error::Result;
use crate::tensor::{Tensor, Workspace};

/// Returns the sparsity penalty on activations `acts` with its derivative by their weighted form; `None` without one.
/// What is known is the soft counts of the whole batch, and where numbers of each latent may lie.
///
/// # Errors
/// Too little memory.
fn penalty(
    facts: &Facts<'_>,
    entries: &Entries<'_>,
    acts: &Tensor,
    known: (Option<&Tensor>, &Workspace),
) -> Result<Option<Penalty>> {
    let Some(kind) = facts.settings.sparsity_loss_type else {
        return Ok(None);
    };
    let weighted = acts.f_mul(&entries.of_latent(&facts.norm)?)?;
    kind.penalty(&weighted, entries, facts.settings, facts.rows(), known)
        .map(Some)
}

/// Adds what the sparsity penalty says of the activations `acts` to their derivative `by_acts`, and by way of their
/// weights to the gradient of the decoder.
///
/// # Errors
/// Too little memory.
pub(super) fn penalise(
    facts: &Facts<'_>,
    entries: &Entries<'_>,
    (acts, by_acts): (&Tensor, &mut Tensor),
    known: (Option<&Tensor>, &Workspace),
    (terms, gradients): (&mut Terms, &mut Gradients),
) -> Result<()> {
    let Some(penalty) = penalty(facts, entries, acts, known)? else {
        return Ok(());
    };
    terms.add_penalty(penalty.value)?;
    let by_norm = entries.sum_by_latent(&penalty.gradient.f_mul(acts)?)?;
    gradients.add_by_norm(by_norm)?;
    let _ = by_acts.f_addcmul_(&penalty.gradient, &entries.of_latent(&facts.norm)?)?;
    Ok(())
}

/// Adds what the activation function says of its thresholds: `seen` is what it saw, `by_scaled` the derivative by what it
/// gave for that. `spread` makes rows for all latents of rows for those of the gate.
///
/// # Errors
/// Too little memory.
pub(super) fn add_thresholds(
    facts: &Facts<'_>,
    entries: &Entries<'_>,
    (seen, by_scaled): (&Tensor, &Tensor),
    gate: &Gate<'_>,
    spread: impl FnOnce(Tensor) -> Result<Tensor>,
    gradients: &mut Gradients,
) -> Result<()> {
    let act_fn = facts.sae.cfg.act_fn;
    let Some(near) = act_fn.near_thresholds(seen, by_scaled, entries, gate)? else {
        return Ok(());
    };
    add_by_threshold(facts, &spread(gate.by_threshold(&near)?)?, gradients)
}

/// Adds what the activation function says of its thresholds, where it has any: `near (d_sae)` are the sums of the
/// derivatives by what it gave within their windows.
///
/// # Errors
/// Too little memory.
pub(super) fn add_near(facts: &Facts<'_>, near: &Tensor, gradients: &mut Gradients) -> Result<()> {
    if facts.gate.threshold.is_none() {
        return Ok(());
    }
    add_by_threshold(facts, &facts.gate.by_threshold(near)?, gradients)
}

fn add_by_threshold(facts: &Facts<'_>, by_threshold: &Tensor, gradients: &mut Gradients) -> Result<()> {
    match facts.by_log_threshold(by_threshold)? {
        Some(by_log) => gradients.add(LOG_THRESHOLD, by_log),
        None => Ok(()),
    }
}
