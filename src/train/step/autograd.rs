//! The plain way: libtorch's automatic differentiation of the loss as it is written.

use super::StepEngine;
use super::output::{StepOutput, count_tokens};
use crate::dictionary::{LossInput, LossSettings, Pass, SparseAutoEncoder, Term, squared_error};
use crate::error::Result;
use crate::tensor::{Kind, Tensor, no_grad_guard};
use crate::train::dead::DeadTracker;

/// The plain way: libtorch's automatic differentiation of the loss as it is written.
#[derive(Debug, Default)]
pub struct AutogradEngine;

impl StepEngine for AutogradEngine {
    fn compute(
        &mut self,
        sae: &SparseAutoEncoder,
        input: &LossInput<'_>,
        settings: &LossSettings,
        pass: &Pass<'_>,
        dead: &mut DeadTracker,
    ) -> Result<StepOutput> {
        let tokens = count_tokens(sae, input);
        let mut fired = None;
        let mut record = |feature_acts: &Tensor| -> Result<Tensor> {
            let counts = count_firing(sae, feature_acts)?;
            dead.record(&counts, tokens)?;
            fired = Some(counts);
            dead.is_dead()
        };
        let terms = sae.compute_loss(input, settings, pass, Some(&mut record))?;
        // Without Aux-K nobody asked for dead latents; they are counted all the same.
        let feature_acts = terms.feature_acts.f_detach()?;
        if settings.auxk_coefficient <= 0.0 {
            let _ = record(&feature_acts)?;
        }
        let fired = match fired {
            Some(fired) => fired,
            None => count_firing(sae, &feature_acts)?,
        };
        let activity = (
            feature_acts.f_sum(None::<Kind>)?,
            feature_acts.f_gt(0.0)?.f_sum(Kind::Int64)?,
        );
        let parameters: Vec<&Tensor> = sae
            .parameters()
            .iter()
            .map(|parameter| &parameter.tensor)
            .collect();
        let gradients = Tensor::f_run_backward(&[&terms.loss], &parameters, false, false)?;
        let gradients = with_zeros(gradients, &parameters)?;
        let reconstructed = terms.reconstructed.f_detach()?;
        Ok(StepOutput {
            loss: terms.loss.f_detach()?,
            terms: detached(terms.terms)?,
            gradients,
            squared_error: squared_error(&reconstructed, input.label)?,
            fired,
            fired_by_head: by_head(sae, &feature_acts)?,
            activity,
            tokens,
        })
    }
}

/// Puts zeros where a parameter has no gradient, because a loss of a script's own does not depend on it.
fn with_zeros(gradients: Vec<Tensor>, parameters: &[&Tensor]) -> Result<Vec<Tensor>> {
    let pairs = gradients.into_iter().zip(parameters);
    pairs
        .map(|(gradient, parameter)| {
            if gradient.defined() {
                Ok(gradient)
            } else {
                Ok(parameter.f_detach()?.f_zeros_like()?)
            }
        })
        .collect()
}

/// Returns the terms as metrics have them: 0-d and without their graph.
fn detached(terms: Vec<Term>) -> Result<Vec<Term>> {
    let detach = |term: Term| -> Result<Term> {
        Ok(Term {
            value: term.value.f_detach()?.f_mean(None::<Kind>)?,
            ..term
        })
    };
    terms.into_iter().map(detach).collect()
}

/// Returns how many tokens each latent is active on, in some head where there are heads, float `(d_sae)`.
fn count_firing(sae: &SparseAutoEncoder, feature_acts: &Tensor) -> Result<Tensor> {
    let _no_grad = no_grad_guard();
    let width = feature_acts.size().last().copied().unwrap_or(1);
    let mut active = feature_acts.f_gt(0.0)?;
    if sae.cfg.hooks.heads().is_some() {
        active = active.f_any_dim(-2, false)?;
    }
    let active = active.f_reshape([-1, width])?;
    Ok(active.f_sum_dim_intlist([0i64].as_slice(), false, Kind::Float)?)
}

/// Returns how many tokens each latent is active on in each head, float `(heads, d_sae)`, where there are heads.
fn by_head(sae: &SparseAutoEncoder, feature_acts: &Tensor) -> Result<Option<Tensor>> {
    let Some(heads) = sae.cfg.hooks.heads() else {
        return Ok(None);
    };
    let active = feature_acts.f_gt(0.0)?.f_reshape([-1, heads, sae.cfg.d_sae()])?;
    let counted = active.f_sum_dim_intlist([0i64].as_slice(), false, Kind::Float)?;
    Ok(Some(counted))
}
