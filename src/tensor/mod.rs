//! Tensors of libtorch: dtypes, devices, files.

mod copy;
mod device;
mod dtype;
pub mod gpu;
pub mod integer;
mod mapped;
mod memory;
pub mod norm;
pub mod product;
mod random;
pub mod range;
mod rows;
pub mod runtime;
pub mod safetensors;
mod show;
pub mod size;

pub use device::DeviceSpec;
pub use dtype::DType;
pub use random::Generator;
pub use rows::fill_rows;
pub use show::{show, summarise};
pub use tch::{Device, Kind, Tensor};
