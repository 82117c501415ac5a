//! `torch::`: tensors in files, the seed of chance, threads and CUDA. Functions of tensors are in `tensor`.

use std::collections::BTreeMap;
use std::path::Path;

use rhai::plugin::*;
use rhai::{Dynamic, FnPtr, ImmutableString, Map};

use super::tensor::TensorHandle;
use crate::error::{Error, Result, a};
use crate::script::bridge::kind_of;
use crate::script::failure::{Raise, RhaiResultOf, placed};
use crate::tensor::{self, Cuda, Device, Tensor, npy, runtime, safetensors};

/// How tensors lie in a file, by the end of its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FileFormat {
    Safetensors,
    Npy,
    Npz,
}

impl FileFormat {
    fn of(path: &str) -> Self {
        match Path::new(path)
            .extension()
            .and_then(|extension| extension.to_str())
        {
            Some("npy") => FileFormat::Npy,
            Some("npz") => FileFormat::Npz,
            _ => FileFormat::Safetensors,
        }
    }
}

fn load_tensors(path: &str) -> Result<Dynamic> {
    let named = match FileFormat::of(path) {
        FileFormat::Npy => return Ok(Dynamic::from(TensorHandle::new(npy::read(path)?))),
        FileFormat::Npz => npy::read_all(path)?,
        FileFormat::Safetensors => {
            let file = safetensors::read(path)?;
            let tensor = |name: String| Ok((name.clone(), file.tensor(&name, Device::Cpu, None)?));
            file.names().into_iter().map(tensor).collect::<Result<_>>()?
        }
    };
    let entry = |(name, tensor): (String, Tensor)| (name.into(), Dynamic::from(TensorHandle::new(tensor)));
    Ok(named.into_iter().map(entry).collect::<Map>().into())
}

fn save_tensors(tensors: &Map, path: &str) -> Result<()> {
    let mut named = Vec::new();
    for (name, value) in tensors {
        match value.read_lock::<TensorHandle>() {
            Some(handle) => named.push((name.to_string(), handle.tensor().shallow_clone())),
            None => {
                let error = Error::input(format!("expected a tensor, but was given {}", a(&kind_of(value))));
                return Err(error.under(name.as_str()));
            }
        }
    }
    let named: Vec<(&str, &Tensor)> = named
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor))
        .collect();
    match FileFormat::of(path) {
        FileFormat::Safetensors => safetensors::write(path, &named, &BTreeMap::new()),
        FileFormat::Npz => npy::write_all(path, &named),
        FileFormat::Npy => Err(Error::input("a .npy file holds one tensor without a name")
            .hint("`torch::save(x, path)` writes one; several by name are a .npz file")),
    }
}

/// Tensors: from nothing, from arrays and from files; functions of them; chance; CUDA.
#[export_module(manifest)]
pub mod functions {
    /// Starts libtorch's random numbers from `seed`, on all devices.
    #[rhai_fn(volatile)]
    pub fn manual_seed(seed: i64) {
        tensor::manual_seed(seed);
    }

    /// Returns the tensors of a safetensors or .npz file as a map by their names, or the tensor of a .npy file; the end of
    /// the file's name says which it is.
    #[rhai_fn(return_raw, volatile)]
    pub fn load(context: NativeCallContext, path: ImmutableString) -> RhaiResultOf<Dynamic> {
        placed(&context, || load_tensors(&path).raise())
    }

    /// Writes a map of named tensors as a safetensors file, or as a .npz file where its name ends like that, whole or not
    /// at all.
    #[rhai_fn(return_raw, volatile)]
    pub fn save(context: NativeCallContext, tensors: Map, path: ImmutableString) -> RhaiResultOf<()> {
        placed(&context, || save_tensors(&tensors, &path).raise())
    }

    /// Writes one tensor as a .npy file, whole or not at all.
    #[rhai_fn(name = "save", return_raw, volatile)]
    pub fn save_one(
        context: NativeCallContext,
        tensor: TensorHandle,
        path: ImmutableString,
    ) -> RhaiResultOf<()> {
        placed(&context, || match FileFormat::of(&path) {
            FileFormat::Npy => npy::write(path.as_str(), tensor.tensor()).raise(),
            _ => Err(Error::input("one tensor without a name is saved as a .npy file")
                .hint("give it a name for another file: `torch::save(#{ x: x }, path)`"))
            .raise(),
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
