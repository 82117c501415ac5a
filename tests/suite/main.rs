//! Everything that is tested from outside, in one program.

#![allow(clippy::print_stderr)] // tests over fixtures say how many they compared

mod activations;
mod check;
mod command_line;
mod datasets;
mod disk;
mod docs;
mod elsewhere;
mod embedding;
mod errors;
mod exits;
mod fixtures;
mod foreign;
mod fuzz;
mod generate;
mod going_on;
mod heard;
mod hostile;
mod hub;
mod layering;
mod loggers;
mod model;
mod mutations;
mod program;
mod rehearsal;
mod runner;
mod sae_convert;
mod sae_files;
mod sae_fit;
mod sae_folder;
mod sae_init;
mod sae_masks;
mod sae_saelens;
mod sae_state;
mod sae_step;
mod sae_train;
mod sae_zeros;
mod safety;
mod scripts;
mod session;
mod setup;
mod signals;
mod torch;
mod web;
mod wording;
