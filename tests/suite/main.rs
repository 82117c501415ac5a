//! Everything that is tested from outside, in one program.

mod activations;
mod datasets;
mod setup;
