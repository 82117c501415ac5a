//! Activations: from tokens through a model to shuffled batches, and the disk cache between.

mod stream;

pub use stream::{Batch, BatchStream};
