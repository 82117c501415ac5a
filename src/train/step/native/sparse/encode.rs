//! Finding the pairs that take part: by screening, or where heads share pre-activations from these themselves.

use super::super::facts::Facts;
use super::super::multiply::Addend;
use super::super::panels::Stays;
use super::room::Room;
use crate::dictionary::Selection;
use crate::error::{Error, Result};
use crate::kernels::choose::{Wanted, keep_over};
use crate::kernels::screen::{Encoder, Keep};
use crate::kernels::select::Cut;
use crate::tensor::Tensor;
use crate::tensor::slices::numbers;

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
    let factor = facts.factor.as_ref();
    let factor = numbers(factor.ok_or_else(|| Error::run("heads differ by their decoder norms"))?)?;
    let rows = facts.limits.rows_shared(facts.sae.cfg.d_sae(), facts.tokens);
    let xs = x.f_split(rows, 0)?;
    match keep {
        Keep::Batch(count) => competing(room, facts, &xs, (factor, count)),
        Keep::Largest(count) => for_themselves(room, facts, &xs, factor, || Wanted::Largest(count)),
        Keep::Above(bounds) | Keep::Between { bounds, .. } => {
            for_themselves(room, facts, &xs, factor, || Wanted::Above(bounds))
        }
    }
}

/// Selects where each token stands for itself.
fn for_themselves<'a>(
    room: &mut Room,
    facts: &Facts<'_>,
    xs: &[Tensor],
    factor: &[f32],
    wanted: impl Fn() -> Wanted<'a>,
) -> Result<()> {
    room.chooser.begin(&mut room.rows);
    for x in xs {
        let hidden_pre = pre_activations(room, facts, x)?;
        let hidden_pre = (numbers(&hidden_pre)?, columns(&hidden_pre));
        room.chooser.add(hidden_pre, factor, wanted(), &mut room.rows);
    }
    Ok(())
}

/// Selects where the latents of the batch compete. What may be selected is listed while it is found out what they have to reach; where
/// the first tokens let expect something else, or there is no end of the list, the tokens are looked at once more.
fn competing(
    room: &mut Room,
    facts: &Facts<'_>,
    xs: &[Tensor],
    (factor, count): (&[f32], usize),
) -> Result<()> {
    room.search.begin(count, facts.tokens as usize);
    let mut known: Option<Cut> = None;
    loop {
        let (mut left, mut is_listed) = (known, true);
        room.chooser.begin(&mut room.rows);
        for x in xs {
            let hidden_pre = pre_activations(room, facts, x)?;
            let hidden_pre = (numbers(&hidden_pre)?, columns(&hidden_pre));
            if left.is_none() {
                room.search.look(hidden_pre.0, hidden_pre.1, factor);
            }
            let mut least = room.search.least().filter(|_| is_listed);
            if let Some(cut) = left.as_mut().or(least.as_mut()) {
                room.chooser
                    .add(hidden_pre, factor, Wanted::Over(cut), &mut room.rows);
            }
            if left.is_none() && (least.is_none() || room.rows.index.len() > MOST_LISTED * count) {
                room.chooser.begin(&mut room.rows);
                is_listed = false;
            }
        }
        if left.is_some() {
            return Ok(());
        }
        if let Some(mut cut) = room.search.end() {
            if is_listed {
                keep_over(factor, &mut cut, &mut room.rows);
                return Ok(());
            }
            known = Some(cut);
        }
    }
}

/// How many times as many pairs as are kept are listed at most.
const MOST_LISTED: usize = 2;

/// Returns the pre-activations of some tokens, which are there until those of others are asked for.
fn pre_activations(room: &mut Room, facts: &Facts<'_>, x: &Tensor) -> Result<Tensor> {
    let (weight, bias) = (facts.encoder()?, facts.encoder_bias()?);
    let size = [x.size()[0], facts.sae.cfg.d_sae()];
    let mut hidden_pre = room.hidden_pre.take_sized(&size, facts.options())?;
    facts.multiply_as_it_is(x, (&weight, Stays::Step), Addend::Row(&bias), &mut hidden_pre)?;
    Ok(hidden_pre)
}

fn columns(hidden_pre: &Tensor) -> usize {
    hidden_pre.size()[1] as usize
}
