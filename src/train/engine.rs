//! The seam between a training and the way its gradients are computed.
//!
//! A [`StepEngine`] turns normalised activations into losses, gradients and the few statistics that metrics need. The
//! trainer, its metrics and its loggers see nothing else of a step, so another engine can take this one's place.

use super::dead::DeadTracker;
use crate::dictionary::{LossInput, LossSettings, Pass, SparseAutoEncoder, Term};
use crate::error::Result;
use crate::tensor::{Kind, Tensor, no_grad_guard};

/// What one step computed. All tensors stay on the device; the scalars are 0-d.
pub struct StepOutput {
    /// The sum of all terms.
    pub loss: Tensor,
    /// The terms of the loss, 0-d and without their graph.
    pub terms: Vec<Term>,
    /// Gradients in the order of [`SparseAutoEncoder::parameters`].
    pub gradients: Vec<Tensor>,
    /// Reconstruction, `(…, d_model)`.
    pub reconstructed: Tensor,
    /// Activations of the latents, `(…, d_sae)`.
    pub feature_acts: Tensor,
    /// How many tokens each latent fired on, float `(d_sae)`.
    pub fired: Tensor,
    /// Sum of all latent activations, and how many were active.
    pub activity: (Tensor, Tensor),
    /// Number of tokens, int64.
    pub tokens: Tensor,
}

/// Computes losses and gradients of one batch.
pub trait StepEngine {
    /// Makes the forward and backward pass over normalised activations, all of which count. Records the firing of this
    /// batch in `dead` before Aux-K asks which latents are dead.
    ///
    /// # Errors
    /// Shapes that do not fit, too little memory.
    fn compute(
        &mut self,
        sae: &SparseAutoEncoder,
        input: &LossInput<'_>,
        settings: &LossSettings,
        pass: &Pass<'_>,
        dead: &mut DeadTracker,
    ) -> Result<StepOutput>;
}

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
        let tokens = count_tokens(sae, input)?;
        let mut fired = None;
        let mut record = |feature_acts: &Tensor| -> Result<Tensor> {
            let counts = count_firing(sae, feature_acts)?;
            dead.record(&counts, &tokens)?;
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
        Ok(StepOutput {
            loss: terms.loss.f_detach()?,
            terms: detached(terms.terms)?,
            gradients,
            reconstructed: terms.reconstructed.f_detach()?,
            feature_acts,
            fired,
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

/// Returns the number of tokens, int64 0-d on the device of the input.
fn count_tokens(sae: &SparseAutoEncoder, input: &LossInput<'_>) -> Result<Tensor> {
    let size = input.x.size();
    let inner = if sae.cfg.hooks.heads().is_some() { 2 } else { 1 };
    let tokens: i64 = size[..size.len().saturating_sub(inner)].iter().product();
    Ok(Tensor::f_full(
        [0i64; 0].as_slice(),
        tokens,
        (Kind::Int64, input.x.device()),
    )?)
}
