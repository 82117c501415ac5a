//! Decoding, and what comes back through it. Each prefix of the latents that reconstructs adds its own latents to what the
//! one before it does; a latent's derivative is of all prefixes that it is in. Heads have latents and columns of their own, and
//! share nothing here.

use std::ops::Range;

use crate::dictionary::sum_last;
use crate::error::Result;
use crate::kernels::norms::row_squares;
use crate::tensor::slices::{numbers, numbers_mut};
use crate::tensor::{Device, Kind, Tensor, Workspace};
use crate::train::step::native::facts::Facts;
use crate::train::step::native::gradients::Gradients;
use crate::train::step::native::multiply::Addend;
use crate::train::step::native::panels::Stays;

/// What some latents have to do with errors.
struct Share {
    latents: Range<i64>,
    /// Of which error, and of which of its columns.
    error: usize,
    columns: Range<i64>,
}

/// Returns the shares: of the latents of each prefix that are not of the one before it, or of each head, which has columns of its
/// own in the one error that there is.
fn shares(facts: &Facts<'_>) -> Vec<Share> {
    let columns = facts.sae.cfg.d_model;
    let groups = facts.groups().into_iter().enumerate();
    let share = |(place, latents)| {
        let (error, head) = match facts.heads {
            Some(_) => (0, place as i64),
            None => (place, 0),
        };
        Share {
            latents,
            error,
            columns: head * columns..(head + 1) * columns,
        }
    };
    groups.map(share).collect()
}

/// Returns a part of `x` along `dim`.
fn part(x: &Tensor, dim: i64, range: &Range<i64>) -> Result<Tensor> {
    Ok(x.f_narrow(dim, range.start, range.end - range.start)?)
}

/// Returns `x̂ − y` for each prefix, as `label` is; that of all heads is one.
///
/// # Errors
/// Too little memory.
pub(super) fn errors(
    facts: &Facts<'_>,
    block: &Workspace,
    acts: &Tensor,
    label: &Tensor,
) -> Result<Vec<Tensor>> {
    let decoder = facts.decoder()?;
    let mut errors: Vec<Tensor> = Vec::new();
    for share in shares(facts) {
        if share.error == errors.len() {
            errors.push(block.empty(&label.size(), facts.options())?);
        }
        let mut decoded = part(&errors[share.error], 1, &share.columns)?;
        let rows = part(&decoder, 0, &share.latents)?;
        let acts = part(acts, 1, &share.latents)?;
        facts.multiply(&acts, (&rows, Stays::Step), Addend::Nothing, &mut decoded)?;
    }
    let mut shorter: Option<Tensor> = None;
    for error in &mut errors {
        let _ = match (&shorter, facts.parameter("b_D")) {
            (Some(shorter), _) => error.f_add_(shorter)?,
            (None, Ok(bias)) => error.f_add_(&bias.f_flatten(0, -1)?)?.f_sub_(label)?,
            (None, Err(_)) => error.f_sub_(label)?,
        };
        shorter = Some(error.shallow_clone());
    }
    Ok(errors)
}

/// Returns the sum of the squares of each row of an error, `(n)`; with heads of each head's part of it, `(n, heads)`.
///
/// # Errors
/// Too little memory.
pub(super) fn squared(facts: &Facts<'_>, error: &Tensor) -> Result<Tensor> {
    let by_head = facts.by_head(error)?;
    let Ok(rows) = numbers(&by_head) else {
        return sum_last(&by_head.f_square()?);
    };
    let size = by_head.size();
    let (columns, of_rows) = size.split_last().unwrap_or((&1, &[]));
    let mut squares = facts.workspace.empty(of_rows, (Kind::Float, Device::Cpu))?;
    row_squares(rows, *columns as usize, numbers_mut(&mut squares)?);
    Ok(squares)
}

/// Turns the errors of the prefixes into the derivatives by what the latents between two prefixes decode to; `more` is a further
/// derivative by what all latents decode to.
///
/// # Errors
/// Too little memory.
pub(super) fn by_decoded(
    facts: &Facts<'_>,
    mut errors: Vec<Tensor>,
    more: Option<&Tensor>,
) -> Result<Vec<Tensor>> {
    let mut longer: Option<Tensor> = None;
    for (prefix, error) in facts.prefixes.iter().zip(&mut errors).rev() {
        let _ = error.f_mul_scalar_(facts.error_slope(prefix.weight))?;
        if let Some(longer) = longer.as_ref().or(more) {
            let _ = error.f_add_(longer)?;
        }
        longer = Some(error.shallow_clone());
    }
    Ok(errors)
}

/// Adds the gradient of the decoder, which lies in the workspace of the step.
///
/// # Errors
/// Too little memory.
pub(super) fn decoder(
    facts: &Facts<'_>,
    step: &Workspace,
    acts: &Tensor,
    by_decoded: &[Tensor],
    gradients: &mut Gradients,
) -> Result<()> {
    if let ([by_decoded], None) = (by_decoded, facts.heads) {
        return gradients.add_product((facts, step), "W_D", &acts.f_tr()?, by_decoded);
    }
    let sum = gradients.so_far((facts, step), "W_D")?;
    for share in shares(facts) {
        let acts = part(acts, 1, &share.latents)?.f_tr()?;
        let by = part(&by_decoded[share.error], 1, &share.columns)?;
        let mut sum = part(&sum, 0, &share.latents)?;
        facts.multiply(&acts, (&by, Stays::Product), Addend::Held, &mut sum)?;
    }
    Ok(())
}

/// Returns the derivative by the activations, as `acts` are.
///
/// # Errors
/// Too little memory.
pub(super) fn by_acts(
    facts: &Facts<'_>,
    block: &Workspace,
    acts: &Tensor,
    by_decoded: &[Tensor],
) -> Result<Tensor> {
    let decoder = facts.decoder()?;
    let by_acts = block.empty_like(acts)?;
    for share in shares(facts) {
        let by = part(&by_decoded[share.error], 1, &share.columns)?;
        let rows = part(&decoder, 0, &share.latents)?.f_tr()?;
        let mut by_acts = part(&by_acts, 1, &share.latents)?;
        facts.multiply(&by, (&rows, Stays::Step), Addend::Nothing, &mut by_acts)?;
    }
    Ok(by_acts)
}
