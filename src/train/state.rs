//! What changes while a dictionary is trained, besides the dictionary itself.

use super::config::TrainerConfig;
use super::dead::DeadTracker;
use super::distributions::distributions;
use super::metrics::{Details, MetricSums};
use super::optim::Optimizer;
use super::schedule::Plan;
use crate::dictionary::SparseAutoEncoder;
use crate::error::Result;
use crate::event::{Histogram, Metrics};
use crate::tensor::{Kind, Tensor};

/// All that changes while training, besides the dictionary itself.
pub(super) struct TrainingState {
    pub(super) plan: Plan,
    /// Steps done.
    pub(super) step: u64,
    /// Tokens trained on, int64 0-d on the device.
    pub(super) tokens: Tensor,
    pub(super) optimizer: Optimizer,
    pub(super) dead: DeadTracker,
    pub(super) sums: MetricSums,
    /// Gradients summed since the optimiser last moved, and over how many batches.
    pub(super) accumulated: Vec<Tensor>,
    pub(super) accumulated_batches: u64,
}

/// Histograms over the latents, by name.
pub type Distributions = Vec<(&'static str, Histogram)>;

impl TrainingState {
    pub(super) fn new(cfg: &TrainerConfig, sae: &SparseAutoEncoder, total: u64) -> Result<Self> {
        let device = sae.device();
        Ok(Self {
            plan: Plan::new(cfg, total, sae.cfg.top_k),
            step: 0,
            tokens: Tensor::f_zeros([0i64; 0].as_slice(), (Kind::Int64, device))?,
            optimizer: Optimizer::new(cfg, sae)?,
            dead: DeadTracker::new(sae.cfg.d_sae(), cfg.dead_threshold, device)?,
            sums: MetricSums::new(cfg, sae.cfg.d_sae(), device)?,
            accumulated: Vec::new(),
            accumulated_batches: 0,
        })
    }

    /// Adds the gradients of one batch, and returns their mean when the optimiser is due to move.
    pub(super) fn collect(
        &mut self,
        cfg: &TrainerConfig,
        gradients: Vec<Tensor>,
    ) -> Result<Option<Vec<Tensor>>> {
        if cfg.gradient_accumulation_steps == 1 {
            return Ok(Some(gradients));
        }
        if self.accumulated.is_empty() {
            self.accumulated = gradients;
        } else {
            for (sum, gradient) in self.accumulated.iter_mut().zip(&gradients) {
                let _ = sum.f_add_(gradient)?;
            }
        }
        self.accumulated_batches += 1;
        let last = self.step + 1 == self.plan.total_steps;
        if self.accumulated_batches < cfg.gradient_accumulation_steps && !last {
            return Ok(None);
        }
        let mut mean = std::mem::take(&mut self.accumulated);
        for sum in &mut mean {
            let _ = sum.f_div_scalar_(self.accumulated_batches as i64)?;
        }
        self.accumulated_batches = 0;
        Ok(Some(mean))
    }

    /// Returns the averages since the last log, and how the latents are spread where somebody looks, at steps that log.
    pub(super) fn log_if_due(
        &mut self,
        cfg: &TrainerConfig,
        sae: &SparseAutoEncoder,
        wants_distributions: bool,
    ) -> Result<(Option<Metrics>, Distributions)> {
        let done = self.step + 1;
        if !done.is_multiple_of(cfg.log_frequency) && done != self.plan.total_steps {
            return Ok((None, Vec::new()));
        }
        let distributions = if wants_distributions {
            distributions(sae, &self.sums)?
        } else {
            Vec::new()
        };
        Ok((Some(self.log(cfg, sae, self.step)?), distributions))
    }

    /// Returns the averages since the last log, with the schedules as they stood at `step`, and starts anew.
    pub(super) fn log(&mut self, cfg: &TrainerConfig, sae: &SparseAutoEncoder, step: u64) -> Result<Metrics> {
        let details = Details {
            lr: self.plan.lr.at(step),
            tokens: self.tokens.f_int64_value(&[])?,
            l1_coefficient: self.plan.l1_coefficient(step),
            k: self.plan.k.at(step),
        };
        self.sums.take(sae, &self.dead, &details, cfg)
    }
}
