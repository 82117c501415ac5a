//! What a dictionary's errors cost the model: cross-entropy with the activations replaced.

use super::{ReconstructionSums, Rows};
use crate::dictionary::{Pass, SparseAutoEncoder, counted_rows};
use crate::error::{Error, Result};
use crate::event::Metrics;
use crate::model::{Edit, LanguageModel, next_token_losses};
use crate::tensor::{Kind, Tensor, no_grad_guard};

/// Cross-entropies in nats, summed over tokens.
#[derive(Clone, Debug, Default)]
pub struct DownstreamLosses {
    /// Of the model as it is.
    pub original: f64,
    /// With the reconstruction in place of the activations.
    pub reconstructed: f64,
    /// With zeros in place of the activations.
    pub zeroed: f64,
    /// Tokens that were predicted.
    pub tokens: f64,
}

impl DownstreamLosses {
    /// Adds the sums of another batch.
    pub fn add(&mut self, other: &DownstreamLosses) {
        self.original += other.original;
        self.reconstructed += other.reconstructed;
        self.zeroed += other.zeroed;
        self.tokens += other.tokens;
    }

    /// The part of the loss that zeroing costs which the reconstruction wins back: 1 is perfect, 0 is no better than
    /// zeros. `None` where zeroing costs nothing.
    pub fn recovered(&self) -> Option<f64> {
        let lost = self.zeroed - self.original;
        (lost != 0.0).then(|| (self.zeroed - self.reconstructed) / lost)
    }

    /// Mean cross-entropies and the part recovered. `downstream_loss_ratio` is its inverse, as other systems log it. What
    /// would be a division by 0 is left out.
    pub fn metrics(&self) -> Metrics {
        let mean = |sum: f64| sum / self.tokens;
        let mut metrics: Metrics = vec![
            ("metrics/downstream_loss_original".into(), mean(self.original)),
            (
                "metrics/downstream_loss_reconstructed".into(),
                mean(self.reconstructed),
            ),
            ("metrics/downstream_loss_ablated".into(), mean(self.zeroed)),
        ];
        if let Some(recovered) = self.recovered() {
            if recovered != 0.0 {
                metrics.push(("metrics/downstream_loss_ratio".into(), 1.0 / recovered));
            }
            metrics.push(("metrics/cross_entropy_recovered".into(), recovered));
        }
        metrics
    }
}

/// The model's losses on `tokens (batch, seq)` as it is, with the dictionary's reconstruction put in at its output hook
/// point, and with zeros put in. Where `mask` is 0 (BOS and padding) activations stay as they are and nothing is
/// counted. Also adds the reconstruction itself to `sums`.
///
/// # Errors
/// Hook points the model does not have, another width, tokens outside the vocabulary.
pub fn downstream_losses(
    sae: &SparseAutoEncoder,
    model: &LanguageModel,
    tokens: &Tensor,
    mask: Option<&Tensor>,
    sums: &mut ReconstructionSums,
) -> Result<DownstreamLosses> {
    let _no_grad = no_grad_guard();
    let tokens = tokens.f_to_device(model.device())?;
    let kept = match mask {
        Some(mask) => mask.f_to_device(model.device())?.f_ne(0.0)?,
        None => Tensor::f_ones_like(&tokens)?.f_to_kind(Kind::Bool)?,
    };
    let (point_in, point_out) = (&sae.cfg.hook_point_in, &sae.cfg.hook_point_out);
    let names: Vec<String> = sae.cfg.hook_points().into_iter().map(str::to_string).collect();
    let (logits, cache) = model.run_with_cache(&tokens, Some(&names))?;
    let at = |hook: &String| {
        cache
            .get(hook)
            .ok_or_else(|| Error::run(format!("the model gave no activations at `{hook}`")))
    };
    let output = at(point_out)?;
    let reconstructed = reconstruct(sae, (at(point_in)?, output), &kept, sums)?;
    let total = |logits: &Tensor| -> Result<f64> {
        let counted = kept.f_narrow(1, 1, tokens.size()[1] - 1)?;
        let losses = next_token_losses(logits, &tokens)?.f_mul(&counted)?;
        Ok(losses.f_sum(Kind::Double)?.f_double_value(&[])?)
    };
    let with = |replacement: &Tensor| -> Result<f64> {
        let edit: Edit<'_> =
            Box::new(|x: Tensor, _| Ok(replacement.f_where_self(&kept.f_unsqueeze(-1)?, &x)?));
        total(&model.run_with_hooks(&tokens, vec![(point_out.clone(), edit)])?)
    };
    Ok(DownstreamLosses {
        original: total(&logits)?,
        reconstructed: with(&reconstructed)?,
        zeroed: with(&reconstructed.f_zeros_like()?)?,
        tokens: kept
            .f_narrow(1, 1, tokens.size()[1] - 1)?
            .f_sum(Kind::Double)?
            .f_double_value(&[])?,
    })
}

/// The reconstruction of activations `(batch, seq, d_model)` from those at the input hook point, in the model's scale and
/// format, with only the positions counted that `kept (batch, seq)` says. Adds these to `sums`.
fn reconstruct(
    sae: &SparseAutoEncoder,
    (input, output): (&Tensor, &Tensor),
    kept: &Tensor,
    sums: &mut ReconstructionSums,
) -> Result<Tensor> {
    let pass = Pass::counting(Some(kept));
    let x = sae.normalize_with(input, &sae.cfg.hook_point_in, &pass)?;
    let acts = sae.encode_with(&x, &pass)?.feature_acts;
    let normalised = sae.decode(&acts)?;
    let here = output.f_to_device(sae.device())?.f_to_kind(sae.kind())?;
    let factor = sae.norm_factor_with(&here, &sae.cfg.hook_point_out, &pass)?;
    // One factor for each position, whatever it is a factor of.
    let factors = here.f_narrow(-1, 0, 1)?.f_ones_like()?.f_mul(&factor)?;
    let rows = |x: &Tensor| counted_rows(x, Some(kept));
    sums.add(&Rows {
        label: &rows(&here.f_mul(&factor)?)?,
        reconstructed: &rows(&normalised)?,
        feature_acts: &rows(&acts)?,
        factor: &rows(&factors)?,
    })?;
    let unscaled = normalised.f_div(&factor)?.f_to_device(output.device())?;
    Ok(unscaled.f_to_kind(output.f_kind()?)?)
}
