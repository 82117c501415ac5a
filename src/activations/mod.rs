//! Activations: from tokens through a model to shuffled batches, and the disk cache between.
//!
//! ```text
//! data sets -> tokens (threads) -> mixture of sources -> forward -> buffer -> batches      live/
//!                   caches -> planner -> rows gathered by threads -> batches              cache/read/
//!                                     batches -> chunks -> files                         cache/write/
//! ```
//!
//! Settings name sources; an opener opens them where a position says; a producer makes batches of what they give; a stream
//! is what scripts hold.

mod activation_stream;
mod cache;
mod columns;
mod config;
mod draws;
mod factory;
mod fingerprint;
mod live;
mod passes;
mod producer;
mod rule;
mod saved_rows;
mod settings;
mod state_file;
mod stats;
mod stream;

pub use activation_stream::{ActivationStream, BatchMap};
pub use cache::{
    ActivationWriter, ActivationWriterConfig, CacheFormat, CacheReport, Written, check_cache, is_cache,
};
pub use config::{ActivationFactoryConfig, ActivationFactoryTarget, BufferShuffleConfig};
pub use factory::{ActivationFactory, Inputs};
pub use fingerprint::Origins;
pub use live::{ActivationModel, Capture, Encoder};
pub use settings::{
    ActivationFactoryActivationsSource, ActivationFactoryDatasetSource, ActivationFactorySource,
    ActivationsTag, CachePath, DatasetTag,
};
pub use stats::{StreamMemory, StreamStats};
pub use stream::{Batch, BatchStream};
