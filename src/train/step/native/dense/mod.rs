//! The step with a number for every latent of every token, on any device and in any format.
//!
//! With `G = dL/dx̂`: `dW_D = fᵀ G`, `df = G W_Dᵀ` and what the penalty adds, `dh = df` where the latent is on, and
//! `dW_E = xᵀ dh`. What a penalty says of the decoder norms goes along the decoder's rows. Where prefixes of the latents
//! reconstruct too, each latent has a G of its own (`decode`).
//!
//! Tokens are taken some at a time, so few that what is computed of them stays in the processor's caches. What has to be
//! known of the whole batch before takes passes of its own (`ahead`); what the encoder makes of the tokens is kept from them, or what
//! of it may be selected, where that is not too much (`size`).
//!
//! Where many activations are 0, products pass over them (`zeros`). Between the products stands what is computed number by
//! number: in one pass of a kernel (`fused`), or by operations on tensors (`tensors`).

mod activate;
mod ahead;
mod blocks;
mod counts;
mod decode;
mod encode;
mod fused;
mod seen;
mod size;
mod tensors;
mod zeros;

use self::activate::{Activations, activate};
use self::ahead::{Known, look_ahead};
use self::blocks::{Blocks, Kept};
use self::counts::Counts;
use self::encode::{Encoded, encoder};
use self::fused::Derivation;
pub(super) use self::size::{Size, k_aux};
use self::zeros::OverZeros;
use super::auxk::{self, AuxK, Work};
use super::facts::Facts;
use super::found::Found;
use super::gradients::Gradients;
use super::places::Places;
use super::room::Room;
use super::select::Selectors;
use super::some_rows::RowSums;
use super::terms::Terms;
use crate::dictionary::LossInput;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::train::step::Part;

/// Makes the step. `is_dead` is asked once, with what has fired.
///
/// # Errors
/// Too little memory.
pub(super) fn step(
    room: &mut Room,
    facts: &Facts<'_>,
    input: &LossInput<'_>,
    is_dead: impl FnOnce(&Tensor) -> Result<Option<Tensor>>,
    gradients: &mut Gradients,
) -> Result<Found> {
    let mut is_dead = Some(is_dead);
    let mut blocks = Blocks::new(facts, input.x, std::mem::take(&mut room.lists))?;
    let mut parts = Parts::new(room, facts)?;
    let mut known = look_ahead(facts, &mut blocks, parts.places, parts.selectors, &mut is_dead)?;
    if let Some(counts) = known.counts.take() {
        parts.counts = counts;
    }
    parts.derivation = Derivation::new(facts, known.soft_counts.as_ref())?;
    let labels = input.label.f_split(blocks.rows, 0)?;
    for (number, label) in labels.iter().enumerate() {
        let kept = blocks.take(number, facts, parts.places)?;
        block(
            facts,
            (&blocks.xs[number], label),
            kept,
            &known,
            &mut parts,
            gradients,
        )?;
        facts.laps.end(Part::Scatter);
    }
    if let Some(is_dead) = is_dead {
        is_dead(parts.counts.of_tokens())?;
    }
    if let Some(derivation) = parts.derivation.take() {
        derivation.finish(facts, (&mut parts.terms, &mut *gradients))?;
    }
    if let Some(mut zeros) = parts.zeros.take() {
        zeros.finish(facts, gradients)?;
    }
    facts.laps.end(Part::Penalties);
    let found = parts.together(facts);
    room.lists = blocks.lists;
    found
}

/// What the blocks of a batch add up to, and where they work.
struct Parts<'a> {
    places: Places<'a>,
    selectors: &'a mut Selectors,
    terms: Terms,
    /// The squared errors of each block, for each prefix.
    squared_errors: Vec<Vec<Tensor>>,
    counts: Counts,
    /// What penalties and thresholds say, where kernels can compute it.
    derivation: Option<Derivation>,
    /// The way over zeros, where there is one.
    zeros: Option<OverZeros<'a>>,
}

impl<'a> Parts<'a> {
    fn new(room: &'a mut Room, facts: &Facts<'_>) -> Result<Self> {
        let places = Places {
            step: &room.step,
            block: &room.block,
        };
        places.step.begin();
        Ok(Self {
            places,
            selectors: &mut room.selectors,
            terms: Terms::new(facts),
            squared_errors: facts.prefixes.iter().map(|_| Vec::new()).collect(),
            counts: Counts::new(facts)?,
            derivation: None,
            zeros: OverZeros::new(&mut room.products, places, facts),
        })
    }

    /// Returns the way over zeros, where it is faster for these activations.
    fn zeros(&mut self, acts: &Activations) -> Option<&mut OverZeros<'a>> {
        let is_worth_it = OverZeros::is_worth_it(acts.filled);
        self.zeros.as_mut().filter(|_| is_worth_it)
    }

    fn together(self, facts: &Facts<'_>) -> Result<Found> {
        let whole = |blocks: &Vec<Tensor>| -> Result<Tensor> {
            let options = (blocks[0].f_kind()?, blocks[0].device());
            let mut size = blocks[0].size();
            size[0] = facts.tokens;
            let all = facts.workspace.empty(&size, options)?;
            Ok(Tensor::f_cat_out(&all, blocks, 0)?)
        };
        let whole = self.squared_errors.iter().map(whole);
        Ok(Found {
            squared_errors: whole.collect::<Result<_, _>>()?,
            activity: self.counts.activity()?,
            pairs: self.counts.pairs()?,
            terms: self.terms,
            fired: self.counts.of_tokens().shallow_clone(),
            fired_by_head: facts.heads.map(|_| self.counts.fired),
        })
    }
}

/// Adds what some tokens say.
fn block(
    facts: &Facts<'_>,
    (x, label): (&Tensor, &Tensor),
    Kept { encoded, acts }: Kept,
    known: &Known,
    parts: &mut Parts,
    gradients: &mut Gradients,
) -> Result<()> {
    let places = parts.places;
    let acts = match acts {
        Some(acts) => acts,
        None => activate(
            facts,
            &encoded,
            &mut parts.selectors.of_all,
            places.block,
            &mut parts.counts,
        )?,
    };
    let (by_decoded, aux) = reconstruct(facts, (&encoded, &acts, label), known, parts, gradients)?;
    let by_acts = through_decoder(facts, &acts, &by_decoded, parts, gradients)?;
    let is_lifted = parts.zeros(&acts).is_some() && OverZeros::is_lifted(facts);
    let numbers = (&acts.seen, &acts.numbers);
    let mut by_pre = match &mut parts.derivation {
        Some(derivation) => derivation.derive(facts, places.block, numbers, (by_acts, is_lifted))?,
        None => {
            let kept = (&mut parts.terms, &mut *gradients);
            tensors::derive(
                facts,
                places.block,
                numbers,
                by_acts,
                known.soft_counts.as_ref(),
                kept,
            )?
        }
    };
    if let Some(aux) = aux {
        let _ = by_pre.f_add_(&aux.by_pre.f_flatten(1, -1)?)?;
    }
    facts.laps.end(Part::Penalties);
    let zeros = parts.zeros(&acts).filter(|_| OverZeros::is_for_encoder(facts));
    encoder(facts, places, (x, &encoded), by_pre, zeros, gradients)
}

/// Returns the derivatives by what the latents between two prefixes decode to, with what Aux-K says, if it says anything.
fn reconstruct(
    facts: &Facts<'_>,
    (encoded, acts, label): (&Encoded, &Activations, &Tensor),
    known: &Known,
    parts: &mut Parts<'_>,
    gradients: &mut Gradients,
) -> Result<(Vec<Tensor>, Option<AuxK>)> {
    let errors = match parts.zeros(acts) {
        Some(zeros) => vec![zeros.error(facts, &acts.numbers, label)?],
        None => decode::errors(facts, parts.places.block, &acts.numbers, label)?,
    };
    for (error, blocks) in errors.iter().zip(&mut parts.squared_errors) {
        blocks.push(decode::squared(facts, error)?);
    }
    facts.laps.end(Part::Decode);
    let mut aux = None;
    if let (Some(dead), Some(error)) = (&known.dead, errors.last()) {
        let numbers = (&encoded.hidden_pre, &facts.by_head(error)?);
        let work = Work {
            places: parts.places,
            selector: &mut parts.selectors.of_dead,
            products: parts.zeros.as_mut().map(|zeros| &mut *zeros.products),
        };
        let by_decoder = gradients.so_far((facts, parts.places.step), "W_D")?;
        let latents = (dead, &mut RowSums::All(by_decoder));
        let found = auxk::step(facts, work, numbers, latents, gradients)?;
        parts.terms.add_auxk(found.value.shallow_clone())?;
        aux = Some(found);
    }
    let more = aux.as_ref().map(|aux| aux.by_reconstruction.f_flatten(1, -1));
    let by_decoded = decode::by_decoded(facts, errors, more.transpose()?.as_ref())?;
    facts.laps.end(Part::Auxk);
    Ok((by_decoded, aux))
}

/// Adds the gradients of the decoder, and returns the derivative by the activations, `(n, d_sae)`.
fn through_decoder(
    facts: &Facts<'_>,
    acts: &Activations,
    by_decoded: &[Tensor],
    parts: &mut Parts<'_>,
    gradients: &mut Gradients,
) -> Result<Tensor> {
    let Places { step, block } = parts.places;
    let mut zeros = parts.zeros(acts);
    match (&mut zeros, by_decoded) {
        (Some(zeros), [by_decoded]) => zeros.decoder(facts, &acts.numbers, by_decoded, gradients)?,
        _ => decode::decoder(facts, step, &acts.numbers, by_decoded, gradients)?,
    }
    if let Some(of_all_prefixes) = by_decoded.first() {
        gradients.add_bias(facts, "b_D", of_all_prefixes)?;
    }
    facts.laps.end(Part::Scatter);
    let by_acts = match (zeros, by_decoded) {
        (Some(zeros), [by_decoded]) => zeros.by_acts(facts, (&acts.numbers, acts.filled), by_decoded)?,
        _ => decode::by_acts(facts, block, &acts.numbers, by_decoded)?,
    };
    facts.laps.end(Part::Decode);
    Ok(by_acts)
}
