//! The Aux-K loss by hand: `c · mean_t ‖e − ê‖²`, ê from dead latents alone, and its derivatives, also through e.

use super::facts::Facts;
use super::form::{PLAIN, can_be_copied};
use super::gradients::Gradients;
use super::multiply::Addend;
use super::panels::Stays;
use super::penalties::add_thresholds;
use super::places::Places;
use super::select::Selector;
use super::zeros::{Products, most_filled};
use crate::dictionary::{Entries, Gate};
use crate::error::Result;
use crate::tensor::{Device, Kind, Tensor, Workspace};

/// About how many tensors of the size of the pre-activations of dead latents there are at a time.
const TENSORS: i64 = 4;

/// What a step works with.
pub(super) struct Work<'a> {
    pub(super) places: Places<'a>,
    pub(super) selector: &'a mut Selector,
    /// Where products may pass over what is 0.
    pub(super) products: Option<&'a mut Products>,
}

/// The latents that may take part: all, of which those that are not dead are held at 0, or the dead ones alone.
pub(super) struct Latents {
    /// Their decoder rows, `([heads,] n, d_model)`, and what those are divided by.
    decoder: Tensor,
    divisor: Option<Tensor>,
    /// What their pre-activations are multiplied by before the activation function sees them.
    factor: Tensor,
    threshold: Option<Tensor>,
    /// Which they are, and the sum of what is said of their decoder rows; `None`: all.
    chosen: Option<(Tensor, Tensor)>,
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
            decoder: facts.parameter("W_D")?,
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
        // What there is of these latents, along a dimension counted from the last.
        let along = |x: &Tensor, dimension: usize| -> Result<Tensor> {
            let mut size = x.size();
            let dimension = size.len() - dimension;
            size[dimension] = dead.size()[0];
            let room = workspace.empty(&size, (x.f_kind()?, x.device()))?;
            Ok(x.f_index_select_out(&room, dimension as i64, dead)?)
        };
        let of = |x: &Tensor| along(x, 1);
        let factor = match &facts.factor {
            Some(factor) => of(factor)?,
            None => of(&facts.norm)?.f_fill_(1.0)?,
        };
        let decoder = along(&facts.parameter("W_D")?, 2)?;
        let by_rows = workspace.zeros_like(&decoder)?.f_flatten(0, -2)?;
        Ok(Self {
            decoder,
            divisor: match &facts.factor {
                Some(_) => Some(of(&facts.divisor()?)?),
                None => None,
            },
            any: facts.zero()?.f_add_scalar(1.0)?,
            factor,
            threshold: facts.gate.threshold.as_ref().map(of).transpose()?,
            chosen: Some((dead.shallow_clone(), by_rows)),
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

    /// Returns the way over zeros, where there is one that is faster for activations of which this part is `filled`.
    fn over_zeros<'a>(
        &self,
        filled: f64,
        products: Option<&'a mut Products>,
    ) -> Result<Option<&'a mut Products>> {
        let [latents, columns] = self.decoder.size()[..] else {
            return Ok(None);
        };
        match products.filter(|_| filled < most_filled().0 && can_be_copied(latents, columns)) {
            Some(products) => {
                products.take(&self.decoder)?;
                Ok(Some(products))
            }
            None => Ok(None),
        }
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
            let acts = facts.applied(&seen, gate)?;
            (seen, acts, 1.0)
        };
        if let Some(divisor) = &self.divisor {
            let _ = acts.f_div_(divisor)?;
        }
        Ok((seen, acts, filled))
    }

    /// Returns which they are and the sum of what is said of their decoder rows, where they are some of all.
    pub(super) fn into_chosen(self) -> Option<(Tensor, Tensor)> {
        self.chosen
    }

    /// Returns of how many tokens these latents are looked at at a time.
    pub(super) fn tokens_at_a_time(&self, facts: &Facts<'_>) -> i64 {
        let (kind, device) = facts.options();
        let is_whole = !facts.sae.cfg.act_fn.is_per_token() && !facts.competes_by_kernel();
        if device != Device::Cpu || is_whole {
            return facts.tokens.max(1);
        }
        let bytes = (kind.elt_size_in_bytes() * self.factor.numel()) as i64;
        let room = facts.limits.most_bytes / 4;
        facts
            .limits
            .tokens_at_a_time(bytes, (TENSORS * bytes, room), facts.tokens)
    }

    /// Adds the gradient of the decoder from activations and the derivative by what they decode to.
    fn add_by_decoder(
        &self,
        facts: &Facts<'_>,
        (step, products): (&Workspace, Option<&mut Products>),
        (acts, by_decoded): (&Tensor, &Tensor),
        gradients: &mut Gradients,
    ) -> Result<()> {
        let mut sum = match &self.chosen {
            Some((_, by_rows)) => by_rows.shallow_clone(),
            None => gradients.so_far((facts, step), "W_D")?,
        };
        match (products, facts.heads) {
            (Some(products), _) => products.add_by_latent(acts, by_decoded, &mut sum),
            (None, None) => {
                let right = (by_decoded, Stays::Product);
                facts.multiply(&acts.f_tr()?, right, Addend::Held, &mut sum)
            }
            (None, Some(_)) => {
                let by_heads = facts.by_decoder(acts, by_decoded)?;
                let _ = sum.f_add_(&by_heads.f_flatten(0, -2)?)?;
                Ok(())
            }
        }
    }

    /// Returns what there is of these latents in the shape of what there is of `all`, along the last dimension.
    fn spread(&self, of_these: Tensor, all: &Tensor) -> Result<Tensor> {
        match &self.chosen {
            Some((chosen, _)) => Ok(all.f_zeros_like()?.f_index_copy_(-1, chosen, &of_these)?),
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
    latents: &Latents,
    gradients: &mut Gradients,
) -> Result<AuxK> {
    let Places { step, block } = work.places;
    let gate = latents.gate(facts);
    let (seen, mut acts, filled) = latents.activations(facts, (block, work.selector), hidden_pre, &gate)?;
    let mut products = latents.over_zeros(filled, work.products)?;
    // e − ê with e = −error.
    let mut rest = match &products {
        Some(products) => {
            let mut sum = block.copy(error)?;
            products.add_decoded(&acts, &mut sum)?;
            sum
        }
        None => facts.decoded(block, &acts, &latents.decoder)?.f_add_(error)?,
    };
    let _ = rest.f_neg_()?;
    let share = facts.settings.auxk_coefficient / facts.rows() as f64;
    let value = block
        .times(&rest, &rest)?
        .f_sum(None::<Kind>)?
        .f_mul_scalar(share)?
        .f_mul(&latents.any)?;
    let by_decoded = rest.f_mul_(&latents.any.f_mul_scalar(-2.0 * share)?)?;
    let numbers = (&acts, &by_decoded);
    latents.add_by_decoder(facts, (step, products.as_deref_mut()), numbers, gradients)?;
    if let Some(products) = products.filter(|_| filled < most_filled().1) {
        // Without thresholds no more is asked of what is off.
        let mut by_pre = block.empty_like(&acts)?;
        products.put_dots(&acts, &by_decoded, &mut by_pre)?;
        return Ok(AuxK {
            value,
            by_pre,
            by_reconstruction: by_decoded,
        });
    }
    let mut by_acts = facts.by_acts(block, &by_decoded, &latents.decoder)?;
    if facts.sae.cfg.act_fn.has_thresholds() {
        let by_scaled = latents.unscaled(by_acts.shallow_clone())?;
        let spread = |by_threshold| latents.spread(by_threshold, &facts.norm);
        let numbers = (&seen, &by_scaled);
        add_thresholds(facts, &Entries::Every, numbers, &gate, spread, gradients)?;
    }
    // In the format of what it is multiplied with, of which there would be a copy otherwise.
    let on = acts.f_gt_(0.0)?;
    Ok(AuxK {
        value,
        by_pre: by_acts.f_mul_(&on)?,
        by_reconstruction: by_decoded,
    })
}
