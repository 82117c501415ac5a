//! Everything that is tested from outside, in one program.

mod activations;
mod datasets;
mod fixtures;
mod model;
mod sae_files;
mod sae_fit;
mod sae_init;
mod sae_step;
mod sae_train;
mod scripts;
mod setup;
