//! How what the model says depends on the activations at a hook point.

use std::collections::BTreeMap;

use super::LanguageModel;
use super::hooks::{Edit, Hooks};
use super::run::finished;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, with_grad};

/// What a pass with a gradient gives.
pub struct Gradient {
    /// The number whose gradient it is.
    pub value: f64,
    /// The gradient of that number by the activations at the hook point, in their shape.
    pub gradient: Tensor,
    /// The activations at the hook points that were asked for, without gradients.
    pub activations: BTreeMap<String, Tensor>,
}

impl LanguageModel {
    /// Returns the gradient of a number that `of` makes of the logits `[batch, seq, d_vocab]`, by the activations at
    /// `hook`; and the activations there and at `others`.
    ///
    /// # Errors
    /// No such hook point, tokens that the model cannot read, what `of` says; a hook point that the logits do not depend
    /// on.
    pub fn gradient_at(
        &self,
        tokens: &Tensor,
        hook: &str,
        others: &[&str],
        of: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Gradient> {
        let mut leaf = None;
        let wanted = others.iter().chain([&hook]).map(|name| self.site(name));
        let mut hooks = Hooks::keeping(wanted.collect::<Result<Vec<_>>>()?);
        let kept = &mut leaf;
        let edit: Edit<'_> = Box::new(|x: Tensor, _: &str| {
            let x = x.f_detach()?.f_set_requires_grad(true)?;
            *kept = Some(x.shallow_clone());
            Ok(x)
        });
        hooks.edit(&[self.site(hook)?], edit);
        let prompts = self.accept(tokens.into())?;
        let value = with_grad(|| {
            let logits = finished(self.decoder()?.logits((&prompts).into(), &mut hooks, None))?;
            of(&logits)
        })?;
        let activations = hooks.into_captured().into_iter();
        let activations = activations.map(|(name, x)| Ok((name, x.f_detach()?)));
        let activations = activations.collect::<Result<_>>()?;
        let leaf = leaf.filter(|_| value.requires_grad()).ok_or_else(|| {
            Error::input(format!(
                "what the model says does not depend on the activations at `{hook}`"
            ))
        })?;
        let gradients = Tensor::f_run_backward(&[&value], &[&leaf], false, false)?;
        let gradient = gradients.into_iter().next();
        Ok(Gradient {
            value: value.f_detach()?.f_double_value(&[])?,
            gradient: gradient.ok_or_else(|| Error::run("no gradient came"))?,
            activations,
        })
    }
}
