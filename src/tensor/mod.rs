//! Tensors of libtorch: dtypes, devices, files. The only place that names the crate `tch`.

mod buffer;
mod copy;
mod device;
mod draws;
mod dtype;
mod ending;
mod failure;
pub mod gpu;
mod graph;
mod handover;
pub mod integer;
mod mapped;
mod memory;
pub mod norm;
pub mod npy;
pub mod product;
mod random;
pub mod range;
mod rows;
pub mod runtime;
pub mod safetensors;
mod send;
mod show;
pub mod size;
pub mod slices;
mod workspace;

pub use buffer::Buffer;
pub use device::DeviceSpec;
pub use draws::Draws;
pub use dtype::DType;
pub use ending::skip_teardown;
pub use failure::device_failed;
pub use graph::{backward, builds_graph, gradients};
pub use handover::{Mark, finish, own_stream, used_here};
pub use random::Generator;
pub use rows::{copy_rows, fill_rows};
pub use send::send;
pub use show::{show, summarise};
pub use tch::utils::{has_mkl, has_mkldnn, has_openmp};
pub use tch::{
    Cuda, Device, Kind, Reduction, TchError, Tensor, get_num_threads, manual_seed, no_grad, no_grad_guard,
    with_grad,
};
pub use workspace::Workspace;
