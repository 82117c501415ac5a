//! How a dictionary is trained: losses, optimiser, schedules, logging and checkpoints.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::optim::OptimizerClass;
use super::step::StepEngineName;
use crate::config::{Map, Steps, Value, to_value};
use crate::dictionary::SparsityLoss;
use crate::error::Result;
use crate::fingerprint::Identified;
use crate::tensor::DType;

/// How the learning rate runs over the training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LrSchedulerName {
    /// Always `lr`.
    Constant,
    /// Linear warm-up, constant, linear cool-down.
    #[default]
    ConstantWithWarmup,
    /// Linear warm-up, then linear decay to 0.
    LinearWarmupDecay,
    /// Half a cosine from `lr` down.
    CosineAnnealing,
    /// Linear warm-up, then half a cosine down.
    CosineAnnealingWarmup,
    /// Linear warm-up, then exponential decay.
    ExponentialWarmup,
}

/// How k runs from `initial_k` to `top_k`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KScheduleType {
    /// In equal steps.
    #[default]
    Linear,
    /// Fast at first.
    Exponential,
}

/// Where the checkpoints of a run lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckpointSaveMode {
    /// At steps `ceil(2^(i/n · log2 T))`: dense in the beginning.
    #[default]
    Log,
    /// Every `T // n` steps.
    Linear,
}

/// Everything about one training but the dictionary and the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainerConfig {
    /// Coefficient λ of the sparsity penalty.
    pub l1_coefficient: Option<f64>,
    /// Steps, or fraction of all steps, over which λ rises from 0.
    pub l1_coefficient_warmup_steps: Steps,
    /// Coefficient of the threshold penalty of `jumprelu`; null leaves it out.
    pub lp_coefficient: Option<f64>,
    /// Coefficient of the Aux-K loss, which revives dead latents; null leaves it out.
    pub auxk_coefficient: Option<f64>,
    /// Number format of the matrix products while training; parameters keep theirs. null or float32: no mixed
    /// precision. Steps by hand on the CPU compute in float32 all the same where that is faster: over active latents alone, and
    /// where the processor cannot multiply in this format.
    pub amp_dtype: Option<DType>,
    /// Sparsity penalty: `power`, `tanh`, `tanh-quad`, or null for none (the top-k family needs none).
    pub sparsity_loss_type: Option<SparsityLoss>,
    /// Stretch c of the tanh penalties.
    pub tanh_stretch_coefficient: f64,
    /// Frequency scale s of tanh-quad: smaller punishes frequent latents more.
    pub frequency_scale: f64,
    /// Power p of the `power` penalty; 1 is the L¹ norm.
    pub p: i64,
    /// k at the start, for the top-k family; null keeps k at `top_k` throughout.
    pub initial_k: Option<f64>,
    /// Steps, or fraction of all steps, over which k goes from `initial_k` to `top_k`.
    pub k_warmup_steps: Steps,
    /// Steps, or fraction of all steps, for which k stays at `initial_k` first.
    pub k_cold_booting_steps: Steps,
    /// Course of k.
    pub k_schedule_type: KScheduleType,
    /// Curvature of the exponential course of k.
    pub k_exponential_factor: f64,
    /// Most dead latents that Aux-K uses at a time.
    pub k_aux: i64,
    /// Tokens without firing after which a latent counts as dead.
    pub dead_threshold: f64,
    /// Leave out all metrics but losses and schedules.
    pub skip_metrics_calculation: bool,
    /// Batches whose gradients are averaged for one move of the optimiser.
    pub gradient_accumulation_steps: u64,
    /// Learning rate at its height.
    pub lr: f64,
    /// Decay rates of the first and second moment of the Adam family.
    pub betas: (f64, f64),
    /// Optimiser.
    pub optimizer_class: OptimizerClass,
    /// How much the matrices shrink at each move, as a multiple of the learning rate (adamw and muon).
    pub weight_decay: f64,
    /// How much of the last move goes on (sgd), or of the gradient's running mean stays (signum and muon).
    pub momentum: f64,
    /// Course of the learning rate.
    pub lr_scheduler_name: LrSchedulerName,
    /// Learning rate at the end, as a part of `lr`; null: 1/32 for constantwithwarmup and exponentialwarmup, 0 for
    /// cosine.
    pub lr_end_ratio: Option<f64>,
    /// Steps, or fraction of all steps, over which the learning rate rises.
    pub lr_warm_up_steps: Steps,
    /// Steps, or fraction of all steps, over which the learning rate falls at the end (constantwithwarmup).
    pub lr_cool_down_steps: Steps,
    /// Learning rate of `jumprelu` thresholds as a multiple of `lr`.
    pub jumprelu_lr_factor: f64,
    /// Largest gradient norm (per non-zero entry); larger gradients are scaled down. 0 is off.
    pub clip_grad_norm: f64,
    /// Steps that firing frequencies (`sparsity/above_…`, `sparsity/below_…`) are counted over, the last before a log,
    /// up to an eighth fewer; `sparsity/window_tokens` says how many tokens these had.
    pub feature_sampling_window: u64,
    /// Tokens to train on; the number of steps is this over the rows of a batch.
    pub total_training_tokens: u64,
    /// Steps from one log to the next.
    pub log_frequency: u64,
    /// Steps from one evaluation to the next, where there is one.
    pub eval_frequency: u64,
    /// Number of checkpoints; 0 for none.
    pub n_checkpoints: u64,
    /// Where the checkpoints lie.
    pub check_point_save_mode: CheckpointSaveMode,
    /// Minutes between further checkpoints; null for none.
    pub checkpoint_every_minutes: Option<f64>,
    /// Checkpoints to keep, the newest; null keeps all.
    pub keep_last_checkpoints: Option<u64>,
    /// Checkpoints to keep besides those, the ones of least reconstruction loss.
    pub keep_best_checkpoints: Option<u64>,
    /// Checkpoints that a training can go on from, the newest. Of older ones only the dictionary stays, about a fifth of
    /// the size.
    pub resumable_checkpoints: u64,
    /// Checkpoint folder to go on from.
    pub from_pretrained_path: Option<String>,
    /// How gradients are computed: `native` by formulas written out, over active latents alone where few are, `autograd`
    /// automatically, or `auto`: native where there are formulas.
    pub step_engine: StepEngineName,
    /// Folder for everything the run writes.
    pub exp_result_path: String,
}

/// The default warm-up of the learning rate, in steps.
pub(super) const DEFAULT_LR_WARM_UP: Steps = Steps::Count(5000);

impl Default for TrainerConfig {
    fn default() -> Self {
        Self {
            l1_coefficient: Some(0.000_08),
            l1_coefficient_warmup_steps: Steps::Fraction(0.1),
            lp_coefficient: None,
            auxk_coefficient: None,
            amp_dtype: Some(DType::BFLOAT16),
            sparsity_loss_type: None,
            tanh_stretch_coefficient: 4.0,
            frequency_scale: 0.01,
            p: 1,
            initial_k: None,
            k_warmup_steps: Steps::Fraction(0.1),
            k_cold_booting_steps: Steps::Count(0),
            k_schedule_type: KScheduleType::Linear,
            k_exponential_factor: 3.0,
            k_aux: 512,
            dead_threshold: 10_000_000.0,
            skip_metrics_calculation: false,
            gradient_accumulation_steps: 1,
            lr: 0.0004,
            betas: (0.9, 0.999),
            optimizer_class: OptimizerClass::Adam,
            weight_decay: 0.0,
            momentum: 0.9,
            lr_scheduler_name: LrSchedulerName::ConstantWithWarmup,
            lr_end_ratio: None,
            lr_warm_up_steps: DEFAULT_LR_WARM_UP,
            lr_cool_down_steps: Steps::Fraction(0.2),
            jumprelu_lr_factor: 1.0,
            clip_grad_norm: 0.0,
            feature_sampling_window: 1000,
            total_training_tokens: 300_000_000,
            log_frequency: 1000,
            eval_frequency: 1000,
            n_checkpoints: 10,
            check_point_save_mode: CheckpointSaveMode::Log,
            checkpoint_every_minutes: None,
            keep_last_checkpoints: None,
            keep_best_checkpoints: None,
            resumable_checkpoints: 4,
            from_pretrained_path: None,
            step_engine: StepEngineName::Auto,
            exp_result_path: "results".into(),
        }
    }
}

/// How long a training is, what it logs and what it keeps may change on the way.
impl Identified for TrainerConfig {
    const DECIDES: &'static [&'static str] = &[
        "l1_coefficient",
        "l1_coefficient_warmup_steps",
        "lp_coefficient",
        "auxk_coefficient",
        "amp_dtype",
        "sparsity_loss_type",
        "tanh_stretch_coefficient",
        "frequency_scale",
        "p",
        "initial_k",
        "k_warmup_steps",
        "k_cold_booting_steps",
        "k_schedule_type",
        "k_exponential_factor",
        "k_aux",
        "dead_threshold",
        "gradient_accumulation_steps",
        "lr",
        "betas",
        "optimizer_class",
        "weight_decay",
        "momentum",
        "lr_scheduler_name",
        "lr_end_ratio",
        "lr_warm_up_steps",
        "lr_cool_down_steps",
        "jumprelu_lr_factor",
        "clip_grad_norm",
        "step_engine",
    ];
    const FREE: &'static [&'static str] = &[
        "skip_metrics_calculation",
        "feature_sampling_window",
        "total_training_tokens",
        "log_frequency",
        "eval_frequency",
        "n_checkpoints",
        "check_point_save_mode",
        "checkpoint_every_minutes",
        "keep_last_checkpoints",
        "keep_best_checkpoints",
        "resumable_checkpoints",
        "from_pretrained_path",
        "exp_result_path",
    ];

    fn normalised(&self) -> Result<Map<String, Value>> {
        let mut config = self.clone();
        // Neither means mixed precision.
        config.amp_dtype = config.amp_dtype.or(Some(DType::FLOAT32));
        match to_value(&config)? {
            Value::Object(fields) => Ok(fields),
            _ => Ok(Map::new()),
        }
    }
}
