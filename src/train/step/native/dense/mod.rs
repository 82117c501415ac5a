//! The step with a number for every latent of every token, on any device and in any format.
//!
//! With `G = dL/dx̂`: `dW_D = fᵀ G`, `df = G W_Dᵀ` and what the penalty adds, `dh = df` where the latent is on, and
//! `dW_E = xᵀ dh`. What a penalty says of the decoder norms goes along the decoder's rows. Where prefixes of the latents
//! reconstruct too, each latent has a G of its own (`decode`).
//!
//! Tokens are taken some at a time, so few that what is computed of them stays in the processor's caches. What has to be
//! known of the whole batch before, the soft counts of tanh-quad and which latents are dead, takes a pass of its own; the
//! pre-activations are kept from it where they are not too many.
//!
//! Where many activations are 0, products pass over them (`zeros`). Between the products stands what is computed number by
//! number: in one pass of a kernel (`fused`), or by operations on tensors (`tensors`).

mod counts;
mod decode;
mod encode;
mod fused;
mod seen;
mod tensors;
mod zeros;

use self::counts::Counts;
use self::encode::{Encoded, encode, encoder};
use self::fused::Derivation;
use self::seen::seen;
use self::zeros::OverZeros;
use super::auxk::{self, AuxK, Latents, Work};
use super::facts::Facts;
use super::form;
use super::found::Found;
use super::gradients::Gradients;
use super::places::{Places, tokens_at_a_time};
use super::room::Room;
use super::select::Selector;
use super::terms::Terms;
use crate::dictionary::{LossInput, SAEConfig};
use crate::error::Result;
use crate::tensor::{Device, Tensor, Workspace};
use crate::train::step::Part;

/// Bytes of pre-activations up to which those of all tokens are kept for a second pass.
const KEPT_BYTES: i64 = 128 << 20;
/// About how many tensors of the size of the pre-activations a step holds at its height where it goes by operations on tensors, and
/// where kernels work in place: pre-activations, activations, the derivative by them.
const TENSORS: u64 = 8;
const TENSORS_OF_KERNELS: u64 = 3;
/// How many more there are where what the activation function sees lies by itself, and where the encoder has a gate.
const TENSORS_SEEN: u64 = 1;
const TENSORS_OF_GATE: u64 = 4;

/// What is known of a whole batch before its gradients are computed.
#[derive(Default)]
struct Known {
    soft_counts: Option<Tensor>,
    /// Which latents are dead, where Aux-K wants to know.
    is_dead: Option<Tensor>,
}

/// The activations of some tokens, which have been counted.
struct Activations {
    /// `(n, [heads ·] d_sae)`.
    numbers: Tensor,
    /// The part of them that is on; 1 where that is not known.
    filled: f64,
    /// What the activation function saw, as far as kernels want to know.
    seen: Tensor,
}

/// What was encoded of some tokens, with the activations where they have been counted for good.
struct Kept {
    encoded: Encoded,
    acts: Option<Activations>,
}

impl Kept {
    fn new(encoded: Encoded) -> Self {
        Self { encoded, acts: None }
    }
}

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
    let rows = rows_at_a_time(&facts.sae.cfg, facts.sae.device(), facts.tokens);
    let (xs, labels) = (input.x.f_split(rows, 0)?, input.label.f_split(rows, 0)?);
    let mut is_dead = Some(is_dead);
    let mut known = Known::default();
    let mut kept: Vec<Option<Kept>> = xs.iter().map(|_| None).collect();
    let mut parts = Parts::new(room, facts)?;
    if facts.looks_ahead() {
        let mut counts = look_ahead(facts, &xs, &mut kept, &mut parts)?;
        if let Some(is_dead) = is_dead.take() {
            known.is_dead = is_dead(counts.of_tokens())?;
        }
        known.soft_counts = counts.soft.take().map(|soft| facts.pooled(soft)).transpose()?;
        if xs.len() == 1 {
            parts.counts = counts;
        }
    }
    parts.derivation = Derivation::new(facts, known.soft_counts.as_ref())?;
    for ((x, label), kept) in xs.iter().zip(&labels).zip(kept) {
        parts.places.block.begin();
        let encoded = match kept {
            Some(kept) => kept,
            None => Kept::new(encode(facts, x, parts.places.block)?),
        };
        block(facts, (x, label), encoded, &known, &mut parts, gradients)?;
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
    parts.together(facts)
}

/// Returns how many of `tokens` tokens are taken at a time: all where their latents compete with one another, or where
/// caches play no part.
pub(super) fn rows_at_a_time(cfg: &SAEConfig, device: Device, tokens: i64) -> i64 {
    if device != Device::Cpu || !cfg.act_fn.is_per_token() {
        return tokens;
    }
    tokens_at_a_time(token_bytes(cfg), tokens)
}

/// Returns the bytes of the pre-activations that are kept from one pass to the other, of those of `tokens` tokens.
pub(super) fn kept_bytes(cfg: &SAEConfig, tokens: i64) -> i64 {
    // With a gate, what it lets through and how far it is open too.
    let tensors = if cfg.use_glu_encoder { 3 } else { 1 };
    let bytes = tensors * tokens * token_bytes(cfg);
    if bytes <= KEPT_BYTES { bytes } else { 0 }
}

/// Returns the bytes of the pre-activations of a token.
fn token_bytes(cfg: &SAEConfig) -> i64 {
    cfg.d_sae() * cfg.hooks.heads().unwrap_or(1) * cfg.dtype.kind().elt_size_in_bytes() as i64
}

/// Counts what there is to know of all tokens, and keeps what will be needed again.
fn look_ahead(
    facts: &Facts<'_>,
    xs: &[Tensor],
    kept: &mut [Option<Kept>],
    parts: &mut Parts<'_>,
) -> Result<Counts> {
    let mut counts = Counts::with_soft(facts)?;
    let is_one = xs.len() == 1;
    let keeps = is_one || kept_bytes(&facts.sae.cfg, facts.tokens) > 0;
    let Places { step, block } = parts.places;
    for (x, kept) in xs.iter().zip(kept) {
        block.begin();
        let encoded = encode(facts, x, if keeps { step } else { block })?;
        let room = if is_one { step } else { block };
        let acts = activate(facts, &encoded, parts.selector, room, &mut counts)?;
        let acts = Some(acts).filter(|_| is_one);
        *kept = keeps.then_some(Kept { encoded, acts });
    }
    Ok(counts)
}

/// What the blocks of a batch add up to, and where they work.
struct Parts<'a> {
    places: Places<'a>,
    selector: &'a mut Selector,
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
            selector: &mut room.selector,
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

/// Returns the activations of what was encoded, in the workspace, and counts them.
fn activate(
    facts: &Facts<'_>,
    encoded: &Encoded,
    selector: &mut Selector,
    workspace: &Workspace,
    counts: &mut Counts,
) -> Result<Activations> {
    let before = counts.active()?;
    let mut seen = encoded.hidden_pre.shallow_clone();
    let numbers = if fused::serves(facts) {
        seen = self::seen(facts, &seen, selector, workspace)?;
        fused::activate(facts, &seen, workspace.empty_like(&seen)?, counts)
    } else {
        tensors::activate(facts, &seen, counts)
    }?;
    let on = before.zip(counts.active()?).map(|(before, now)| now - before);
    let filled = on.map_or(1.0, |on| on / numbers.numel() as f64);
    facts.laps.end(Part::Encode);
    Ok(Activations {
        numbers,
        filled,
        seen,
    })
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
        None => activate(facts, &encoded, parts.selector, places.block, &mut parts.counts)?,
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
    if let (Some(is_dead), Some(error)) = (&known.is_dead, errors.last()) {
        let latents = Latents::masked(facts, is_dead)?;
        let numbers = (&encoded.hidden_pre, &facts.by_head(error)?);
        let work = Work {
            places: parts.places,
            selector: parts.selector,
            products: parts.zeros.as_mut().map(|zeros| &mut *zeros.products),
        };
        let found = auxk::step(facts, work, numbers, &latents, gradients)?;
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

/// Returns about how many tensors of the size of the pre-activations a step holds at its height.
pub(super) fn tensors(cfg: &SAEConfig, device: Device) -> u64 {
    if (cfg.dtype.kind(), device) != form::PLAIN {
        return TENSORS;
    }
    let seen = cfg.act_fn.selects_k() || cfg.hooks.heads().is_some();
    let gate = u64::from(cfg.use_glu_encoder) * TENSORS_OF_GATE;
    TENSORS_OF_KERNELS + u64::from(seen) * TENSORS_SEEN + gate
}

/// Returns the bytes that products over zeros hold with `rows` tokens at a time, where there are any.
pub(super) fn tile_bytes(cfg: &SAEConfig, device: Device, rows: u64) -> u64 {
    let kind = cfg.dtype.kind();
    if !form::passes_over_zeros(cfg, kind, device) {
        return 0;
    }
    (cfg.d_sae() as u64 + rows) * cfg.d_model as u64 * kind.elt_size_in_bytes() as u64
}
