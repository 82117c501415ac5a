//! The step over latents that take part alone, by our own kernels for GPUs, in float32. It is the sparse form with pairs that
//! stay on the device. Where a number of latents is selected, nothing is read back but how many latents are dead, where Aux-K
//! wants to know; where all above a bound are, how many those are.

#[cfg(test)]
mod deferral;
mod encode;
mod held;
#[cfg(test)]
mod kinds;
mod listed;
#[cfg(test)]
mod steady;
#[cfg(test)]
mod tests;

pub(super) use self::encode::{Encoded, encode};
pub(super) use self::held::Held;
use self::listed::{BareSums, Listed, derive};
use super::facts::Facts;
use super::found::Found;
use super::gradients::Gradients;
use super::of_dead::of_dead;
use super::room::Room;
use super::terms::Terms;
use crate::dictionary::{Entries, LossInput, SAEConfig};
use crate::error::Result;
use crate::kernels::cuda::by_latent::ByLatent;
use crate::kernels::cuda::decode::{Batch, Decoded, decode, residual, slopes};
use crate::kernels::cuda::encode::MOST_CHOSEN;
use crate::kernels::cuda::ordered::Ordered;
use crate::kernels::cuda::pairs::Pairs;
use crate::kernels::cuda::prefixes::Prefixes;
use crate::kernels::cuda::{Launcher, sums};
use crate::tensor::{Kind, Tensor, Workspace};
use crate::train::step::Part;

/// Returns why the kernels cannot train this dictionary, if they cannot.
pub(in crate::train) fn refusal(cfg: &SAEConfig) -> Option<&'static str> {
    if cfg.dtype.kind() != Kind::Float {
        return Some("its kernels compute in float32");
    }
    if cfg.act_fn.selects_k() && cfg.act_fn.is_per_token() && cfg.top_k > MOST_CHOSEN {
        return Some("its kernels select at most 512 latents of a token");
    }
    if cfg.use_glu_encoder {
        return Some("its kernels know no `use_glu_encoder`");
    }
    if cfg.hooks.heads().is_some() {
        return Some("its kernels do not know several hook points (heads)");
    }
    None
}

/// Returns whether the kernels were measured on a GPU with dictionaries like this, with a sparsity penalty or without, and were
/// right and faster than libtorch there. Nobody who does not ask gets what was only tried in emulation, where nothing shows how
/// fast it is, or what waits or races on a card alone.
pub(in crate::train) fn is_measured(cfg: &SAEConfig, has_penalty: bool) -> bool {
    cfg.act_fn.selects_k() && cfg.act_fn.is_per_token() && !has_penalty
}

/// Makes the step with the pairs that take part. `is_dead` is asked once, with what has fired.
///
/// # Errors
/// Too little memory; the device failed.
pub(super) fn step(
    launcher: &dyn Launcher,
    held: &mut Held,
    encoded: Encoded,
    (facts, input): (&Facts<'_>, &LossInput<'_>),
    is_dead: impl FnOnce(&Tensor) -> Result<Option<Tensor>>,
    gradients: &mut Gradients,
) -> Result<Found> {
    let is_dead = is_dead(&encoded.fired)?;
    let each = facts.prefixes.iter();
    let each: Vec<(i64, f64)> = each.map(|prefix| (prefix.latents, prefix.weight)).collect();
    let prefixes = Prefixes::kept(&mut held.prefixes, &each, launcher.device())?;
    let decoder = facts.parameter("W_D")?;
    let bias = facts.parameter("b_D").ok();
    let on = encoded.pairs.with_values(&encoded.acts)?;
    let reached = encoded.reached.as_ref().unwrap_or(&on.index);
    let batch = Batch {
        pairs: &on,
        reached,
        decoder: &decoder,
        bias: bias.as_ref(),
        label: input.label,
        prefixes,
        scale: facts.error_slope(1.0),
    };
    let mut terms = Terms::new(facts);
    let kept = (&mut terms, &mut *gradients);
    let found = decoded(launcher, facts, (input.x, &batch), is_dead.as_ref(), kept)?;
    let by_pre = by_pre(
        launcher,
        facts,
        (&encoded, input.x),
        found.slopes,
        (&mut terms, gradients),
    )?;
    facts.laps.end(Part::Penalties);
    let activity = add_gradients(
        launcher,
        facts,
        (&encoded, input.x),
        (&found.residual, &by_pre),
        (prefixes, gradients),
    )?;
    let sum = sums::total(launcher, Some(&activity), 1.0)?;
    let fired = match encoded.count {
        // All that are selected fire.
        None => encoded.by_latent.total()?,
        Some(_) => encoded.fired.f_sum(Kind::Int64)?,
    };
    Ok(Found {
        terms,
        squared_errors: found.squared.f_unbind(0)?,
        pairs: encoded.count.map(|count| count as f64),
        activity: (sum, fired),
        fired: encoded.fired,
        fired_by_head: None,
    })
}

/// Adds what penalties and thresholds say, and returns the derivatives by the pre-activations of the pairs from those by their
/// activations.
fn by_pre(
    launcher: &dyn Launcher,
    facts: &Facts<'_>,
    (encoded, x): (&Encoded, &Tensor),
    by_acts: Tensor,
    (terms, gradients): (&mut Terms, &mut Gradients),
) -> Result<Tensor> {
    // Pairs are above 0, where pre-activation and activation move alike, or nobody asked for their derivatives.
    if !facts.says_more_of_pairs() {
        return Ok(by_acts);
    }
    let pairs = (&encoded.pairs, &encoded.by_latent);
    let ordered = Ordered::new(launcher, pairs, facts.latents() as i64)?;
    let listed = Listed {
        entries: &Entries::Ordered(&ordered),
        hidden_pre: &encoded.pairs.value.f_view([-1])?,
        acts: &encoded.acts.f_view([-1])?,
    };
    let bare = match &encoded.bare {
        Some(bare) => Some(add_up_bare(launcher, facts, bare, x)?),
        None => None,
    };
    let by_acts = by_acts.f_view([-1])?;
    derive(facts, &listed, by_acts, (x, bare), (terms, gradients))
}

/// Adds up the pairs without a number.
fn add_up_bare(launcher: &dyn Launcher, facts: &Facts<'_>, bare: &Pairs, x: &Tensor) -> Result<BareSums> {
    let by_latent = ByLatent::new(launcher, bare, facts.latents() as i64)?;
    let (inputs, _) = by_latent.sums(launcher, x, &bare.value.f_ones_like()?, None)?;
    Ok(BareSums {
        count: by_latent.counts().shallow_clone(),
        inputs,
    })
}

/// Adds the gradients of matrices and biases, from the errors of the prefixes, `(n, tokens, d_model)`, and the derivatives by
/// the pre-activations of the pairs. Returns the sum of the activations of each latent.
fn add_gradients(
    launcher: &dyn Launcher,
    facts: &Facts<'_>,
    (encoded, x): (&Encoded, &Tensor),
    (residual, by_pre): (&Tensor, &Tensor),
    (prefixes, gradients): (&Prefixes, &mut Gradients),
) -> Result<Tensor> {
    let by_latent = &encoded.by_latent;
    let (by_decoder, activity) = by_latent.sums(launcher, residual, &encoded.acts, Some(prefixes))?;
    gradients.add_to(by_decoder, "W_D")?;
    let (by_encoder, by_bias) = by_latent.sums(launcher, x, by_pre, None)?;
    gradients.add_to(by_encoder.f_tr()?, "W_E")?;
    gradients.add("b_E", by_bias)?;
    if facts.parameter("b_D").is_ok() {
        // Every prefix has the bias.
        gradients.add("b_D", sums::rows(launcher, &residual.f_get(0)?, 1.0)?)?;
    }
    Ok(activity)
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
        None => slopes(launcher, batch, &residual)?,
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
    let error = |_: &Workspace| -> Result<Tensor> {
        let last = residual.f_get(-1)?;
        Ok(last.f_div_scalar(facts.error_slope(weight))?)
    };
    let facts = (facts, &mut Room::default());
    let Some(more) = of_dead(facts, (x, is_dead), error, terms, gradients)? else {
        return Ok(false);
    };
    // Every latent is one of all latents.
    let _ = residual.f_add_(&more.f_unsqueeze(0)?)?;
    Ok(true)
}
