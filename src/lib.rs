//! saescript: an embedded scripting host for sparse-autoencoder experiments.
//!
//! # In a program of its own
//!
//! A [`Host`] is an engine with every object of saescript. Its builder takes where the script's lines go and where long
//! work reports ([`event::RunContext`]); building it also starts libtorch, so do that before the first tensor is made.
//! The program that `cargo build` makes is such a host with a command line around it.
//!
//! ```
//! let mut host = saescript::Host::builder().output(|line| println!("{line}")).build()?;
//! host.engine_mut().register_fn("double", |x: i64| 2 * x);
//! let value = host.eval("my script", "double(21)")?;
//! assert_eq!(value.as_int(), Ok(42));
//! # Ok::<(), saescript::Error>(())
//! ```
//!
//! * [`Host::engine_mut`] takes functions and objects of one's own, as [`rhai`] documents, and
//!   [`Host::eval_with_scope`] variables; tensors reach them as
//!   [`script::TensorHandle`], and `raise` of [`script::Raise`] throws an [`Error`] at the place of the call.
//! * [`script::to_value`] and [`script::from_value`] turn script values into plain data and back, [`config::parse`] plain
//!   data into any type that serde knows.
//! * [`Error`] carries the sentence, the place in the script and the advice; [`report::diagnostic`] writes it as the
//!   program does, and [`error::Subject`] tells code what it is about.
//! * Without a script, [`runner::train_sae`] and its neighbours take the same settings as the command line does, and
//!   [`model`], [`activations`], [`dictionary`] and [`train`] are what they are made of.
//!
//! `examples/embed.rs` shows all of it. Without the default feature `terminal` the library leaves out the command line,
//! the interactive session and progress on terminals, and with them what they depend on.
//!
//! # Where things are
//!
//! The folders follow the data, and a folder imports only from rows below its own:
//!
//! ```text
//! cli                          argv -> one call below
//! repl | testing               the interactive session | scripts that test themselves
//! script                       binds everything below to Rhai; holds no numerics
//! runner | serve               settings -> a run | the viewer: a server for browsers, pages, the text of a latent
//! train                        batches -> a trained dictionary
//! eval | analysis              what a dictionary explains, and what its errors cost the model | what its latents mean
//! exchange | interventions     what was found, for other programs | what latents do to the model
//! activations | dictionary     tokens -> batches | the SAE itself
//! model                        hooked decoders
//! text | library               data sets and tokenizers | libraries of scripts: manifests, locks, contents
//! hub | store                  files of a hub | of web servers and object stores
//! kernels | findings           our own loops over numbers, for the training step | what analyses found, in one file
//! tensor | report | transfer   libtorch | what people see | requests that survive accidents
//! fingerprint | identity | lock   what decides a run's numbers | what files hold | folders in use
//! config | event | checksums   one schema for all sources | what long work tells | files that nobody altered
//! atomic                       files written whole
//! files | guard                regular files, opened to be read | panics turned into errors
//! clock | memory | policy      time as text | what the process may hold | what scripts may reach
//! native | error               C++ beside tch | what went wrong
//! ```

pub mod activations;
pub mod analysis;
pub mod config;
pub mod dictionary;
pub mod error;
pub mod eval;
pub mod event;
pub mod exchange;
pub mod findings;
pub mod fingerprint;
pub mod hub;
pub mod interventions;
pub mod library;
pub mod memory;
pub mod model;
pub mod policy;
pub mod report;
pub mod runner;
pub mod script;
pub mod tensor;
pub mod text;
pub mod train;

// What the program, the tests and the measurements need besides.
#[doc(hidden)]
pub mod atomic;
#[cfg(feature = "terminal")]
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod guard;
#[doc(hidden)]
pub mod lock;
#[doc(hidden)]
pub mod store;
#[doc(hidden)]
pub mod transfer;

mod checksums;
mod clock;
mod files;
mod identity;
mod kernels;
mod native;
#[cfg(feature = "terminal")]
mod repl;
#[cfg(feature = "terminal")]
#[doc(hidden)]
pub mod serve;
#[cfg(feature = "terminal")]
mod testing;

pub use error::{Error, Result};
pub use script::{Host, rhai};

/// Every test is a process of its own.
#[cfg(all(test, target_os = "linux"))]
#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = {
    extern "C" fn at_start() {
        tensor::skip_teardown();
    }
    at_start
};
