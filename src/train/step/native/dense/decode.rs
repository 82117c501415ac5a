//! Decoding, and what comes back through it. Each prefix of the latents that reconstructs adds its own latents to what the
//! one before it does; a latent's derivative is of all prefixes that it is in.

use std::ops::Range;

use crate::dictionary::sum_last;
use crate::error::Result;
use crate::kernels::norms::row_squares;
use crate::tensor::slices::{numbers, numbers_mut};
use crate::tensor::{Device, Kind, Tensor, Workspace};
use crate::train::step::native::facts::Facts;
use crate::train::step::native::gradients::Gradients;

/// Returns the latents `group` of `x`, along `dim`.
fn part(x: &Tensor, dim: i64, group: &Range<i64>) -> Result<Tensor> {
    Ok(x.f_narrow(dim, group.start, group.end - group.start)?)
}

/// Returns `x̂ − y` for each prefix, `(n, [heads,] d_model)`; heads have one prefix.
///
/// # Errors
/// Too little memory.
pub(super) fn errors(
    facts: &Facts<'_>,
    block: &Workspace,
    acts: &Tensor,
    label: &Tensor,
) -> Result<Vec<Tensor>> {
    let decoder = facts.parameter("W_D")?;
    let mut errors: Vec<Tensor> = Vec::new();
    for group in groups(facts) {
        let (acts, rows) = (part(acts, -1, &group)?, part(&decoder, -2, &group)?);
        let mut error = match facts.heads {
            Some(_) => facts.decoded(&acts, &rows)?,
            None => facts.product_in(block, &acts, &rows)?,
        };
        match (errors.last(), facts.parameter("b_D")) {
            (Some(shorter), _) => drop(error.f_add_(shorter)?),
            (None, Ok(bias)) => drop(error.f_add_(&bias)?.f_sub_(&label.f_view_as(&error)?)?),
            (None, Err(_)) => drop(error.f_sub_(&label.f_view_as(&error)?)?),
        }
        errors.push(error);
    }
    Ok(errors)
}

/// Returns the latents of each prefix that are not of the one before it, in each head.
fn groups(facts: &Facts<'_>) -> Vec<Range<i64>> {
    match facts.heads {
        Some(_) => std::iter::once(0..facts.sae.cfg.d_sae()).collect(),
        None => facts.groups(),
    }
}

/// Returns the sum of the squares of each row of an error, `(n, [heads])`.
///
/// # Errors
/// Too little memory.
pub(super) fn squared(facts: &Facts<'_>, error: &Tensor) -> Result<Tensor> {
    let Ok(rows) = numbers(error) else {
        return sum_last(&error.f_square()?);
    };
    let size = error.size();
    let (columns, of_rows) = size.split_last().unwrap_or((&1, &[]));
    let mut squares = facts.workspace.empty(of_rows, (Kind::Float, Device::Cpu))?;
    row_squares(rows, *columns as usize, numbers_mut(&mut squares)?);
    Ok(squares)
}

/// Turns the errors of the prefixes, `(n, [heads,] d_model)` each, into the derivatives by what the latents between two prefixes decode to;
/// `more` is a further derivative by what all latents decode to.
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
    match (by_decoded, facts.heads) {
        ([by_decoded], Some(_)) => {
            let rows = facts.by_decoder(acts, by_decoded)?;
            gradients.add("W_D", rows.f_flatten(0, -2)?)
        }
        ([by_decoded], None) => gradients.add_product((facts, step), "W_D", &acts.f_tr()?, by_decoded),
        _ => {
            let sum = gradients.so_far((facts, step), "W_D")?;
            for (group, by) in groups(facts).into_iter().zip(by_decoded) {
                let acts = part(acts, -1, &group)?.f_tr()?;
                facts.add_product(&mut part(&sum, -2, &group)?, &acts, by)?;
            }
            Ok(())
        }
    }
}

/// Returns the derivative by the activations, `(n, [heads,] d_sae)`.
///
/// # Errors
/// Too little memory.
pub(super) fn by_acts(facts: &Facts<'_>, block: &Workspace, by_decoded: &[Tensor]) -> Result<Tensor> {
    let decoder = facts.parameter("W_D")?;
    if let ([by_decoded], Some(_)) = (by_decoded, facts.heads) {
        return facts.by_acts(by_decoded, &decoder);
    }
    let tokens = by_decoded.first().map_or(0, |by_decoded| by_decoded.size()[0]);
    let by_acts = block.empty(&[tokens, facts.sae.cfg.d_sae()], facts.options())?;
    for (group, by) in groups(facts).into_iter().zip(by_decoded) {
        let rows = part(&decoder, -2, &group)?.f_tr()?;
        facts.put_product(&mut part(&by_acts, -1, &group)?, by, &rows)?;
    }
    Ok(by_acts)
}
