//! Finding the pairs that take part: by screening, or where heads share pre-activations from these themselves.

use super::super::facts::Facts;
use super::super::form::PLAIN;
use super::super::multiply::Addend;
use super::super::panels::Stays;
use super::super::places::tokens_at_a_time;
use super::room::Room;
use crate::dictionary::Selection;
use crate::error::{Error, Result};
use crate::kernels::screen::{Encoder, Keep};
use crate::tensor::Tensor;
use crate::tensor::slices::numbers;

/// Returns of how many of `tokens` tokens the pre-activations of so many latents are computed at a time where heads share them.
pub(in super::super) fn rows_shared(latents: i64, tokens: i64) -> i64 {
    tokens_at_a_time(PLAIN.0.elt_size_in_bytes() as i64 * latents, tokens)
}

/// Finds the pairs that take part, and computes their pre-activations.
///
/// # Errors
/// Too little memory.
pub(super) fn encode(room: &mut Room, facts: &Facts<'_>, x: &Tensor) -> Result<()> {
    let selection = facts.selection()?;
    let keep = match &selection {
        Selection::Largest(k) => Keep::Largest(*k as usize),
        Selection::Batch(k) => Keep::Batch((*k * facts.rows()) as usize),
        Selection::Above { bounds, spans: None } => Keep::Above(numbers(bounds)?),
        Selection::Above {
            bounds,
            spans: Some(spans),
        } => Keep::Between {
            bounds: numbers(bounds)?,
            spans: numbers(spans)?,
        },
    };
    match facts.heads {
        Some(_) => shared(room, facts, x, keep),
        None => screened(room, facts, x, keep),
    }
}

fn screened(room: &mut Room, facts: &Facts<'_>, x: &Tensor, keep: Keep<'_>) -> Result<()> {
    let (weight, bias) = (facts.encoder()?.f_tr()?, facts.encoder_bias()?);
    let encoder = Encoder {
        width: x.size()[1] as usize,
        weight: numbers(&weight)?,
        bias: numbers(&bias)?,
        factor: facts.factor.as_ref().map(numbers).transpose()?,
    };
    room.counts += room.screen.encode(numbers(x)?, &encoder, keep, &mut room.rows);
    Ok(())
}

/// Computes all pre-activations once, some tokens at a time, and has every head select among them. Screening would have to be done
/// for each head.
fn shared(room: &mut Room, facts: &Facts<'_>, x: &Tensor, keep: Keep<'_>) -> Result<()> {
    let (weight, bias) = (facts.encoder()?, facts.encoder_bias()?);
    let latents = facts.sae.cfg.d_sae();
    let factor = facts.factor.as_ref();
    let factor = numbers(factor.ok_or_else(|| Error::run("heads differ by their decoder norms"))?)?;
    let rows = rows_shared(latents, facts.tokens);
    room.chooser.begin(&mut room.rows);
    for x in x.f_split(rows, 0)? {
        let size = [x.size()[0], latents];
        let mut hidden_pre = room.hidden_pre.take_sized(&size, facts.options())?;
        facts.multiply_as_it_is(&x, (&weight, Stays::Step), Addend::Row(&bias), &mut hidden_pre)?;
        let chosen = (factor, keep);
        room.chooser
            .add(numbers(&hidden_pre)?, latents as usize, chosen, &mut room.rows);
    }
    room.chooser.end(factor, keep, &mut room.rows);
    Ok(())
}
