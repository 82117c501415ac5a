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
//! pairs, prefixes                      the pairs that a step goes over
//! screening, estimate                  estimates of all pre-activations, and how far they can be off
//! encode, batch, above, marks          the choice of pairs by them: of each token, of a batch, above bounds
//! gate, decode, by_latent, ordered     what follows from the pairs
//! norms, adam, rows, sums, figures     the other operations of a step
//! ```
//!
//! On a processor they give what the kernels of `kernels` give, but for the order of sums; `scripts/gpu-check` compares
//! them with libtorch on a GPU.

pub mod above;
pub mod adam;
pub mod batch;
pub mod by_latent;
pub mod decode;
mod deferred;
mod driver;
#[cfg(test)]
pub mod emulated;
pub mod encode;
pub mod estimate;
pub mod figures;
pub mod gate;
mod gpu;
mod graph;
mod graphs;
mod launcher;
mod marks;
pub mod norms;
mod nvrtc;
pub mod ordered;
pub mod pairs;
pub mod prefixes;
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
