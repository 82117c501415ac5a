//! What the settings of a training resolve to: who uses it takes it on trust.

use std::collections::BTreeMap;

use super::loggers::LoggerSettings;
use super::sae_choice::Beginning;
use crate::activations::ActivationFactoryConfig;
use crate::config::Checked;
use crate::model::LanguageModelConfig;
use crate::text::DatasetConfig;
use crate::train::{InitializerConfig, TrainerConfig};

/// The parts of a training, each checked by itself and all of them against each other. Only
/// [`TrainSAESettings::plan`](super::TrainSAESettings::plan) makes one.
pub(super) struct TrainPlan {
    pub(super) sae: Beginning,
    pub(super) initializer: Option<Checked<InitializerConfig>>,
    pub(super) trainer: Checked<TrainerConfig>,
    pub(super) activation_factory: Checked<ActivationFactoryConfig>,
    /// Every logger, those of the short keys first.
    pub(super) loggers: Vec<LoggerSettings>,
    pub(super) model: Option<Checked<LanguageModelConfig>>,
    /// Name of the model, for the records of where activations came from; `None`: the model's own.
    pub(super) model_name: Option<String>,
    pub(super) datasets: BTreeMap<String, Checked<DatasetConfig>>,
    pub(super) eval: bool,
    pub(super) fold_activation_scale: bool,
}
