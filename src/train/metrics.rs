//! Training metrics, summed on the device from one log to the next and read back only then.

use super::config::TrainerConfig;
use super::dead::DeadTracker;
use super::engine::{StepOutput, masked_mean};
use super::optim::GradientNorms;
use crate::dictionary::{LossInput, SparseAutoEncoder, squared_error, sum_last};
use crate::error::Result;
use crate::event::Metrics;
use crate::tensor::{Device, Kind, Tensor};

/// Bounds of the firing frequencies that are counted: metric name, bound, counted when above (else when below).
const FREQUENCIES: [(&str, f64, bool); 5] = [
    ("sparsity/above_1e-1", 1e-1, true),
    ("sparsity/above_1e-2", 1e-2, true),
    ("sparsity/below_1e-5", 1e-5, false),
    ("sparsity/below_1e-6", 1e-6, false),
    ("sparsity/below_1e-7", 1e-7, false),
];

/// Names of what is averaged over steps, in the order they are shown.
pub(super) const AVERAGED: [&str; 12] = [
    "losses/overall_loss",
    "losses/mse_loss",
    "losses/sparsity_loss",
    "losses/lp_loss",
    "losses/aux_loss",
    "metrics/mean_feature_act",
    "metrics/explained_variance",
    "metrics/explained_variance_legacy",
    "metrics/l2_norm_error",
    "metrics/l2_norm_error_ratio",
    "metrics/gradient_norm_per_param",
    "metrics/gradient_norm_before_clipping",
];

/// Sums since the last log.
#[derive(Debug)]
pub struct MetricSums {
    /// For each of [`AVERAGED`]: the sum of its values (float64, 0-d) and how many there were.
    pub(super) sums: Vec<(Tensor, u64)>,
    /// How many tokens each latent fired on, float64 `(d_sae)`.
    pub(super) fired: Tensor,
    /// Tokens that counted, int64 0-d.
    pub(super) tokens: Tensor,
    everything: bool,
}

/// The numbers that are logged beside the averages.
pub struct Details {
    /// Learning rate of this step.
    pub lr: f64,
    /// Tokens trained on before this step.
    pub tokens: i64,
    /// λ of this step.
    pub l1_coefficient: f64,
    /// k of this step.
    pub k: i64,
}

impl MetricSums {
    /// Nothing summed yet.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new(cfg: &TrainerConfig, d_sae: i64, device: Device) -> Result<Self> {
        let zero = |kind| Tensor::f_zeros([0i64; 0].as_slice(), (kind, device));
        let mut sums = Vec::new();
        for _ in AVERAGED {
            sums.push((zero(Kind::Double)?, 0));
        }
        Ok(Self {
            sums,
            fired: Tensor::f_zeros([d_sae], (Kind::Double, device))?,
            tokens: zero(Kind::Int64)?,
            everything: !cfg.skip_metrics_calculation,
        })
    }

    /// Has anything been summed since the last log?
    pub fn is_empty(&self) -> bool {
        self.sums[0].1 == 0
    }

    /// The part of the tokens since the last log on which each latent fired, float64 `(d_sae)`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn firing_frequency(&self) -> Result<Tensor> {
        Ok(self.fired.f_div(&self.tokens.f_clamp_min(1)?)?)
    }

    /// Adds one step. `norms` is there when the optimiser is about to move.
    ///
    /// # Errors
    /// Too little memory.
    pub fn add(
        &mut self,
        output: &StepOutput,
        input: &LossInput<'_>,
        norms: Option<&GradientNorms>,
    ) -> Result<StepFigures> {
        let _no_grad = tch::no_grad_guard();
        self.sum("losses/overall_loss", &output.loss)?;
        for (term, value) in &output.terms {
            let name = match *term {
                "l_rec" => "losses/mse_loss",
                "l_s" => "losses/sparsity_loss",
                "l_p" => "losses/lp_loss",
                _ => "losses/aux_loss",
            };
            self.sum(name, value)?;
        }
        let mut figures = StepFigures {
            loss: output.loss.shallow_clone(),
            explained_variance: None,
            l0: None,
        };
        if !self.everything {
            return Ok(figures);
        }
        let (sum, active) = &output.activity;
        self.sum("metrics/mean_feature_act", &sum.f_div(&active.f_clamp_min(1)?)?)?;
        figures.explained_variance = Some(self.add_reconstruction(output, input)?);
        if let Some(norms) = norms {
            self.sum("metrics/gradient_norm_per_param", &norms.per_param)?;
            self.sum("metrics/gradient_norm_before_clipping", &norms.before_clipping)?;
        }
        let _ = self.fired.f_add_(&output.fired)?;
        let _ = self.tokens.f_add_(&output.tokens)?;
        let active = output.fired.f_sum(None::<Kind>)?;
        figures.l0 = Some(active.f_div(&output.tokens.f_clamp_min(1)?)?);
        Ok(figures)
    }

    fn add_reconstruction(&mut self, output: &StepOutput, input: &LossInput<'_>) -> Result<Tensor> {
        let label = input.label;
        let width = label.size().last().copied().unwrap_or(1);
        let flat = label.f_reshape([-1, width])?;
        let centre = match input.mask {
            None => flat.f_mean_dim([0i64].as_slice(), false, None::<Kind>)?,
            Some(mask) => {
                let weights = mask
                    .f_to_device(flat.device())?
                    .f_reshape([-1, 1])?
                    .f_to_kind(flat.f_kind()?)?;
                let count = weights.f_sum(None::<Kind>)?.f_clamp_min(1.0)?;
                flat.f_mul(&weights)?
                    .f_sum_dim_intlist([0i64].as_slice(), false, None::<Kind>)?
                    .f_div(&count)?
            }
        };
        let error = squared_error(&output.reconstructed, label)?;
        let variance = squared_error(label, &centre)?;
        let unexplained = |error: &Tensor, variance: &Tensor| -> Result<Tensor> {
            Ok(error.f_div(variance)?.f_neg()?.f_add_scalar(1.0)?)
        };
        let explained = unexplained(&masked_mean(&error, input)?, &masked_mean(&variance, input)?)?;
        self.sum("metrics/explained_variance", &explained)?;
        let legacy = masked_mean(&unexplained(&error, &variance)?, input)?;
        self.sum("metrics/explained_variance_legacy", &legacy)?;
        let distance = masked_mean(&error.f_sqrt()?, input)?;
        let length = masked_mean(&sum_last(&label.f_square()?)?.f_sqrt()?, input)?;
        self.sum("metrics/l2_norm_error", &distance)?;
        self.sum("metrics/l2_norm_error_ratio", &distance.f_div(&length)?)?;
        Ok(explained)
    }

    fn sum(&mut self, name: &str, value: &Tensor) -> Result<()> {
        if let Some(at) = AVERAGED.iter().position(|known| *known == name) {
            let (sum, count) = &mut self.sums[at];
            let _ = sum.f_add_(value)?;
            *count += 1;
        }
        Ok(())
    }

    /// Reads the averages since the last log, with the statistics of the weights as they stand, and starts anew.
    ///
    /// # Errors
    /// Too little memory.
    pub fn take(
        &mut self,
        sae: &SparseAutoEncoder,
        dead: &DeadTracker,
        details: &Details,
        cfg: &TrainerConfig,
    ) -> Result<Metrics> {
        let _no_grad = tch::no_grad_guard();
        let mut names: Vec<&str> = Vec::new();
        let mut values: Vec<Tensor> = Vec::new();
        if self.everything {
            let frequency = self.firing_frequency()?;
            for (name, bound, above) in FREQUENCIES {
                let counted = if above {
                    frequency.f_gt(bound)?
                } else {
                    frequency.f_lt(bound)?
                };
                names.push(name);
                values.push(counted.f_sum(Kind::Int64)?);
            }
            names.push("sparsity/dead_latents");
            values.push(dead.is_dead()?.f_sum(Kind::Int64)?);
        }
        for (name, (sum, count)) in AVERAGED.iter().zip(&self.sums) {
            if *count > 0 {
                names.push(name);
                values.push(sum.f_div_scalar(*count as f64)?);
            }
        }
        if self.everything {
            names.push("metrics/l0");
            values.push(
                self.fired
                    .f_sum(None::<Kind>)?
                    .f_div(&self.tokens.f_clamp_min(1)?)?,
            );
            for (name, value) in sae.weight_statistics()? {
                names.push(name);
                values.push(value);
            }
        }
        let read = read_all(&values)?;
        let mut metrics: Metrics = names.into_iter().map(str::to_string).zip(read).collect();
        metrics.extend(details_of(details, cfg, sae));
        *self = Self::new(cfg, sae.cfg.d_sae(), sae.device())?;
        Ok(metrics)
    }
}

/// Figures of one step for the progress line, 0-d on the device.
pub struct StepFigures {
    /// Overall loss.
    pub loss: Tensor,
    /// Explained variance.
    pub explained_variance: Option<Tensor>,
    /// Mean number of active latents.
    pub l0: Option<Tensor>,
}

impl StepFigures {
    /// Reads them back, in the order in which they are shown.
    ///
    /// # Errors
    /// The device failed.
    pub fn read(&self) -> Result<Vec<(&'static str, f64)>> {
        let named = [
            ("loss", Some(&self.loss)),
            ("explained variance", self.explained_variance.as_ref()),
            ("L0", self.l0.as_ref()),
        ];
        let (names, values): (Vec<_>, Vec<_>) = named
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?.shallow_clone())))
            .unzip();
        Ok(names.into_iter().zip(read_all(&values)?).collect())
    }
}

/// Reads 0-d tensors with a single wait for the device.
fn read_all(values: &[Tensor]) -> Result<Vec<f64>> {
    let mut doubles = Vec::with_capacity(values.len());
    for value in values {
        doubles.push(value.f_detach()?.f_to_kind(Kind::Double)?);
    }
    let joined = Tensor::f_stack(&doubles, 0)?.f_to_device(Device::Cpu)?;
    let mut read = vec![0.0; values.len()];
    joined.f_copy_data(&mut read, values.len())?;
    Ok(read)
}

fn details_of(details: &Details, cfg: &TrainerConfig, sae: &SparseAutoEncoder) -> Metrics {
    let mut named = vec![
        ("details/current_learning_rate", details.lr),
        ("details/n_training_tokens", details.tokens as f64),
        ("details/l1_coefficient", details.l1_coefficient),
        ("details/lp_coefficient", cfg.lp_coefficient.unwrap_or(0.0)),
        ("details/auxk_coefficient", cfg.auxk_coefficient.unwrap_or(0.0)),
    ];
    if sae.cfg.act_fn.selects_k() {
        named.push(("sparsity/k", details.k as f64));
    }
    named
        .into_iter()
        .map(|(name, value)| (name.to_string(), value))
        .collect()
}
