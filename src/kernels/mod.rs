//! Our own kernels: for the processor one operation a file, on slices, and for GPUs in `cuda`, on tensors; nothing else in
//! the tree touches raw data.

pub mod adam;
pub mod by_latent;
pub mod choose;
mod compiled;
pub mod cuda;
pub mod cut;
mod flush;
pub mod gather;
pub mod isa;
mod lanes;
pub mod largest;
pub mod marked;
pub mod norms;
pub mod pattern;
pub mod pointwise;
pub mod product;
pub mod rescore;
pub mod residual;
pub mod rest;
pub mod rounded;
pub mod scatter;
pub mod screen;
pub mod select;
pub mod spread;
pub mod strided;
pub mod tiles;
pub mod zeros;

#[cfg(test)]
mod step_tests;
