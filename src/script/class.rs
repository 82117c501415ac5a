//! Configuration classes as script objects: one generic handle, one table row a class.
//!
//! `TrainerConfig(#{ lr: 1e-4 })` checks and builds the Rust configuration; the object's fields can be read and
//! changed, and are checked again when changed; it prints as it would be written.

mod handle;
mod kind;
mod schema;

pub use self::handle::ConfigHandle;
pub use self::kind::{Class, Constructor};
use crate::activations::{
    ActivationFactoryActivationsSource, ActivationFactoryConfig, ActivationFactoryDatasetSource,
    ActivationWriterConfig, BufferShuffleConfig,
};
use crate::analysis::{DirectLogitAttributorConfig, FeatureAnalyzerConfig};
use crate::config::Config;
use crate::dictionary::{SAEConfig, VARIANTS};
use crate::model::{GenerationConfig, LanguageModelConfig};
use crate::report::wandb::WandbConfig;
use crate::runner::{
    AnalyzeCrosscoderSettings, AnalyzeSAESettings, DirectLogitAttributeSettings, EvalSettings,
    GenerateActivationsSettings, PretrainedSAE, TrainSAESettings,
};
use crate::text::DatasetConfig;
use crate::train::{InitializerConfig, TrainerConfig};

/// Every configuration class that scripts can construct. A new one is one line here.
pub static CLASSES: &[Class] = &[
    Class::of::<ActivationFactoryActivationsSource>(),
    Class::of::<ActivationFactoryConfig>(),
    Class::of::<ActivationFactoryDatasetSource>(),
    Class::of::<ActivationWriterConfig>(),
    Class::of::<AnalyzeCrosscoderSettings>(),
    Class::of::<AnalyzeSAESettings>(),
    Class::of::<BufferShuffleConfig>(),
    Class::of::<DatasetConfig>(),
    Class::of::<DirectLogitAttributeSettings>(),
    Class::of::<DirectLogitAttributorConfig>(),
    Class::of::<EvalSettings>(),
    Class::of::<FeatureAnalyzerConfig>(),
    Class::of::<GenerateActivationsSettings>(),
    Class::of::<GenerationConfig>(),
    Class::of::<InitializerConfig>(),
    Class::of::<LanguageModelConfig>(),
    Class::of::<PretrainedSAE>(),
    Class::of::<SAEConfig>(),
    Class::of::<TrainSAESettings>(),
    Class::of::<TrainerConfig>(),
    Class::of::<WandbConfig>(),
];

impl Class {
    /// Returns the class of that name.
    pub fn find(name: &str) -> Option<&'static Class> {
        CLASSES.iter().find(|class| class.name == name)
    }
}

impl Constructor {
    /// Returns every function that makes configurations: one for each class, and those of the other names that kinds of
    /// dictionaries have for theirs.
    pub fn all() -> Vec<Constructor> {
        let mut all: Vec<Constructor> = CLASSES.iter().map(Constructor::of_class).collect();
        let (kinds, runs) = (Class::find(SAEConfig::NAME), Class::find(TrainSAESettings::NAME));
        for row in VARIANTS {
            let kinds = kinds.map(|class| {
                row.config_names
                    .iter()
                    .map(move |name| Constructor::of_kind(name, class, row))
            });
            let runs = runs.map(|class| {
                row.settings_names
                    .iter()
                    .map(move |name| Constructor::of_runs(name, class, row))
            });
            all.extend(kinds.into_iter().flatten());
            all.extend(runs.into_iter().flatten());
        }
        all
    }

    /// Returns the one of that name.
    pub fn find(name: &str) -> Option<Constructor> {
        Self::all()
            .into_iter()
            .find(|constructor| constructor.name == name)
    }
}
