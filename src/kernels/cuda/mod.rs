//! Kernels for NVIDIA GPUs, and what compiles, loads and starts them.
//!
//! ```text
//! program/    the kernels in CUDA C++, one operation a file
//! program     their text, as the compiler gets it
//! launcher    what starts kernels on tensors: a GPU, or in tests the processor
//! nvrtc       NVIDIA's compiler, loaded at run time
//! stored      what it made, kept between processes
//! driver      the driver's library, loaded at run time: modules and launches
//! graph, graphs   kernels that one call starts, and those that are kept from step to step
//! gpu         a launcher for one GPU
//! deferred    a launcher that starts many at once, as late as it can be done
//! probe       a comparison with libtorch before they are used
//! emulated/   a launcher that runs the same text on the processor, for tests
//! screening, encode, decode, by_latent, norms, adam, rows, sums, figures   the operations of a step
//! ```
//!
//! On a processor they give what the kernels of `kernels` give, but for the order of sums; `scripts/gpu-check` compares
//! them with libtorch on a GPU.

pub mod adam;
pub mod by_latent;
pub mod decode;
mod deferred;
mod driver;
#[cfg(test)]
pub mod emulated;
pub mod encode;
pub mod figures;
mod gpu;
mod graph;
mod graphs;
mod launcher;
pub mod norms;
mod nvrtc;
mod probe;
mod program;
pub mod rows;
mod screening;
mod stored;
pub mod sums;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub use deferred::Deferred;
pub use gpu::load;
pub use launcher::Launcher;
#[cfg(test)]
pub use launcher::{Argument, Grid, Launch};
