//! saescript: an embedded scripting host for sparse-autoencoder experiments.
//!
//! The folders follow the data, and a folder imports only from rows below its own:
//!
//! ```text
//! cli                          argv -> one call below
//! repl                         the interactive session
//! script                       binds everything below to Rhai; holds no numerics
//! runner                       settings -> a run
//! train                        batches -> a trained dictionary
//! eval                         what a dictionary explains, and what its errors cost the model
//! activations | dictionary     tokens -> batches | the SAE itself
//! model                        hooked decoders
//! text                         data sets and tokenizers
//! hub | store                  files of a hub | of web servers and object stores
//! tensor | report | transfer   libtorch | what people see | requests that survive accidents
//! fingerprint | identity | lock   what decides a run's numbers | what files hold | folders in use
//! config | event | checksums   one schema for all sources | what long work tells | files that nobody altered
//! atomic                       files written whole
//! files | guard                regular files, opened to be read | panics turned into errors
//! clock | memory               points in time as text | how much the process may hold
//! error
//! ```

pub mod activations;
pub mod atomic;
pub mod checksums;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dictionary;
pub mod error;
pub mod eval;
pub mod event;
pub mod files;
pub mod guard;
pub mod fingerprint;
pub mod hub;
pub mod identity;
pub mod lock;
pub mod memory;
pub mod model;
pub mod repl;
pub mod report;
pub mod runner;
pub mod script;
pub mod store;
pub mod tensor;
pub mod text;
pub mod train;
pub mod transfer;

pub use error::{Error, Result};
pub use script::Host;
