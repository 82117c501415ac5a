//! `torch::`: tensors in files, the seed of chance, threads and CUDA. Functions of tensors are in `tensor`.

use std::collections::BTreeMap;

use rhai::plugin::*;
use rhai::{Dynamic, FnPtr, ImmutableString, Map};

use super::tensor::TensorHandle;
use crate::error::{Error, a};
use crate::script::bridge::kind_of;
use crate::script::failure::{Raise, RhaiResultOf, placed, raise};
use crate::tensor::{self, Cuda, Device, Tensor, runtime, safetensors};

/// Tensors: from nothing, from arrays and from files; functions of them; chance; CUDA.
#[export_module(manifest)]
pub mod functions {
    /// Starts libtorch's random numbers from `seed`, on all devices.
    #[rhai_fn(volatile)]
    pub fn manual_seed(seed: i64) {
        tensor::manual_seed(seed);
    }

    /// Returns the tensors of a safetensors file as a map by their names.
    #[rhai_fn(return_raw, volatile)]
    pub fn load(context: NativeCallContext, path: ImmutableString) -> RhaiResultOf<Map> {
        placed(&context, || {
            let file = safetensors::read(path.as_str()).raise()?;
            let mut tensors = Map::new();
            for name in file.names() {
                let tensor = file.tensor(&name, Device::Cpu, None).raise()?;
                tensors.insert(name.into(), Dynamic::from(TensorHandle::new(tensor)));
            }
            Ok(tensors)
        })
    }

    /// Writes a map of named tensors as a safetensors file, whole or not at all.
    #[rhai_fn(return_raw, volatile)]
    pub fn save(context: NativeCallContext, tensors: Map, path: ImmutableString) -> RhaiResultOf<()> {
        placed(&context, || {
            let mut named = Vec::new();
            for (name, value) in &tensors {
                match value.read_lock::<TensorHandle>() {
                    Some(handle) => named.push((name.to_string(), handle.tensor().shallow_clone())),
                    None => {
                        let error =
                            Error::input(format!("expected a tensor, but was given {}", a(&kind_of(value))));
                        return Err(raise(error.under(name.as_str())));
                    }
                }
            }
            let named: Vec<(&str, &Tensor)> = named
                .iter()
                .map(|(name, tensor)| (name.as_str(), tensor))
                .collect();
            safetensors::write(path.as_str(), &named, &BTreeMap::new()).raise()
        })
    }

    /// Returns what a closure returns, without a record for gradients meanwhile: `torch::no_grad(|| model.call(x))`.
    #[rhai_fn(return_raw, volatile)]
    pub fn no_grad(context: NativeCallContext, closure: FnPtr) -> RhaiResultOf<Dynamic> {
        let _guard = tensor::no_grad_guard();
        closure.call_within_context(&context, ())
    }

    /// Returns what a closure returns, with a record for gradients also inside of `no_grad`.
    #[rhai_fn(return_raw, volatile)]
    pub fn enable_grad(context: NativeCallContext, closure: FnPtr) -> RhaiResultOf<Dynamic> {
        tensor::with_grad(|| closure.call_within_context(&context, ()))
    }

    /// Returns whether what is computed is recorded for gradients.
    #[rhai_fn(volatile)]
    pub fn is_grad_enabled() -> bool {
        tensor::builds_graph()
    }

    /// Returns the number of threads that libtorch computes with.
    #[rhai_fn(volatile)]
    pub fn get_num_threads() -> i64 {
        i64::from(tensor::get_num_threads())
    }

    /// Sets the number of threads that libtorch computes with.
    #[rhai_fn(return_raw, volatile)]
    pub fn set_num_threads(context: NativeCallContext, num: i64) -> RhaiResultOf<()> {
        placed(&context, || runtime::set_threads(num).raise())
    }

    /// CUDA: is it usable, and how many GPUs are there?
    pub mod cuda {
        /// Returns whether CUDA can be used here.
        #[rhai_fn(volatile)]
        pub fn is_available() -> bool {
            Cuda::is_available()
        }

        /// Returns the number of GPUs.
        #[rhai_fn(volatile)]
        pub fn device_count() -> i64 {
            Cuda::device_count()
        }
    }
}
