//! Runners: settings in, a run out. What a script does in steps, in one call.

mod analyze;
mod analyze_crosscoder;
mod analyze_settings;
mod convert;
mod evaluate;
mod export;
mod generate;
mod generate_settings;
mod going_on;
mod import;
mod loggers;
mod logits;
mod options;
mod plan;
mod prepare;
mod sae_choice;
mod settings;
mod side_by_side;
mod train;

pub use analyze::{AnalyzeOptions, AnalyzeReport, analyze_sae};
pub use analyze_crosscoder::{AnalyzeCrosscoderSettings, analyze_crosscoder};
pub use analyze_settings::AnalyzeSAESettings;
pub use convert::{Conversion, ConversionData, ConversionTarget, convert_sae};
pub use evaluate::{EvalSettings, evaluate_sae};
pub use export::{Export, ExportForm, Exported, export_store};
pub use generate::{GenerateOptions, GenerationForecast, generate_activations, rehearse_generation};
pub use generate_settings::GenerateActivationsSettings;
pub use import::{ImportSettings, import_records};
pub use loggers::{LoggerSettings, TensorBoardConfig};
pub use logits::{DirectLogitAttributeSettings, direct_logit_attribute};
pub use options::TrainOptions;
pub use sae_choice::{PretrainedSAE, SaeChoice};
pub use settings::TrainSAESettings;
pub use train::{TrainReport, rehearse_training, train_sae};
