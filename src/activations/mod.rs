//! Activations: from tokens through a model to shuffled batches, and the disk cache between.
//!
//! ```text
//! tokens (threads) -> mixture of sources -> forward -> buffer -> batches
//! ```

mod activation_stream;
mod buffer;
mod columns;
mod config;
mod factory;
mod forward;
mod language_model;
mod mixture;
mod model;
mod saved_rows;
mod source;
mod stats;
mod stream;
mod tokens;

pub use activation_stream::ActivationStream;
pub use config::{ActivationFactoryConfig, ActivationFactoryTarget, BufferShuffleConfig};
pub use factory::{ActivationFactory, Inputs};
pub use model::{ActivationModel, Encoder};
pub use source::{
    ActivationFactoryActivationsSource, ActivationFactoryDatasetSource, ActivationFactorySource,
    ActivationsTag, CachePath, DatasetTag,
};
pub use stats::StreamStats;
pub use stream::{Batch, BatchStream};
