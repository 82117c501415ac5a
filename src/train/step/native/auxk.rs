//! The Aux-K loss by hand: `c · mean_t ‖e − ê‖²`, ê from dead latents alone, and its derivatives, also through e.

use super::decoding::Decoding;
use super::facts::Facts;
use super::form::{PLAIN, can_be_copied};
use super::gradients::Gradients;
use super::penalties::add_thresholds;
use super::places::Places;
use super::select::Selector;
use super::some_rows::{RowSums, SomeRows};
use super::zeros::{Products, most_filled};
use crate::dictionary::{Entries, Gate};
use crate::error::Result;
use crate::tensor::{Device, Kind, Tensor, Workspace};

/// What a step works with.
pub(super) struct Work<'a> {
    pub(super) places: Places<'a>,
    pub(super) selector: &'a mut Selector,
    /// Where products may pass over what is 0.
    pub(super) products: Option<&'a mut Products>,
}

/// The latents that may take part: all, of which those that are not dead are held at 0, or the dead ones alone.
pub(super) struct Latents {
    /// Their decoder rows, and what those are divided by.
    decoder: SomeRows,
    divisor: Option<Tensor>,
    /// What their pre-activations are multiplied by before the activation function sees them.
    factor: Tensor,
    threshold: Option<Tensor>,
    /// Which they are; `None`: all.
    chosen: Option<Tensor>,
    /// 1 where there is any dead latent, else 0.
    any: Tensor,
}

impl Latents {
    /// Returns all latents, those of `is_dead (d_sae)` not held at 0. Nothing is read back from the device.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn masked(facts: &Facts<'_>, is_dead: &Tensor) -> Result<Self> {
        let factor = match &facts.factor {
            Some(factor) => factor.f_mul(is_dead)?,
            None => is_dead.f_to_kind(facts.norm.f_kind()?)?,
        };
        Ok(Self {
            decoder: SomeRows::all(facts.parameter("W_D")?),
            divisor: facts.factor.as_ref().map(|_| facts.divisor()).transpose()?,
            factor,
            threshold: facts.gate.threshold.as_ref().map(Tensor::shallow_clone),
            chosen: None,
            any: is_dead.f_any()?.f_to_kind(facts.norm.f_kind()?)?,
        })
    }

    /// Returns the latents `dead`, int64 `(n)`, of which there are some; their decoder rows lie in the workspace.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn chosen(facts: &Facts<'_>, workspace: &Workspace, dead: &Tensor) -> Result<Self> {
        let of = |x: &Tensor| -> Result<Tensor> {
            let mut size = x.size();
            if let Some(latents) = size.last_mut() {
                *latents = dead.size()[0];
            }
            let room = workspace.empty(&size, (x.f_kind()?, x.device()))?;
            Ok(x.f_index_select_out(&room, -1, dead)?)
        };
        let factor = match &facts.factor {
            Some(factor) => of(factor)?,
            None => of(&facts.norm)?.f_fill_(1.0)?,
        };
        Ok(Self {
            decoder: SomeRows::of(facts, workspace, facts.parameter("W_D")?, dead)?,
            divisor: match &facts.factor {
                Some(_) => Some(of(&facts.divisor()?)?),
                None => None,
            },
            any: facts.zero()?.f_add_scalar(1.0)?,
            factor,
            threshold: facts.gate.threshold.as_ref().map(of).transpose()?,
            chosen: Some(dead.shallow_clone()),
        })
    }

    /// Returns how the activation function works on them.
    pub(super) fn gate<'a>(&self, facts: &Facts<'a>) -> Gate<'a> {
        let latents = self.factor.size().last().copied().unwrap_or(0);
        Gate {
            // More than there are dead latents changes nothing: all others are 0.
            k: facts.settings.k_aux.min(latents),
            threshold: self.threshold.as_ref().map(Tensor::shallow_clone),
            ..facts.gate
        }
    }

    /// Returns what their pre-activations are multiplied by before the activation function sees them, `([heads,] n)`.
    pub(super) fn factor(&self) -> &Tensor {
        &self.factor
    }

    /// Returns their decoder rows.
    pub(super) fn decoder(&self) -> &SomeRows {
        &self.decoder
    }

    /// Returns the way over zeros, where there is one that is faster for activations of which this part is `filled`.
    fn over_zeros<'a>(
        &self,
        facts: &Facts<'_>,
        filled: f64,
        products: Option<&'a mut Products>,
    ) -> Option<&'a mut Products> {
        let can_be = facts.heads.is_none()
            && can_be_copied(self.decoder.groups.at_a_time(), facts.sae.cfg.d_model)
            && filled < most_filled().0;
        products.filter(|_| can_be)
    }

    /// Returns what the activation function sees of `hidden_pre (tokens, n)`, as far as thresholds want to know, and the
    /// activations, `(tokens, [heads,] n)` each; and which part of these is not 0 where a number selects them by a kernel, else 1.
    fn activations(
        &self,
        facts: &Facts<'_>,
        (block, selector): (&Workspace, &mut Selector),
        hidden_pre: &Tensor,
        gate: &Gate<'_>,
    ) -> Result<(Tensor, Tensor, f64)> {
        let act_fn = facts.sae.cfg.act_fn;
        let mut size = vec![hidden_pre.size()[0]];
        size.extend(self.factor.size());
        let (seen, mut acts, filled) = if act_fn.selects_k() && facts.options() == PLAIN {
            let keep = facts.keep(gate.k);
            let room = block.zeros(&size, facts.options())?;
            let mut selected = selector.select(hidden_pre, Some(&self.factor), keep, room)?;
            let acts = selected.f_mul_(&self.factor)?;
            let filled = selector.selected() as f64 / acts.numel().max(1) as f64;
            (acts.shallow_clone(), acts, filled)
        } else {
            let hidden_pre = facts.for_heads(hidden_pre.shallow_clone())?;
            let room = block.empty(&size, facts.options())?;
            let seen = hidden_pre.f_mul_out(&room, &self.factor)?;
            let acts = selector.applied(facts, &seen, gate)?;
            (seen, acts, 1.0)
        };
        if let Some(divisor) = &self.divisor {
            let _ = acts.f_div_(divisor)?;
        }
        Ok((seen, acts, filled))
    }

    /// Returns of how many tokens these latents are looked at at a time.
    pub(super) fn tokens_at_a_time(&self, facts: &Facts<'_>) -> i64 {
        let (kind, device) = facts.options();
        let is_whole = !facts.sae.cfg.act_fn.is_per_token() && !facts.competes_in_blocks();
        if device != Device::Cpu || is_whole {
            return facts.tokens.max(1);
        }
        let bytes = (kind.elt_size_in_bytes() * self.factor.numel()) as i64;
        facts.limits.dead_block(bytes, facts.tokens).1
    }

    /// Returns what there is of these latents in the shape of what there is of `all`, along the last dimension.
    fn spread(&self, of_these: Tensor, all: &Tensor) -> Result<Tensor> {
        match &self.chosen {
            Some(chosen) => Ok(all.f_zeros_like()?.f_index_copy_(-1, chosen, &of_these)?),
            None => Ok(of_these),
        }
    }

    fn unscaled(&self, x: Tensor) -> Result<Tensor> {
        match &self.divisor {
            Some(divisor) => Ok(x.f_div(divisor)?),
            None => Ok(x),
        }
    }
}

/// What the loss adds.
pub(super) struct AuxK {
    /// Its value, 0-d.
    pub(super) value: Tensor,
    /// Its derivative by the reconstruction, `(tokens, [heads,] d_model)`.
    pub(super) by_reconstruction: Tensor,
    /// Its derivative by the pre-activations of the latents, `(tokens, [heads,] n)`.
    pub(super) by_pre: Tensor,
}

/// Computes the loss on pre-activations `hidden_pre (tokens, n)` of `latents` and on `error = x̂ − y`,
/// `(tokens, [heads,] d_model)`, and adds the gradients of decoder and thresholds. Where no latent is dead everything is 0.
/// What comes out is there until the next tokens are looked at.
///
/// # Errors
/// Too little memory.
pub(super) fn step(
    facts: &Facts<'_>,
    work: Work<'_>,
    (hidden_pre, error): (&Tensor, &Tensor),
    (latents, by_decoder): (&Latents, &mut RowSums),
    gradients: &mut Gradients,
) -> Result<AuxK> {
    let block = work.places.block;
    let gate = latents.gate(facts);
    let (seen, acts, filled) = latents.activations(facts, (block, work.selector), hidden_pre, &gate)?;
    let products = latents.over_zeros(facts, filled, work.products);
    let mut decoding = Decoding::new(facts, block, &latents.decoder, &acts, products)?;
    // e − ê with e = −error.
    let mut rest = decoding.decoded(block.copy(error)?)?;
    let _ = rest.f_neg_()?;
    let share = facts.settings.auxk_coefficient / facts.rows() as f64;
    let value = block
        .times(&rest, &rest)?
        .f_sum(None::<Kind>)?
        .f_mul_scalar(share)?
        .f_mul(&latents.any)?;
    let by_decoded = rest.f_mul_(&latents.any.f_mul_scalar(-2.0 * share)?)?;
    // Without thresholds no more is asked of what is off.
    let asks_all = !decoding.passes() || filled >= most_filled().1;
    let mut by_acts = block.empty_like(&acts)?;
    decoding.backwards(&by_decoded, by_decoder, (&by_acts, asks_all))?;
    if asks_all && facts.sae.cfg.act_fn.has_thresholds() {
        let by_scaled = latents.unscaled(by_acts.shallow_clone())?;
        let spread = |by_threshold| latents.spread(by_threshold, &facts.norm);
        let numbers = (&seen, &by_scaled);
        add_thresholds(facts, &Entries::Every, numbers, &gate, spread, gradients)?;
    }
    if asks_all {
        // What is off has no derivative.
        by_acts = acts.f_threshold_backward_grad_input(&by_acts, &by_acts, 0.0)?;
    }
    Ok(AuxK {
        value,
        by_pre: by_acts,
        by_reconstruction: by_decoded,
    })
}
