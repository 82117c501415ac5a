//! What changes while a dictionary is trained, besides the dictionary itself.

use super::accumulated::Accumulated;
use super::config::TrainerConfig;
use super::dead::DeadTracker;
use super::distributions::distributions;
use super::kept::Kept;
use super::metrics::{Details, MetricSums};
use super::optim::Optimizer;
use super::schedule::Plan;
use crate::dictionary::SparseAutoEncoder;
use crate::error::Result;
use crate::event::{Histogram, Metrics};
use crate::tensor::Tensor;

/// All that changes while training, besides the dictionary itself.
pub(super) struct TrainingState {
    pub(super) plan: Plan,
    /// Steps done.
    pub(super) step: u64,
    /// Tokens trained on.
    pub(super) tokens: i64,
    pub(super) optimizer: Optimizer,
    pub(super) dead: DeadTracker,
    pub(super) sums: MetricSums,
    pub(super) accumulated: Accumulated,
}

/// Histograms over the latents, by name.
pub type Distributions = Vec<(&'static str, Histogram)>;

impl TrainingState {
    pub(super) fn new(cfg: &TrainerConfig, sae: &SparseAutoEncoder, total: u64) -> Result<Self> {
        let device = sae.device();
        Ok(Self {
            plan: Plan::new(cfg, total, sae.cfg.top_k),
            step: 0,
            tokens: 0,
            optimizer: Optimizer::new(cfg, sae)?,
            dead: DeadTracker::new(sae.cfg.d_sae(), cfg.dead_threshold, device)?,
            sums: MetricSums::new(cfg, sae.cfg.d_sae(), device)?,
            accumulated: Accumulated::new(sae),
        })
    }

    /// Adds the gradients of one batch, and returns their mean when the optimiser is due to move.
    pub(super) fn collect(
        &mut self,
        cfg: &TrainerConfig,
        gradients: Vec<Tensor>,
    ) -> Result<Option<Vec<Tensor>>> {
        let last = self.step + 1 == self.plan.total_steps;
        self.accumulated
            .add(gradients, cfg.gradient_accumulation_steps, last)
    }

    /// The parts that checkpoints keep, in the order in which they are saved.
    pub(super) fn parts(&mut self) -> [&mut dyn Kept; 4] {
        [
            &mut self.optimizer,
            &mut self.accumulated,
            &mut self.sums,
            &mut self.dead,
        ]
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
            tokens: self.tokens,
            l1_coefficient: self.plan.l1_coefficient(step),
            k: self.plan.k.at(step),
        };
        self.sums.take(sae, &self.dead, &details, cfg)
    }
}
