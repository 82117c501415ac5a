//! The seam between a training and the way its gradients are computed.
//!
//! A [`StepEngine`] turns normalised activations into losses, gradients and the few statistics that metrics need. The
//! trainer, its metrics and its loggers see nothing else of a step, so another engine can take this one's place.

use super::dead::DeadTracker;
use crate::dictionary::{LossInput, LossSettings, LossTerms, Pass, SparseAutoEncoder};
use crate::error::Result;
use crate::tensor::{Kind, Tensor};

/// What one step computed. All tensors stay on the device; the scalars are 0-d.
pub struct StepOutput {
    /// The sum of all terms.
    pub loss: Tensor,
    /// The terms by their names: `l_rec`, and `l_s`, `l_p`, `l_aux` where they apply.
    pub terms: Vec<(&'static str, Tensor)>,
    /// Gradients in the order of [`SparseAutoEncoder::parameters`].
    pub gradients: Vec<Tensor>,
    /// Reconstruction, `(…, d_model)`.
    pub reconstructed: Tensor,
    /// How many tokens each latent fired on, float `(d_sae)`.
    pub fired: Tensor,
    /// Sum of all latent activations, and how many were active.
    pub activity: (Tensor, Tensor),
    /// Number of tokens, int64.
    pub tokens: Tensor,
}

/// Computes losses and gradients of one batch.
pub trait StepEngine {
    /// Forward and backward pass over normalised activations, all of which count. Records the firing of this batch in
    /// `dead` before Aux-K asks which latents are dead.
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
        let tokens = count_tokens(input)?;
        let mut fired = None;
        let mut record = |feature_acts: &Tensor| -> Result<Tensor> {
            let counts = count_firing(feature_acts)?;
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
            None => count_firing(&feature_acts)?,
        };
        let parameters: Vec<&Tensor> = sae.parameters().into_iter().map(|(_, tensor)| tensor).collect();
        let gradients = Tensor::f_run_backward(&[&terms.loss], &parameters, false, false)?;
        let scalars = named_terms(&terms)?;
        Ok(StepOutput {
            loss: terms.loss.f_detach()?,
            terms: scalars,
            gradients,
            reconstructed: terms.reconstructed.f_detach()?,
            fired,
            activity: (
                feature_acts.f_sum(None::<Kind>)?,
                feature_acts.f_gt(0.0)?.f_sum(Kind::Int64)?,
            ),
            tokens,
        })
    }
}

/// The terms that a loss has, by their names, 0-d and without their graph.
fn named_terms(terms: &LossTerms) -> Result<Vec<(&'static str, Tensor)>> {
    let all = [
        ("l_rec", Some(&terms.l_rec)),
        ("l_s", terms.l_s.as_ref()),
        ("l_p", terms.l_p.as_ref()),
        ("l_aux", terms.l_aux.as_ref()),
    ];
    let there = all.into_iter().filter_map(|(name, term)| Some((name, term?)));
    there
        .map(|(name, term)| Ok((name, term.f_detach()?.f_mean(None::<Kind>)?)))
        .collect()
}

/// How many tokens each latent is active on, float `(d_sae)`.
fn count_firing(feature_acts: &Tensor) -> Result<Tensor> {
    let _no_grad = tch::no_grad_guard();
    let width = feature_acts.size().last().copied().unwrap_or(1);
    let active = feature_acts.f_gt(0.0)?.f_reshape([-1, width])?;
    Ok(active.f_sum_dim_intlist([0i64].as_slice(), false, Kind::Float)?)
}

/// Number of tokens, int64 0-d on the device of the input.
fn count_tokens(input: &LossInput<'_>) -> Result<Tensor> {
    let size = input.x.size();
    let tokens: i64 = size[..size.len().saturating_sub(1)].iter().product();
    Ok(Tensor::f_full(
        [0i64; 0].as_slice(),
        tokens,
        (Kind::Int64, input.x.device()),
    )?)
}
