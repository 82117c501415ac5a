//! Decoding, and what comes back through it. Each prefix of the latents that reconstructs adds its own latents to what the
//! one before it does; a latent's derivative is of all prefixes that it is in.

use std::ops::Range;

use crate::dictionary::sum_last;
use crate::error::Result;
use crate::kernels::norms::row_squares;
use crate::tensor::slices::{numbers, numbers_mut};
use crate::tensor::{Device, Kind, Tensor};
use crate::train::step::native::facts::Facts;
use crate::train::step::native::gradients::Gradients;

/// Returns the latents `group` of `x`, along `dim`.
fn part(x: &Tensor, dim: i64, group: &Range<i64>) -> Result<Tensor> {
    Ok(x.f_narrow(dim, group.start, group.end - group.start)?)
}

/// Returns parts that follow one another along `dim` as one.
fn joined(mut parts: Vec<Tensor>, dim: i64) -> Result<Tensor> {
    match parts.len() {
        1 => Ok(parts.remove(0)),
        _ => Ok(Tensor::f_cat(&parts, dim)?),
    }
}

/// Returns `x̂ − y` for each prefix, `(n, [heads,] d_model)`; heads have one prefix.
///
/// # Errors
/// Too little memory.
pub(super) fn errors(facts: &Facts<'_>, acts: &Tensor, label: &Tensor) -> Result<Vec<Tensor>> {
    let decoder = facts.parameter("W_D")?;
    let mut errors: Vec<Tensor> = Vec::new();
    for group in groups(facts) {
        let mut error = facts.decoded(&part(acts, -1, &group)?, &part(&decoder, -2, &group)?)?;
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

/// Adds the gradient of the decoder.
///
/// # Errors
/// Too little memory.
pub(super) fn decoder(
    facts: &Facts<'_>,
    acts: &Tensor,
    by_decoded: &[Tensor],
    gradients: &mut Gradients,
) -> Result<()> {
    if let ([by_decoded], None) = (by_decoded, facts.heads) {
        return gradients.add_product(facts, "W_D", &acts.f_tr()?, by_decoded);
    }
    let rows = groups(facts).into_iter().zip(by_decoded);
    let rows = rows.map(|(group, by)| facts.by_decoder(&part(acts, -1, &group)?, by));
    let rows = joined(rows.collect::<Result<_>>()?, -2)?;
    gradients.add("W_D", rows.f_flatten(0, -2)?)
}

/// Returns the derivative by the activations, `(n, [heads,] d_sae)`.
///
/// # Errors
/// Too little memory.
pub(super) fn by_acts(facts: &Facts<'_>, by_decoded: &[Tensor]) -> Result<Tensor> {
    let decoder = facts.parameter("W_D")?;
    let columns = groups(facts).into_iter().zip(by_decoded);
    let columns = columns.map(|(group, by)| facts.by_acts(by, &part(&decoder, -2, &group)?));
    joined(columns.collect::<Result<_>>()?, -1)
}
