//! Configuration classes as script objects: one generic handle, one table row a class.
//!
//! `TrainerConfig(#{ lr: 1e-4 })` checks and builds the Rust configuration; the object's fields can be read and
//! changed, and are checked again when changed; it prints as it would be written.

mod handle;
mod kind;
mod schema;

pub use self::handle::ConfigHandle;
pub use self::kind::Class;
use crate::activations::{
    ActivationFactoryActivationsSource, ActivationFactoryConfig, ActivationFactoryDatasetSource,
    ActivationWriterConfig, BufferShuffleConfig,
};
use crate::dictionary::SAEConfig;
use crate::model::{GenerationConfig, LanguageModelConfig};
use crate::report::wandb::WandbConfig;
use crate::runner::{EvalSettings, GenerateActivationsSettings, PretrainedSAE, TrainSAESettings};
use crate::text::DatasetConfig;
use crate::train::{InitializerConfig, TrainerConfig};

/// Every configuration class that scripts can construct. A new one is one line here.
pub static CLASSES: &[Class] = &[
    Class::of::<ActivationFactoryActivationsSource>(),
    Class::of::<ActivationFactoryConfig>(),
    Class::of::<ActivationFactoryDatasetSource>(),
    Class::of::<ActivationWriterConfig>(),
    Class::of::<BufferShuffleConfig>(),
    Class::of::<DatasetConfig>(),
    Class::of::<EvalSettings>(),
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
    /// The class of that name.
    pub fn find(name: &str) -> Option<&'static Class> {
        CLASSES.iter().find(|class| class.name == name)
    }
}
