//! Every variant of dictionary against the numbers of the systems that it comes from, and through its whole life.

#![allow(clippy::print_stderr)] // says how many numbers were compared

mod crosscoder;
mod life;
mod peers;

use std::path::PathBuf;

use saescript::config::{Value, from_value};
use saescript::dictionary::{SAEConfig, SparseAutoEncoder};

/// The folder of the reference numbers.
fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/variants")
}

/// A dictionary of these settings.
fn dictionary(cfg: Value) -> SparseAutoEncoder {
    SparseAutoEncoder::new(from_value::<SAEConfig>(cfg).expect("valid")).expect("a dictionary")
}
