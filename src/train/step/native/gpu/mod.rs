//! The step over selected latents alone, by our own kernels for GPUs: where a number of latents of each token is selected,
//! in float32. It is the sparse form with pairs that stay on the device; nothing is read back but how many latents are dead,
//! where Aux-K wants to know.

#[cfg(test)]
mod deferral;
#[cfg(test)]
mod steady;
#[cfg(test)]
mod tests;

use super::auxk;
use super::facts::Facts;
use super::found::Found;
use super::gradients::Gradients;
use super::terms::Terms;
use crate::dictionary::{LossInput, SAEConfig, Selection};
use crate::error::{Error, Result};
use crate::kernels::cuda::by_latent::ByLatent;
use crate::kernels::cuda::decode::{Batch, Decoded, Prefixes, decode, residual, slopes};
use crate::kernels::cuda::encode::{Counted, Encoder, MOST_CHOSEN, Pairs, largest};
use crate::kernels::cuda::{Launcher, sums};
use crate::tensor::{Kind, Tensor};
use crate::train::step::Part;

/// What is on the device from step to step.
#[derive(Default)]
pub(super) struct Held {
    /// The prefixes that reconstruct.
    prefixes: Option<Prefixes>,
    /// How screening went since that was asked for.
    pub(super) counted: Option<Counted>,
}

/// Returns why the kernels cannot train this dictionary, with a sparsity penalty or without, if they cannot.
pub(in crate::train) fn refusal(cfg: &SAEConfig, has_penalty: bool) -> Option<&'static str> {
    if cfg.dtype.kind() != Kind::Float {
        return Some("its kernels compute in float32");
    }
    if !cfg.act_fn.selects_k() || !cfg.act_fn.is_per_token() {
        return Some("its kernels select the largest of each token: act_fn = \"topk\"");
    }
    if cfg.top_k > MOST_CHOSEN {
        return Some("its kernels select at most 512 latents of a token");
    }
    if cfg.use_glu_encoder {
        return Some("its kernels know no `use_glu_encoder`");
    }
    if has_penalty {
        return Some("its kernels know no `sparsity_loss_type`");
    }
    None
}

/// Makes the step. `is_dead` is asked once, with what has fired.
///
/// # Errors
/// Too little memory; the device failed.
pub(super) fn step(
    launcher: &dyn Launcher,
    held: &mut Held,
    (facts, input): (&Facts<'_>, &LossInput<'_>),
    is_dead: impl FnOnce(&Tensor) -> Result<Option<Tensor>>,
    gradients: &mut Gradients,
) -> Result<Found> {
    let pairs = encode(launcher, held, facts, input.x)?;
    let by_latent = ByLatent::new(launcher, &pairs, facts.latents() as i64)?;
    let fired = by_latent.counts().shallow_clone();
    facts.laps.end(Part::Encode);
    let is_dead = is_dead(&fired)?;
    let each = facts.prefixes.iter();
    let each: Vec<(i64, f64)> = each.map(|prefix| (prefix.latents, prefix.weight)).collect();
    let prefixes = Prefixes::kept(&mut held.prefixes, &each, launcher.device())?;
    let decoder = facts.parameter("W_D")?;
    let bias = facts.parameter("b_D").ok();
    let batch = Batch {
        pairs: &pairs,
        decoder: &decoder,
        bias: bias.as_ref(),
        label: input.label,
        prefixes,
        scale: facts.error_slope(1.0),
    };
    let mut terms = Terms::new(facts);
    let is_dead = is_dead.as_ref();
    let found = decoded(
        launcher,
        facts,
        (input.x, &batch),
        is_dead,
        (&mut terms, gradients),
    )?;
    let residual = found.residual;
    let (by_decoder, activity) = by_latent.sums(launcher, &residual, &pairs.value, Some(prefixes))?;
    gradients.add_to(by_decoder, "W_D")?;
    // What was selected is over 0, where pre-activation and activation move alike.
    let (by_encoder, by_bias) = by_latent.sums(launcher, input.x, &found.slopes, None)?;
    gradients.add_to(by_encoder.f_tr()?, "W_E")?;
    gradients.add("b_E", by_bias)?;
    if bias.is_some() {
        // Every prefix has the bias.
        gradients.add("b_D", sums::rows(launcher, &residual.f_get(0)?, 1.0)?)?;
    }
    Ok(Found {
        terms,
        squared_errors: found.squared.f_unbind(0)?,
        pairs: None,
        activity: (sums::total(launcher, Some(&activity), 1.0)?, by_latent.total()?),
        fired,
    })
}

/// Decodes the pairs of `batch`, and adds the Aux-K loss on `x` where latents are dead.
fn decoded(
    launcher: &dyn Launcher,
    facts: &Facts<'_>,
    (x, batch): (&Tensor, &Batch<'_>),
    is_dead: Option<&Tensor>,
    (terms, gradients): (&mut Terms, &mut Gradients),
) -> Result<Decoded> {
    let at_once = decode(launcher, batch)?;
    let (mut residual, squared, mut by_acts) = match at_once {
        Some(decoded) => (decoded.residual, decoded.squared, Some(decoded.slopes)),
        None => {
            let (residual, squared) = residual(launcher, batch)?;
            (residual, squared, None)
        }
    };
    facts.laps.end(Part::Decode);
    if let Some(is_dead) = is_dead
        && add_auxk(facts, (x, is_dead), &mut residual, terms, gradients)?
    {
        by_acts = None;
    }
    facts.laps.end(Part::Auxk);
    let slopes = match by_acts {
        Some(by_acts) => by_acts,
        None => slopes(launcher, batch.pairs, &residual, batch.decoder, batch.prefixes)?,
    };
    facts.laps.end(Part::Decode);
    Ok(Decoded {
        residual,
        squared,
        slopes,
    })
}

/// Adds the Aux-K loss, which also changes `residual (prefixes, tokens, d_model)`. Returns whether any latent is dead.
fn add_auxk(
    facts: &Facts<'_>,
    (x, is_dead): (&Tensor, &Tensor),
    residual: &mut Tensor,
    terms: &mut Terms,
    gradients: &mut Gradients,
) -> Result<bool> {
    let weight = facts.prefixes.last().map_or(1.0, |prefix| prefix.weight);
    let error = || -> Result<Tensor> {
        let last = residual.f_get(-1)?;
        Ok(last.f_div_scalar(facts.error_slope(weight))?)
    };
    let Some(more) = auxk::of_dead(facts, (x, is_dead), error, terms, gradients)? else {
        return Ok(false);
    };
    // Every latent is one of all latents.
    let _ = residual.f_add_(&more.f_unsqueeze(0)?)?;
    Ok(true)
}

/// Finds the pairs that take part, with their activations.
fn encode(launcher: &dyn Launcher, held: &mut Held, facts: &Facts<'_>, x: &Tensor) -> Result<Pairs> {
    let Selection::Largest(k) = facts.selection()? else {
        return Err(Error::run("the kernels select the largest of each token"));
    };
    // Latents lie one after the other in memory, unless somebody has set the parameter otherwise.
    let weight = facts.parameter("W_E")?.f_tr()?.f_contiguous()?;
    let bias = facts.parameter("b_E")?;
    let encoder = Encoder {
        weight: &weight,
        bias: &bias,
        factor: facts.factor.as_ref(),
    };
    let counted = match held.counted.take() {
        Some(counted) => held.counted.insert(counted),
        None => held.counted.insert(Counted::new(launcher.device())?),
    };
    largest(launcher, x, &encoder, k, counted)
}
