//! Training metrics, summed on the device from one log to the next and read back only then.
//!
//! All of them are over the tokens that count; `docs/metrics.md` says of each what it is.

use super::averages::{Averages, Measured};
use super::config::TrainerConfig;
use super::dead::DeadTracker;
use super::frequency::FiringWindow;
use super::kept::{Kept, Saved, Saving};
use super::optim::GradientNorms;
use super::reconstruction::{RECONSTRUCTION, Reconstruction, Room, reconstruction, rounding};
use super::step::StepOutput;
use crate::dictionary::{SparseAutoEncoder, StepFacts};
use crate::error::Result;
use crate::event::Metrics;
use crate::kernels::cuda::Launcher;
use crate::kernels::cuda::figures::{self, Figures};
use crate::tensor::{Device, Kind, Tensor, no_grad_guard};

/// Bounds of the firing frequencies that are counted: metric name, bound, counted when above (else when below).
const FREQUENCIES: [(&str, f64, bool); 5] = [
    ("sparsity/above_1e-1", 1e-1, true),
    ("sparsity/above_1e-2", 1e-2, true),
    ("sparsity/below_1e-5", 1e-5, false),
    ("sparsity/below_1e-6", 1e-6, false),
    ("sparsity/below_1e-7", 1e-7, false),
];

/// How many tokens the frequencies are over.
const WINDOW_TOKENS: &str = "sparsity/window_tokens";

/// Tokens that the dictionary had been trained on when the rest of a log was measured: all before its step.
pub(super) const TRAINING_TOKENS: &str = "details/n_training_tokens";

/// What has been measured since the last log, and the firing of the last steps.
#[derive(Debug)]
pub struct MetricSums {
    pub(super) averages: Averages,
    /// Active latents over all tokens, float64 0-d.
    pub(super) active: Tensor,
    /// Tokens.
    pub(super) tokens: i64,
    /// Steps.
    pub(super) steps: u64,
    pub(super) window: FiringWindow,
    everything: bool,
    room: Room,
}

/// Steps since the last log.
const STEPS: &str = "unlogged_steps";

impl Kept for MetricSums {
    fn save(&self, checkpoint: &mut Saving) -> Result<()> {
        checkpoint.tensor("sums.active", &self.active);
        checkpoint.tensor("sums.tokens", &Tensor::from(self.tokens));
        checkpoint.fact(STEPS, self.steps)?;
        self.averages.save(checkpoint)?;
        self.window.save(checkpoint)
    }

    fn restore(&mut self, checkpoint: &Saved) -> Result<()> {
        checkpoint.fill(&mut self.active, "sums.active")?;
        self.tokens = checkpoint.tensor("sums.tokens")?.f_int64_value(&[])?;
        self.steps = checkpoint.fact(STEPS)?;
        self.averages.restore(checkpoint)?;
        self.window.restore(checkpoint)
    }
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
    /// Returns sums with nothing measured yet.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new(cfg: &TrainerConfig, d_sae: i64, device: Device) -> Result<Self> {
        Ok(Self {
            averages: Averages::new(device),
            active: Tensor::f_zeros([0i64; 0].as_slice(), (Kind::Double, device))?,
            tokens: 0,
            steps: 0,
            window: FiringWindow::new(cfg.feature_sampling_window, d_sae, device),
            everything: !cfg.skip_metrics_calculation,
            room: Room::default(),
        })
    }

    /// Returns whether nothing has been summed since the last log.
    pub fn is_empty(&self) -> bool {
        self.steps == 0
    }

    /// Returns the part of the last `feature_sampling_window` steps' tokens on which each latent fired, float64
    /// `(d_sae)`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn firing_frequency(&self) -> Result<Tensor> {
        self.window.frequency()
    }

    /// Adds one step with its normalised `label`, all of whose rows count. `norms` is there when the optimiser is about
    /// to move. Kernels for a GPU are those of `launcher`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn add(
        &mut self,
        sae: &SparseAutoEncoder,
        output: &StepOutput,
        (label, norms): (&Tensor, Option<&GradientNorms>),
        launcher: Option<&dyn Launcher>,
    ) -> Result<StepFigures> {
        let _no_grad = no_grad_guard();
        let mut measured = Measured::default();
        measured.add("losses/overall_loss", &output.loss);
        for term in &output.terms {
            measured.add(term.metric.clone(), &term.value);
        }
        let mut figures = StepFigures {
            loss: output.loss.shallow_clone(),
            explained_variance: None,
            l0: None,
        };
        self.steps += 1;
        if !self.everything {
            self.averages.add(measured, launcher)?;
            return Ok(figures);
        }
        let (figures_of_step, variance) = self.figures(output, label, launcher)?;
        let Figures {
            reconstruction,
            activation,
            l0,
        } = figures_of_step;
        measured.add("metrics/mean_feature_act", &activation);
        for (name, value) in RECONSTRUCTION.into_iter().zip(&reconstruction) {
            measured.add(name, value);
        }
        let [explained_variance, ..] = reconstruction;
        figures.explained_variance = Some(explained_variance);
        if let Some(norms) = norms {
            measured.add("metrics/gradient_norm_per_param", &norms.per_param);
            measured.add("metrics/gradient_norm_before_clipping", &norms.before_clipping);
        }
        let facts = StepFacts {
            sae,
            squared_error: &output.squared_error,
            variance: variance.as_ref(),
            tokens: output.tokens,
            fired: &output.fired,
            fired_by_head: output.fired_by_head.as_ref(),
        };
        for (name, value) in sae.cfg.variant.metrics(&facts)? {
            measured.add(name, &value);
        }
        self.averages.add(measured, launcher)?;
        self.tokens += output.tokens;
        self.window.add(&output.fired, output.tokens, launcher)?;
        figures.l0 = Some(per_head(sae, &l0)?);
        Ok(figures)
    }

    /// Returns the figures of a step with the variance of its label, where that is known, and counts its active latents.
    fn figures(
        &mut self,
        output: &StepOutput,
        label: &Tensor,
        launcher: Option<&dyn Launcher>,
    ) -> Result<(Figures, Option<Tensor>)> {
        let (activation, active) = &output.activity;
        let is_plain = |x: &Tensor, dim| x.dim() == dim && x.is_contiguous() && x.kind() == Kind::Float;
        let fits = is_plain(label, 2) && is_plain(&output.squared_error, 1) && is_plain(activation, 0);
        if let Some(launcher) = launcher.filter(|launcher| fits && launcher.device() == label.device()) {
            let measured = figures::Measured {
                error: &output.squared_error,
                label,
                activation,
                active,
                rounding: rounding(Kind::Float),
            };
            return Ok((figures::figures(launcher, &measured, &self.active)?, None));
        }
        let _ = self.active.f_add_(active)?;
        let Reconstruction { figures, variance } =
            reconstruction(&output.squared_error, label, &mut self.room)?;
        let figures = Figures {
            reconstruction: figures,
            activation: activation.f_div(&active.f_clamp_min(1)?)?,
            l0: active.f_div_scalar(output.tokens.max(1))?,
        };
        Ok((figures, Some(variance)))
    }

    /// Reads what was measured since the last log, with the statistics of the weights as they stand, and starts anew.
    /// The firing of the last steps is kept.
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
        let _no_grad = no_grad_guard();
        let mut named: Vec<(String, Tensor)> = Vec::new();
        let mut add = |name: &str, value: Tensor| named.push((name.to_string(), value));
        if self.everything {
            for (name, value) in self.frequencies()? {
                add(name, value);
            }
            add("sparsity/dead_latents", dead.is_dead()?.f_sum(Kind::Int64)?);
        }
        for (name, value) in self.averages.means()? {
            add(name, value);
        }
        if self.everything {
            let l0 = self.active.f_div_scalar(self.tokens.max(1))?;
            add("metrics/l0", per_head(sae, &l0)?);
            for (name, value) in sae.weight_statistics()? {
                add(name, value);
            }
        }
        let (names, values): (Vec<String>, Vec<Tensor>) = named.into_iter().unzip();
        let read = names.into_iter().zip(read_all(&values)?);
        // What no step had a value of is 0 / 0.
        let there = read.filter(|(name, value)| !(value.is_nan() && self.averages.has(name)));
        let mut metrics: Metrics = there.collect();
        if self.everything {
            metrics.insert(0, (WINDOW_TOKENS.to_string(), self.window.tokens() as f64));
        }
        let mut metrics = resolved(metrics);
        metrics.extend(details_of(details, cfg, sae));
        self.averages.clear()?;
        let _ = self.active.f_zero_()?;
        self.tokens = 0;
        self.steps = 0;
        Ok(metrics)
    }

    /// Returns how many latents fire more or less often than each bound.
    fn frequencies(&self) -> Result<Vec<(&'static str, Tensor)>> {
        let frequency = self.window.frequency()?;
        let mut counted = Vec::new();
        for (name, bound, above) in FREQUENCIES {
            let latents = if above {
                frequency.f_gt(bound)?
            } else {
                frequency.f_lt(bound)?
            };
            counted.push((name, latents.f_sum(Kind::Int64)?));
        }
        Ok(counted)
    }
}

/// Leaves out the counts of rare latents whose bound is finer than so many tokens can tell: a latent that was active on
/// none of 50,000 may yet be active on one in 20,000.
fn resolved(mut metrics: Metrics) -> Metrics {
    let tokens = metrics.iter().find(|(name, _)| name == WINDOW_TOKENS);
    let Some(tokens) = tokens.map(|(_, tokens)| *tokens) else {
        return metrics;
    };
    let too_fine = |name: &str| {
        FREQUENCIES
            .iter()
            .any(|(known, bound, above)| *known == name && !above && 1.0 / tokens > *bound)
    };
    metrics.retain(|(name, _)| !too_fine(name));
    metrics
}

/// Returns a number of active latents over all heads as the mean over the heads.
fn per_head(sae: &SparseAutoEncoder, active: &Tensor) -> Result<Tensor> {
    match sae.cfg.hooks.heads() {
        Some(heads) => Ok(active.f_div_scalar(heads)?),
        None => Ok(active.shallow_clone()),
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
        (TRAINING_TOKENS, details.tokens as f64),
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
