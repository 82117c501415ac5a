//! What a dictionary's errors cost the model: cross-entropy with the activations replaced.

use std::collections::BTreeMap;

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

    /// Returns the part of the loss that zeroing costs which the reconstruction wins back: 1 is perfect, 0 is no better
    /// than zeros. `None` where zeroing costs nothing.
    pub fn recovered(&self) -> Option<f64> {
        let lost = self.zeroed - self.original;
        (lost != 0.0).then(|| (self.zeroed - self.reconstructed) / lost)
    }

    /// Returns the mean cross-entropies and the part recovered. `downstream_loss_ratio` is its inverse, as other
    /// systems log it. What would be a division by 0 is left out.
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

/// Returns the model's losses on `tokens (batch, seq)` as it is, with the dictionary's reconstruction put in at its
/// output hook point, and with zeros put in. Where `mask` is 0 (BOS and padding) activations stay as they are and
/// nothing is counted. Also adds the reconstruction itself to `sums`.
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
    let names: Vec<String> = sae.cfg.hook_points().into_iter().map(str::to_string).collect();
    let (logits, cache) = model.run_with_cache(&tokens, Some(&names))?;
    let reconstructed = reconstruct(sae, &cache, &kept, sums)?;
    let total = |logits: &Tensor| -> Result<f64> {
        let counted = kept.f_narrow(1, 1, tokens.size()[1] - 1)?;
        let losses = next_token_losses(logits, &tokens)?.f_mul(&counted)?;
        Ok(losses.f_sum(Kind::Double)?.f_double_value(&[])?)
    };
    let with = |replacements: &[Tensor]| -> Result<f64> {
        let mut edits: Vec<(String, Edit<'_>)> = Vec::new();
        for (hook, replacement) in sae.cfg.writes().into_iter().zip(replacements) {
            let kept = &kept;
            let edit: Edit<'_> =
                Box::new(move |x: Tensor, _| Ok(replacement.f_where_self(&kept.f_unsqueeze(-1)?, &x)?));
            edits.push((hook.to_string(), edit));
        }
        total(&model.run_with_hooks(&tokens, edits)?)
    };
    let zeros = reconstructed.iter().map(|x| Ok(x.f_zeros_like()?));
    let zeros = zeros.collect::<Result<Vec<Tensor>>>()?;
    Ok(DownstreamLosses {
        original: total(&logits)?,
        reconstructed: with(&reconstructed)?,
        zeroed: with(&zeros)?,
        tokens: kept
            .f_narrow(1, 1, tokens.size()[1] - 1)?
            .f_sum(Kind::Double)?
            .f_double_value(&[])?,
    })
}

/// The reconstructions of activations `(batch, seq, d)` at the written hook points from those at the read ones, in the
/// model's scale and format, with only the positions counted that `kept (batch, seq)` says. Adds these to `sums`.
fn reconstruct(
    sae: &SparseAutoEncoder,
    cache: &BTreeMap<String, Tensor>,
    kept: &Tensor,
    sums: &mut ReconstructionSums,
) -> Result<Vec<Tensor>> {
    let pass = Pass::counting(Some(kept));
    let at = |hook: &str| {
        cache
            .get(hook)
            .ok_or_else(|| Error::run(format!("the model gave no activations at `{hook}`")))
    };
    let read = |hook: &str| sae.normalize_with(at(hook)?, hook, &pass);
    let x = sae.join(sae.cfg.reads().into_iter().map(read).collect::<Result<_>>()?)?;
    let acts = sae.encode_with(&x, &pass)?.feature_acts;
    let normalised = sae.decode(&acts)?;
    let (mut labels, mut factors, mut unscaled) = (Vec::new(), Vec::new(), Vec::new());
    for (index, hook) in sae.cfg.writes().into_iter().enumerate() {
        let output = at(hook)?;
        let here = output.f_to_device(sae.device())?.f_to_kind(sae.kind())?;
        let factor = sae.norm_factor_with(&here, hook, &pass)?;
        // One factor for each position, whatever it is a factor of.
        factors.push(here.f_narrow(-1, 0, 1)?.f_ones_like()?.f_mul(&factor)?);
        labels.push(here.f_mul(&factor)?);
        let width = here.size().last().copied().unwrap_or(1);
        let ours = sae.part(&normalised, index)?.f_narrow(-1, 0, width)?;
        let ours = ours.f_div(&factor)?.f_to_device(output.device())?;
        unscaled.push(ours.f_to_kind(output.f_kind()?)?);
    }
    let factors = if sae.cfg.hooks.heads().is_some() {
        Tensor::f_stack(&factors, -2)?
    } else {
        factors.remove(0)
    };
    let rows = |x: &Tensor| counted_positions(sae, x, kept);
    sums.add(&Rows {
        label: &rows(&sae.join(labels)?)?,
        reconstructed: &rows(&normalised)?,
        feature_acts: &rows(&acts)?,
        factor: &rows(&factors)?,
    })?;
    Ok(unscaled)
}

/// The rows of `x (batch, seq, [heads,] n)` whose positions count, `(rows, [heads,] n)`.
fn counted_positions(sae: &SparseAutoEncoder, x: &Tensor, kept: &Tensor) -> Result<Tensor> {
    let Some(heads) = sae.cfg.hooks.heads() else {
        return counted_rows(x, Some(kept));
    };
    let width = x.size().last().copied().unwrap_or(1);
    let rows = counted_rows(&x.f_flatten(-2, -1)?, Some(kept))?;
    Ok(rows.f_reshape([-1, heads, width])?)
}
