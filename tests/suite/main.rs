//! Everything that is tested from outside, in one program.

#![allow(clippy::print_stderr)] // tests over fixtures say how many they compared

mod activations;
mod datasets;
mod errors;
mod fixtures;
mod model;
mod sae_files;
mod sae_fit;
mod sae_init;
mod sae_step;
mod sae_train;
mod scripts;
mod setup;
