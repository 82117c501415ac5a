//! Activations: from tokens through a model to shuffled batches, and the disk cache between.
//!
//! ```text
//! data sets -> tokens (threads) -> mixture of sources -> forward -> buffer -> batches      live, on a thread
//!                   caches -> planner -> rows gathered by threads -> batches              cached
//! ```

mod activation_stream;
mod ahead;
mod buffer;
mod cache;
mod columns;
mod config;
mod draws;
mod engine;
mod factory;
mod fingerprint;
mod forward;
mod language_model;
mod live;
mod mixture;
mod model;
mod packing;
mod passes;
mod position;
mod rule;
mod saved_rows;
mod source;
mod sources;
mod state_file;
mod stats;
mod stream;
mod tokens;

pub use activation_stream::{ActivationStream, BatchMap};
pub use cache::{
    ActivationWriter, ActivationWriterConfig, CacheFormat, CacheReport, Written, check_cache, is_cache,
};
pub use config::{ActivationFactoryConfig, ActivationFactoryTarget, BufferShuffleConfig};
pub use factory::{ActivationFactory, Inputs};
pub use fingerprint::Origins;
pub use model::{ActivationModel, Encoder};
pub use source::{
    ActivationFactoryActivationsSource, ActivationFactoryDatasetSource, ActivationFactorySource,
    ActivationsTag, CachePath, DatasetTag,
};
pub use stats::StreamStats;
pub use stream::{Batch, BatchStream};
