//! What a training will cost, said before it starts.

use std::fmt;

use super::config::TrainerConfig;
use super::step::{StepEngineName, step_bytes};
use crate::activations::StreamMemory;
use crate::dictionary::{Custom, LossSettings, SAEConfig};
use crate::error::{byte_size, counted};

/// Steps, parameters and memory of one training, in bytes where not said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Steps of the training.
    pub steps: u64,
    /// Trainable numbers.
    pub parameters: u64,
    /// The parameters themselves.
    pub weights: u64,
    /// Their gradients.
    pub gradients: u64,
    /// What the optimiser remembers.
    pub moments: u64,
    /// What one step holds for its backward pass: an estimate.
    pub step_buffers: u64,
    /// What the stream of its batches holds.
    pub stream: StreamMemory,
    /// All checkpoints together, on disk, without the activation stream's buffer.
    pub disk: u64,
}

/// Tensors of shape `(rows, d_sae)` that automatic differentiation holds at its height: pre-activations, their scaled form, activations,
/// and the gradients of two of them.
const LATENT_BUFFERS: u64 = 6;

/// Tensors of shape `(rows, d_model)`: input, reconstruction, error, gradient.
const MODEL_BUFFERS: u64 = 5;

impl Forecast {
    /// Returns the forecast for `steps` steps with batches of `rows` rows from a stream that holds `stream`.
    pub fn new(sae: &SAEConfig, cfg: &TrainerConfig, steps: u64, rows: u64, stream: StreamMemory) -> Self {
        let heads = sae.hooks.heads().unwrap_or(1) as u64;
        let (d, n) = (heads * sae.d_model as u64, heads * sae.d_sae() as u64);
        let parameters = sae.parameter_count();
        let width = sae.dtype.size() as u64;
        let weights = parameters * width;
        let kept = sae.variant.layout(sae).into_iter().map(|spec| {
            let tensors = cfg.optimizer_class.kept(spec.role) as u64;
            spec.numel().saturating_mul(tensors)
        });
        let moments = width * kept.sum::<u64>();
        let checkpoints = match (cfg.keep_last_checkpoints, cfg.keep_best_checkpoints) {
            (None, _) => cfg.n_checkpoints,
            (Some(last), best) => (last + best.unwrap_or(0)).min(cfg.n_checkpoints),
        };
        let engine = cfg.step_engine.resolved(sae, &Custom::default());
        let settings = LossSettings {
            sparsity_loss_type: cfg.sparsity_loss_type,
            auxk_coefficient: cfg.auxk_coefficient.unwrap_or(0.0),
            k_aux: cfg.k_aux,
            ..LossSettings::default()
        };
        let first_k = cfg.initial_k.map_or(sae.top_k, |k| k.ceil() as i64);
        let step_bytes = |device| {
            step_bytes(
                sae,
                &settings,
                (device, rows),
                (sae.top_k, first_k.max(sae.top_k)),
            )
        };
        let resumable = cfg.resumable_checkpoints.min(checkpoints);
        Self {
            steps,
            parameters,
            weights,
            gradients: weights,
            moments,
            step_buffers: match (engine, sae.device.resolve()) {
                (StepEngineName::Native | StepEngineName::Cuda, Ok(device)) => step_bytes(device),
                _ => width * rows * (LATENT_BUFFERS * n + MODEL_BUFFERS * d),
            },
            stream,
            disk: checkpoints * weights + resumable * moments,
        }
    }

    /// Returns all memory together, in bytes.
    pub fn memory(&self) -> u64 {
        let step = self.weights + self.gradients + self.moments + self.step_buffers;
        step.saturating_add(self.stream.total())
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}, {} parameters; memory about {} (weights {}, gradients {}, moments {}, step {}{}); checkpoints {}",
            counted(self.steps, "step"),
            self.parameters,
            byte_size(self.memory()),
            byte_size(self.weights),
            byte_size(self.gradients),
            byte_size(self.moments),
            byte_size(self.step_buffers),
            match self.stream.total() {
                0 => String::new(),
                _ => format!(", {}", self.stream),
            },
            byte_size(self.disk),
        )
    }
}
