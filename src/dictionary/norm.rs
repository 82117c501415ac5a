//! Normalisation of activations to the average norm √d_model, and folding its factors into the weights.

use std::collections::BTreeMap;

use super::scale::{NormActivation, norm_floor};
use super::{Pass, SparseAutoEncoder};
use crate::error::{Error, Result};
use crate::kernels::norms::scale_rows;
use crate::tensor::slices::{numbers, numbers_mut};
use crate::tensor::{Buffer, Kind, Tensor, no_grad_guard};

impl SparseAutoEncoder {
    /// Multiplies the activations at this dictionary's hook points by their normalisation factors, in its dtype and on
    /// its device; other hook points pass through unchanged. Positions that do not count in `pass` are scaled with the
    /// others, but take no part in batch-wise norms.
    ///
    /// # Errors
    /// `dataset-wise` without measured norms; a mask that does not fit.
    pub fn normalize_activations(
        &self,
        activations: &BTreeMap<String, Tensor>,
        pass: &Pass<'_>,
    ) -> Result<BTreeMap<String, Tensor>> {
        activations
            .iter()
            .map(|(hook, x)| {
                let x = if self.cfg.hook_points().contains(&hook.as_str()) {
                    self.normalize_with(x, hook, pass)?
                } else {
                    x.shallow_clone()
                };
                Ok((hook.clone(), x))
            })
            .collect()
    }

    /// Returns `x (…, d_model)` from `hook`, normalised, in the dictionary's dtype and on its device; all positions
    /// count.
    ///
    /// # Errors
    /// As [`normalize_activations`](Self::normalize_activations).
    pub fn normalize(&self, x: &Tensor, hook: &str) -> Result<Tensor> {
        self.normalize_with(x, hook, &Pass::default())
    }

    /// Returns `x` normalised like [`normalize`](Self::normalize), but with the positions counted that `pass` says.
    ///
    /// # Errors
    /// As [`normalize_activations`](Self::normalize_activations).
    pub fn normalize_with(&self, x: &Tensor, hook: &str, pass: &Pass<'_>) -> Result<Tensor> {
        let x = x.f_to_device(self.device())?.f_to_kind(self.kind())?;
        Ok(x.f_mul(&self.norm_factor_with(&x, hook, pass)?)?)
    }

    /// Returns `x` normalised like [`normalize_with`](Self::normalize_with), without a graph, in `room`, where it stays until
    /// there is another.
    ///
    /// # Errors
    /// As [`normalize_activations`](Self::normalize_activations).
    pub fn normalize_in(
        &self,
        x: &Tensor,
        (hook, pass): (&str, &Pass<'_>),
        room: &mut Buffer,
    ) -> Result<Tensor> {
        let _no_grad = no_grad_guard();
        let x = x.f_to_device(self.device())?.f_to_kind(self.kind())?;
        let mut normalised = room.take_sized(&x.size(), (self.kind(), self.device()))?;
        if let (NormActivation::TokenWise, Ok(rows)) = (self.cfg.norm_activation, numbers(&x)) {
            // Heads may be narrower than the dictionary.
            let columns = x.size().last().map_or(1, |width| *width as usize);
            let floor = norm_floor(Kind::Float) as f32;
            let length = (self.cfg.d_model as f32).sqrt();
            scale_rows(rows, columns, (length, floor), numbers_mut(&mut normalised)?);
            return Ok(normalised);
        }
        Ok(x.f_mul_out(&normalised, &self.norm_factor_with(&x, hook, pass)?)?)
    }

    /// Returns the factor by which `x` from `hook` is multiplied; its shape broadcasts against `x (…, d_model)`. All
    /// positions count.
    ///
    /// # Errors
    /// As [`normalize_activations`](Self::normalize_activations).
    pub fn norm_factor(&self, x: &Tensor, hook: &str) -> Result<Tensor> {
        self.norm_factor_with(x, hook, &Pass::default())
    }

    /// Returns the factor like [`norm_factor`](Self::norm_factor), but with the positions counted that `pass` says.
    ///
    /// # Errors
    /// As [`normalize_activations`](Self::normalize_activations).
    pub fn norm_factor_with(&self, x: &Tensor, hook: &str, pass: &Pass<'_>) -> Result<Tensor> {
        let root = (self.cfg.d_model as f64).sqrt();
        let norms = || x.f_norm_scalaropt_dim(2.0, [-1i64].as_slice(), true);
        let factor = |norm: &Tensor| -> Result<Tensor> {
            let floor = norm_floor(norm.f_kind()?);
            Ok(norm.f_clamp_min(floor)?.f_reciprocal()?.f_mul_scalar(root)?)
        };
        match self.cfg.norm_activation {
            NormActivation::TokenWise => factor(&norms()?),
            NormActivation::BatchWise => factor(&batch_norm(&norms()?, pass.counted_of(x)?.as_ref())?),
            NormActivation::DatasetWise => {
                let factor = self.dataset_factor(hook)?;
                Ok(Tensor::f_full(
                    [0i64; 0].as_slice(),
                    factor,
                    (x.kind(), x.device()),
                )?)
            }
            NormActivation::Inference => Ok(Tensor::f_ones([0i64; 0].as_slice(), (x.kind(), x.device()))?),
        }
    }

    /// Returns √d_model over the measured average norm at `hook`.
    fn dataset_factor(&self, hook: &str) -> Result<f64> {
        let norm = self.dataset_norm(hook).ok_or_else(|| {
            Error::input(format!(
                "the average activation norm at `{hook}` is not known, and `norm_activation` is \"dataset-wise\""
            ))
            .hint("`initialize_sae_from_config` and `fit` measure it on an activation stream; other values of `norm_activation` need none")
        })?;
        Ok((self.cfg.d_model as f64).sqrt() / norm)
    }

    /// Folds the dataset-wise factors into the weights, so that the dictionary takes and gives activations as the
    /// model has them; `norm_activation` becomes `inference`. Thresholds and gates are folded too, so the same latents
    /// are on as before.
    ///
    /// # Errors
    /// `norm_activation` is not `dataset-wise`, or the norms are not known.
    pub fn standardize_parameters_of_dataset_norm(&mut self) -> Result<()> {
        if self.cfg.norm_activation != NormActivation::DatasetWise {
            return Err(Error::input(
                "only a dictionary with `norm_activation` \"dataset-wise\" can have its activation scale folded",
            )
            .hint("\"inference\" is folded already; token-wise and batch-wise factors depend on the input"));
        }
        if !self.cfg.variant.folds(&self.cfg) {
            return Err(Error::input(format!(
                "the activation scale cannot be folded into this dictionary: with act_fn \"{}\" other latents might be on \
                 afterwards",
                self.cfg.act_fn.name()
            ))
            .hint("keep the norms beside the weights: save without `fold_activation_scale`"));
        }
        let factors = |hooks: Vec<&str>| -> Result<Vec<f64>> {
            hooks.into_iter().map(|hook| self.dataset_factor(hook)).collect()
        };
        let (reads, writes) = (factors(self.cfg.reads())?, factors(self.cfg.writes())?);
        let _no_grad = no_grad_guard();
        let mut folded = self.cfg.clone();
        folded.change(|cfg| cfg.norm_activation = NormActivation::Inference)?;
        folded.variant.fold(self, &reads, &writes)?;
        self.cfg = folded;
        Ok(())
    }
}

/// Returns the mean of token norms `(…, batch, 1)` over the positions of a batch (of each sequence, where there is a
/// sequence dimension) that count, `(…, 1, 1)`. Where none counts, whatever is there is scaled by itself.
fn batch_norm(norms: &Tensor, counted: Option<&Tensor>) -> Result<Tensor> {
    let all = norms.f_mean_dim([-2i64].as_slice(), true, None::<Kind>)?;
    let Some(counted) = counted else { return Ok(all) };
    let counted = counted.f_unsqueeze(-1)?;
    let count = counted.f_sum_dim_intlist([-2i64].as_slice(), true, norms.f_kind()?)?;
    let mean = norms
        .f_masked_fill(&counted.f_logical_not()?, 0.0)?
        .f_sum_dim_intlist([-2i64].as_slice(), true, None::<Kind>)?
        .f_div(&count.f_clamp_min(1.0)?)?;
    Ok(mean.f_where_self(&count.f_gt(0.0)?, &all)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::from_value;
    use crate::tensor::Device;

    #[test]
    fn what_is_normalised_in_room_is_what_is_normalised() {
        let x = Tensor::randn([5, 6], (Kind::Float, Device::Cpu));
        let short = Tensor::cat(
            &[
                x.narrow(0, 0, 4),
                Tensor::zeros([1, 6], (Kind::Float, Device::Cpu)),
            ],
            0,
        );
        let mut room = Buffer::default();
        for kind in ["token-wise", "batch-wise", "inference"] {
            // The last is as wide as a head that is narrower than the dictionary.
            for (d_model, x) in [(6, &x), (6, &short), (8, &short)] {
                let cfg = json!({
                    "hook_point_in": "in", "hook_point_out": "in", "d_model": d_model, "d_sae": 16,
                    "norm_activation": kind, "device": "cpu",
                });
                let cfg: crate::dictionary::SAEConfig = from_value(cfg).expect("a configuration");
                let sae = SparseAutoEncoder::new(cfg).expect("a dictionary");
                let expected = sae.normalize(x, "in").expect("normalised");
                let pass = Pass::default();
                let found = sae.normalize_in(x, ("in", &pass), &mut room).expect("normalised");
                assert!(
                    found.allclose(&expected, 1e-6, 1e-6, false),
                    "{kind}: {found} for {expected}"
                );
            }
        }
    }
}
