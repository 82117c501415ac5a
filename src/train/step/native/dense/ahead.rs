//! What has to be known of a whole batch before its gradients are computed, in passes over its tokens: what the latents of a batch
//! that compete have to reach, the soft counts of tanh-quad, and which latents are dead.

use super::super::auxk::Latents;
use super::super::facts::Facts;
use super::super::places::Places;
use super::super::select::{Selector, Selectors};
use super::activate::activate;
use super::blocks::{Blocks, Extent, Kept, Which};
use super::counts::Counts;
use crate::error::Result;
use crate::tensor::Tensor;

/// What is known of a whole batch before its gradients are computed.
#[derive(Default)]
pub(super) struct Known {
    pub(super) soft_counts: Option<Tensor>,
    /// Those that are dead, where Aux-K wants to know.
    pub(super) dead: Option<Latents>,
    /// What has been counted, where that was for good.
    pub(super) counts: Option<Counts>,
}

/// Finds out what has to be known. `is_dead` is asked once if this counts what has fired, with that.
///
/// # Errors
/// Too little memory.
pub(super) fn look_ahead(
    facts: &Facts<'_>,
    blocks: &mut Blocks,
    places: Places<'_>,
    selectors: &mut Selectors,
    is_dead: &mut Option<impl FnOnce(&Tensor) -> Result<Option<Tensor>>>,
) -> Result<Known> {
    let mut known = Known::default();
    compare(facts, (blocks, places), None, &mut selectors.of_all)?;
    if facts.settings.needs_whole_batch() {
        let mut counts = count(facts, (blocks, places), &mut selectors.of_all)?;
        known.soft_counts = counts.soft.take().map(|soft| facts.pooled(soft)).transpose()?;
        let is_dead = is_dead.take().map(|is_dead| is_dead(counts.of_tokens()));
        if let Some(is_dead) = is_dead.transpose()?.flatten() {
            let dead = Latents::masked(facts, &is_dead)?;
            compare(facts, (blocks, places), Some(&dead), &mut selectors.of_dead)?;
            known.dead = Some(dead);
        }
        known.counts = Some(counts).filter(|_| blocks.is_one());
    }
    selectors.of_all.begin();
    Ok(known)
}

/// Finds what the latents have to reach where those of the whole batch compete: all, or those that are `dead`. What may be selected
/// is listed where that is of use.
fn compare(
    facts: &Facts<'_>,
    (blocks, places): (&mut Blocks, Places<'_>),
    dead: Option<&Latents>,
    selector: &mut Selector,
) -> Result<()> {
    if !facts.competes_in_blocks() {
        return Ok(());
    }
    let (which, k, factor) = match dead {
        Some(dead) => (Which::Dead, dead.gate(facts).k, Some(dead.factor())),
        None => (Which::All, facts.gate.k, facts.factor.as_ref()),
    };
    selector.begin_search(facts.keep(k), (facts.tokens, facts.latents()));
    loop {
        blocks.begin_list(which);
        blocks.each(Extent::All, facts, places, |blocks, Kept { encoded, .. }| {
            selector.look(&encoded.hidden_pre, factor)?;
            if !blocks.is_listed() {
                return Ok(());
            }
            let rows = selector.within_reach(&encoded.hidden_pre, factor)?;
            blocks.add_to_list(which, rows, encoded)
        })?;
        if selector.end_search() {
            blocks.end_list();
            return Ok(());
        }
    }
}

/// Counts what there is to know of all tokens.
fn count(
    facts: &Facts<'_>,
    (blocks, places): (&mut Blocks, Places<'_>),
    selector: &mut Selector,
) -> Result<Counts> {
    let mut counts = Counts::with_soft(facts)?;
    let is_one = blocks.is_one();
    let room = if is_one { places.step } else { places.block };
    selector.begin();
    blocks.each(Extent::Selectable, facts, places, |_, kept| {
        let acts = activate(facts, &kept.encoded, selector, room, &mut counts)?;
        kept.acts = Some(acts).filter(|_| is_one);
        Ok(())
    })?;
    Ok(counts)
}
