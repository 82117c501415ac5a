//! Kernels for NVIDIA GPUs, and what compiles, loads and starts them.
//!
//! ```text
//! program/    the kernels in CUDA C++, one operation a file
//! program     their text, as the compiler gets it
//! launcher    what starts kernels on tensors: a GPU, or in tests the processor
//! nvrtc       NVIDIA's compiler, loaded at run time
//! stored      what it made, kept between processes
//! driver      the driver's library, loaded at run time: modules and launches
//! gpu         a launcher for one GPU
//! probe       a comparison with libtorch before they are used
//! emulated/   a launcher that runs the same text on the processor, for tests
//! screening, encode, decode, by_latent, norms, adam, rows, figures   the operations of a step
//! ```
//!
//! On a processor they give what the kernels of `kernels` give, but for the order of sums; `scripts/gpu-check` compares
//! them with libtorch on a GPU.

pub mod adam;
pub mod by_latent;
pub mod decode;
mod driver;
#[cfg(test)]
pub mod emulated;
pub mod encode;
pub mod figures;
mod gpu;
mod launcher;
pub mod norms;
mod nvrtc;
mod probe;
mod program;
pub mod rows;
mod screening;
mod stored;
#[cfg(test)]
mod tests;

pub use gpu::load;
pub use launcher::Launcher;
#[cfg(test)]
pub use launcher::{Argument, Grid};
