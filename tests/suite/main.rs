//! Everything that is tested from outside, in one program.

#![allow(clippy::print_stderr)] // tests over fixtures say how many they compared

mod activations;
mod analysis;
mod apart;
mod architecture;
mod arrays;
mod as_in_pytorch;
mod check;
mod command_line;
mod datasets;
mod disk;
mod docs;
mod elsewhere;
mod embedding;
mod errors;
mod exchange;
mod exits;
mod fixtures;
mod foreign;
mod fuzz;
mod generate;
mod going_on;
mod gpu_check;
mod heard;
mod hostile;
mod hub;
mod interventions;
mod layering;
mod learning;
mod library;
mod loggers;
mod model;
mod mutations;
mod permissions;
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
mod sae_saelens_gated;
mod sae_state;
mod sae_step;
mod sae_train;
mod sae_zeros;
mod safety;
mod scripts;
mod session;
mod setup;
mod signals;
mod step;
mod testing;
mod torch;
mod torch_table;
mod variants;
mod viewer;
mod web;
mod wording;

/// Every test is a process of its own.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = {
    extern "C" fn at_start() {
        saescript::tensor::skip_teardown();
    }
    at_start
};
