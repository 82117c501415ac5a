//! Caches as they are written, so that an interrupted generation goes on where it stopped.
//!
//! ```text
//! writer              a configuration, and what is in its folder
//! run, resume         one generation, and the state that it goes on from
//! chunker             batches -> chunks
//! threads, target     chunks -> files and their index
//! comparing           what the folder was begun with
//! ```

mod chunker;
mod comparing;
mod config;
mod resume;
mod run;
mod target;
mod threads;
mod writer;

pub use config::{ActivationWriterConfig, CacheFormat};
pub use run::Written;
pub use writer::ActivationWriter;
