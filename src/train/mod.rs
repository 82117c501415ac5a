//! Training: batches in, a trained dictionary out.
//!
//! ```text
//! config, checks      what was asked for, and what is refused
//! target, input       which batches a dictionary takes, and how it sees them
//! initializer         weights to begin with
//! schedule            learning rate, k, λ and checkpoints over the steps
//! step/               losses and gradients of one batch, by automatic differentiation or by hand
//! optim, dead         moving the parameters, dead latents
//! metrics, averages,  summed on the device by name, read back when logged
//!   frequency, reconstruction
//! distributions       histograms over the latents, for logs that show them
//! trainer, state      one step, and what changes with it
//! run, resume         the training around the steps: what it goes on from, what is owed
//! lane, fit           a whole stream, for one dictionary or several: folder, logs
//! folder, checkpoint  what is written
//! record              what was written, read back
//! convert             top-k dictionaries to jumprelu
//! ```

mod accumulated;
mod averages;
mod checkpoint;
mod checks;
mod config;
mod convert;
mod dataset_norm;
mod dead;
mod distributions;
mod exact;
mod fit;
mod folder;
mod forecast;
mod frequency;
mod idle;
mod initializer;
mod input;
mod keeping;
mod kept;
mod lane;
mod metrics;
mod optim;
mod options;
mod provenance;
mod reconstruction;
mod record;
mod resume;
mod run;
mod schedule;
mod source;
mod state;
mod step;
mod target;
mod trainer;

pub use checkpoint::list_checkpoints;
pub use checks::check_dtype;
pub use config::{CheckpointSaveMode, KScheduleType, LrSchedulerName, TrainerConfig};
pub use convert::convert_to_jumprelu;
pub use dataset_norm::{NORM_BATCHES, average_norms};
pub use dead::DeadTracker;
pub use fit::fit_all;
pub use folder::{Provenance, set_aside_earlier_run};
pub use forecast::Forecast;
pub use initializer::{
    BiasInitMethod, Initializer, InitializerConfig, InitializerInputs, MlpFn, geometric_median,
};
pub use input::batch_loss;
pub use lane::Lane;
pub use metrics::StepFigures;
pub use optim::{LooseOptimizer, LooseSettings, OptimizerClass, OptimizerState};
pub use options::{EvalFn, FitOptions, FitOutcome, StepFn};
pub use provenance::compare_with_checkpoint;
pub use record::RunRecord;
pub use run::Run;
pub use schedule::{KSchedule, LrSchedule, Plan, checkpoint_steps};
pub use step::{
    AutogradEngine, Form, NativeEngine, Part, Profile, Spent, StepEngine, StepEngineName, StepLimits,
    StepOutput,
};
pub use target::{check_target, target_of};
pub use trainer::{StepReport, Trainer};
