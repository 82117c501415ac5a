//! Latents that are turned up, held or taken out while the model runs.
//!
//! Of the activation only the difference that a change makes is added: what the dictionary does not explain of it stays as
//! it is, and a change that changes nothing leaves the very same numbers.

use std::cell::RefCell;
use std::rc::Rc;

use super::hook_points;
use crate::dictionary::{Pass, SparseAutoEncoder};
use crate::error::{Error, Result};
use crate::model::Edit;
use crate::tensor::{Tensor, no_grad_guard};

/// What becomes of an activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// So much is added, wherever the latent fires or not.
    Add(f64),
    /// It is this, everywhere.
    Set(f64),
}

/// A change of some latents of one dictionary.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentChange {
    /// Their numbers.
    pub latents: Vec<i64>,
    /// What becomes of their activations, in the dictionary's scale.
    pub amount: Amount,
}

/// Returns the edits of a forward pass by which `changes` of the latents of `sae` act, in their order: hook points with
/// functions, as [`LanguageModel::run_with_hooks`](crate::model::LanguageModel::run_with_hooks) takes them.
///
/// # Errors
/// A number that is no latent's, an amount that is no number; a dictionary of several hook points.
pub fn edits<'a>(
    sae: &'a SparseAutoEncoder,
    changes: &'a [LatentChange],
    pass: Pass<'a>,
) -> Result<Vec<(String, Edit<'a>)>> {
    let [reads, writes] = hook_points(sae)?;
    changes.iter().try_for_each(|change| change.check(sae))?;
    if reads == writes {
        let edit: Edit<'a> = Box::new(move |x: Tensor, hook: &str| {
            let added = added(sae, changes, &pass, (&x, hook), (&x, hook))?;
            Ok(x.f_add(&added)?)
        });
        return Ok(vec![(reads.to_string(), edit)]);
    }
    // What was read waits here for what is written.
    let read = Rc::new(RefCell::new(None));
    let kept = read.clone();
    let look: Edit<'a> = Box::new(move |x: Tensor, _: &str| {
        *kept.borrow_mut() = Some(x.shallow_clone());
        Ok(x)
    });
    let edit: Edit<'a> = Box::new(move |x: Tensor, hook: &str| {
        let input = read.borrow_mut().take().ok_or_else(|| {
            Error::input(format!(
                "the model comes by `{writes}`, which the dictionary writes, before `{reads}`, which it reads"
            ))
        })?;
        let added = added(sae, changes, &pass, (&input, reads), (&x, hook))?;
        Ok(x.f_add(&added)?)
    });
    Ok(vec![(reads.to_string(), look), (writes.to_string(), edit)])
}

impl LatentChange {
    /// Refuses latents that the dictionary does not have, and amounts that are no number.
    ///
    /// # Errors
    /// There is one.
    pub fn check(&self, sae: &SparseAutoEncoder) -> Result<()> {
        let (Amount::Add(amount) | Amount::Set(amount)) = self.amount;
        if !amount.is_finite() {
            return Err(Error::input(format!(
                "a latent cannot be changed by, or to, {amount}"
            )));
        }
        let d_sae = sae.cfg.d_sae();
        match self.latents.iter().find(|latent| !(0..d_sae).contains(latent)) {
            Some(latent) => Err(Error::input(format!("there is no latent {latent}")).hint(format!(
                "the dictionary's latents are numbered from 0 to {}",
                d_sae - 1
            ))),
            None => Ok(()),
        }
    }
}

/// Returns what the changes add to the activations at the written hook point, in the model's scale and format: `(Δf W_D)`
/// over the factor of normalisation there. `read` and `written` are activations with their hook points.
fn added(
    sae: &SparseAutoEncoder,
    changes: &[LatentChange],
    pass: &Pass<'_>,
    read: (&Tensor, &str),
    written: (&Tensor, &str),
) -> Result<Tensor> {
    let _no_grad = no_grad_guard();
    let x = sae.normalize_with(read.0, read.1, pass)?;
    let acts = sae.encode_with(&x, pass)?.feature_acts;
    let changed = acts.f_alias_copy()?;
    for change in changes {
        for latent in &change.latents {
            let mut column = changed.f_select(-1, *latent)?;
            let _ = match change.amount {
                Amount::Add(amount) => column.f_add_scalar_(amount)?,
                Amount::Set(amount) => column.f_fill_(amount)?,
            };
        }
    }
    let difference = changed.f_sub(&acts)?;
    let decoded = sae.cfg.variant.decode(sae, &difference, pass)?;
    let here = written.0.f_to_device(sae.device())?.f_to_kind(sae.kind())?;
    let decoded = decoded.f_div(&sae.norm_factor_with(&here, written.1, pass)?)?;
    Ok(decoded
        .f_to_device(written.0.device())?
        .f_to_kind(written.0.f_kind()?)?)
}
