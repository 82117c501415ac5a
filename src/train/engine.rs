//! The seam between a training and the way its gradients are computed.
//!
//! A [`StepEngine`] turns normalised activations into losses, gradients and the few statistics that metrics need. The
//! trainer, its metrics and its loggers see nothing else of a step, so another engine can take this one's place.

use super::dead::DeadTracker;
use crate::dictionary::{LossInput, LossSettings, SparseAutoEncoder, token_mean};
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
    /// How many counted tokens each latent fired on, float `(d_sae)`.
    pub fired: Tensor,
    /// Sum of all latent activations, and how many were active, at every position.
    pub activity: (Tensor, Tensor),
    /// Number of tokens that counted.
    pub tokens: Tensor,
}

/// Computes losses and gradients of one batch.
pub trait StepEngine {
    /// Forward and backward pass over normalised activations. Records the firing of this batch in `dead` before Aux-K
    /// asks which latents are dead.
    ///
    /// # Errors
    /// Shapes that do not fit, too little memory.
    fn compute(
        &mut self,
        sae: &SparseAutoEncoder,
        input: &LossInput<'_>,
        settings: &LossSettings,
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
        dead: &mut DeadTracker,
    ) -> Result<StepOutput> {
        let tokens = count_tokens(input)?;
        let mut fired = None;
        let mut record = |feature_acts: &Tensor| -> Result<Tensor> {
            let counts = count_firing(feature_acts, input.mask)?;
            dead.record(&counts, &tokens)?;
            fired = Some(counts);
            dead.is_dead()
        };
        let terms = sae.compute_loss(input, settings, Some(&mut record))?;
        // Without Aux-K nobody asked for dead latents; they are counted all the same.
        let feature_acts = terms.feature_acts.f_detach()?;
        if settings.auxk_coefficient <= 0.0 {
            let _ = record(&feature_acts)?;
        }
        let fired = match fired {
            Some(fired) => fired,
            None => count_firing(&feature_acts, input.mask)?,
        };
        let parameters: Vec<&Tensor> = sae.parameters().into_iter().map(|(_, tensor)| tensor).collect();
        let gradients = Tensor::f_run_backward(&[&terms.loss], &parameters, false, false)?;
        let named = [
            ("l_rec", Some(terms.l_rec)),
            ("l_s", terms.l_s),
            ("l_p", terms.l_p),
            ("l_aux", terms.l_aux),
        ];
        let mut scalars = Vec::new();
        for (name, term) in named {
            if let Some(term) = term {
                scalars.push((name, term.f_detach()?.f_mean(None::<Kind>)?));
            }
        }
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

/// How many counted tokens each latent is active on, float `(d_sae)`.
fn count_firing(feature_acts: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let _no_grad = tch::no_grad_guard();
    let width = feature_acts.size().last().copied().unwrap_or(1);
    let mut active = feature_acts.f_gt(0.0)?;
    if let Some(mask) = mask {
        let counted = mask.f_to_device(active.device())?.f_ne(0.0)?.f_unsqueeze(-1)?;
        active = active.f_logical_and(&counted)?;
    }
    Ok(active
        .f_reshape([-1, width])?
        .f_sum_dim_intlist([0i64].as_slice(), false, Kind::Float)?)
}

/// Number of tokens that count, int64 0-d on the device of the input.
fn count_tokens(input: &LossInput<'_>) -> Result<Tensor> {
    let device = input.x.device();
    match input.mask {
        Some(mask) => Ok(mask.f_to_device(device)?.f_sum(Kind::Int64)?),
        None => {
            let size = input.x.size();
            let tokens: i64 = size[..size.len().saturating_sub(1)].iter().product();
            Ok(Tensor::f_full(
                [0i64; 0].as_slice(),
                tokens,
                (Kind::Int64, device),
            )?)
        }
    }
}

/// Mean of a per-token quantity under the input's mask; for metrics.
pub(super) fn masked_mean(x: &Tensor, input: &LossInput<'_>) -> Result<Tensor> {
    token_mean(x, input.mask)
}
