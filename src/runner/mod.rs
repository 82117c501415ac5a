//! Runners: settings in, a run out. What a script does in steps, in one call.

mod convert;
mod evaluate;
mod generate;
mod going_on;
mod sae_choice;
mod settings;
mod train;
mod wandb;

pub use convert::{Conversion, ConversionData, ConversionTarget, convert_sae};
pub use evaluate::{EvalSettings, evaluate_sae};
pub use generate::{
    GenerateActivationsSettings, GenerateOptions, GenerationForecast, forecast_generation,
    generate_activations,
};
pub use sae_choice::{PretrainedSAE, SaeChoice};
pub use settings::TrainSAESettings;
pub use train::{TrainOptions, TrainReport, forecast, train_sae};
