//! `torch::`: tensors from nothing, from arrays and from files; chance; CUDA.

use std::collections::BTreeMap;

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, Map};

use super::tensor::{Options, TensorHandle, from_dynamic, handle, input_error, matrix_product, sizes_of};
use crate::error::{Error, Result};
use crate::script::bridge::kind_of;
use crate::script::failure::{Raise, RhaiResultOf, placed, raise};
use crate::tensor::{Device, Kind, Tensor, safetensors};

type Maker = fn(&[i64], (Kind, Device)) -> Result<Tensor, tch::TchError>;

/// Makes a tensor of the shape with the options' dtype and device.
fn make(shape: &Dynamic, options: &Map, maker: Maker) -> RhaiResultOf<TensorHandle> {
    let options = Options::from_map(options).raise()?;
    let shape = sizes_of(shape).raise()?;
    handle(maker(&shape, options.kind_and_device().raise()?))
}

/// The tensors of an array.
fn all_tensors(tensors: &Array) -> Result<Vec<Tensor>> {
    tensors
        .iter()
        .enumerate()
        .map(|(index, value)| match value.read_lock::<TensorHandle>() {
            Some(handle) => Ok(handle.tensor().shallow_clone()),
            None => Err(
                Error::input(format!("expected a tensor, but was given a {}", kind_of(value)))
                    .under(format!("[{index}]")),
            ),
        })
        .collect()
}

/// Tensors from nothing, from arrays and from files; chance; CUDA.
#[export_module(manifest)]
pub mod functions {
    /// A tensor from a number or nested arrays: bool, int64 or float32 by what is in them.
    #[rhai_fn(return_raw)]
    pub fn tensor(context: NativeCallContext, data: Dynamic) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            from_dynamic(&data, &Options::default())
                .map(TensorHandle::new)
                .raise()
        })
    }

    /// A tensor with `#{ dtype: torch::float16, device: "cuda" }`.
    #[rhai_fn(name = "tensor", return_raw)]
    pub fn tensor_with(
        context: NativeCallContext,
        data: Dynamic,
        options: Map,
    ) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            let options = Options::from_map(&options).raise()?;
            from_dynamic(&data, &options).map(TensorHandle::new).raise()
        })
    }

    /// Zeros of a shape, e.g. `torch::zeros([2, 3])`.
    #[rhai_fn(return_raw)]
    pub fn zeros(context: NativeCallContext, shape: Dynamic) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            make(&shape, &Map::new(), |shape, options| {
                Tensor::f_zeros(shape, options)
            })
        })
    }

    /// Zeros with `#{ dtype, device }`.
    #[rhai_fn(name = "zeros", return_raw)]
    pub fn zeros_with(
        context: NativeCallContext,
        shape: Dynamic,
        options: Map,
    ) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            make(&shape, &options, |shape, options| Tensor::f_zeros(shape, options))
        })
    }

    /// Ones of a shape.
    #[rhai_fn(return_raw)]
    pub fn ones(context: NativeCallContext, shape: Dynamic) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            make(&shape, &Map::new(), |shape, options| {
                Tensor::f_ones(shape, options)
            })
        })
    }

    /// Ones with `#{ dtype, device }`.
    #[rhai_fn(name = "ones", return_raw)]
    pub fn ones_with(context: NativeCallContext, shape: Dynamic, options: Map) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            make(&shape, &options, |shape, options| Tensor::f_ones(shape, options))
        })
    }

    /// Uniform random numbers in 0..1; `torch::manual_seed` makes them repeatable.
    #[rhai_fn(return_raw, volatile)]
    pub fn rand(context: NativeCallContext, shape: Dynamic) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            make(&shape, &Map::new(), |shape, options| {
                Tensor::f_rand(shape, options)
            })
        })
    }

    /// Uniform random numbers with `#{ dtype, device }`.
    #[rhai_fn(name = "rand", return_raw, volatile)]
    pub fn rand_with(context: NativeCallContext, shape: Dynamic, options: Map) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            make(&shape, &options, |shape, options| Tensor::f_rand(shape, options))
        })
    }

    /// Random numbers of the standard normal distribution.
    #[rhai_fn(return_raw, volatile)]
    pub fn randn(context: NativeCallContext, shape: Dynamic) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            make(&shape, &Map::new(), |shape, options| {
                Tensor::f_randn(shape, options)
            })
        })
    }

    /// Normal random numbers with `#{ dtype, device }`.
    #[rhai_fn(name = "randn", return_raw, volatile)]
    pub fn randn_with(
        context: NativeCallContext,
        shape: Dynamic,
        options: Map,
    ) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            make(&shape, &options, |shape, options| Tensor::f_randn(shape, options))
        })
    }

    /// Random whole numbers from `low` to `high - 1`.
    #[rhai_fn(return_raw, volatile)]
    pub fn randint(
        context: NativeCallContext,
        low: i64,
        high: i64,
        shape: Dynamic,
    ) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            let shape = sizes_of(&shape).raise()?;
            handle(Tensor::f_randint_low(
                low,
                high,
                shape,
                (Kind::Int64, Device::Cpu),
            ))
        })
    }

    /// The numbers 0 to `n - 1` in random order.
    #[rhai_fn(return_raw, volatile)]
    pub fn randperm(context: NativeCallContext, n: i64) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            handle(Tensor::f_randperm(n, (Kind::Int64, Device::Cpu)))
        })
    }

    /// A shape filled with one number.
    #[rhai_fn(return_raw)]
    pub fn full(context: NativeCallContext, shape: Dynamic, value: Dynamic) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            let one = from_dynamic(&value, &Options::default()).raise()?;
            let shape = sizes_of(&shape).raise()?;
            handle(one.f_expand(shape, false).and_then(|view| view.f_contiguous()))
        })
    }

    /// Whole numbers 0 to `end - 1`.
    #[rhai_fn(return_raw)]
    pub fn arange(context: NativeCallContext, end: i64) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            handle(Tensor::f_arange(end, (Kind::Int64, Device::Cpu)))
        })
    }

    /// Whole numbers `start` to `end - 1`.
    #[rhai_fn(name = "arange", return_raw)]
    pub fn arange_from(context: NativeCallContext, start: i64, end: i64) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            handle(Tensor::f_arange_start(start, end, (Kind::Int64, Device::Cpu)))
        })
    }

    /// `steps` numbers evenly spaced from `start` to `end`, both included.
    #[rhai_fn(return_raw)]
    pub fn linspace(
        context: NativeCallContext,
        start: f64,
        end: f64,
        steps: i64,
    ) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            handle(Tensor::f_linspace(start, end, steps, (Kind::Float, Device::Cpu)))
        })
    }

    /// The identity matrix of `n` rows.
    #[rhai_fn(return_raw)]
    pub fn eye(context: NativeCallContext, n: i64) -> RhaiResultOf<TensorHandle> {
        placed(&context, || handle(Tensor::f_eye(n, (Kind::Float, Device::Cpu))))
    }

    /// Tensors one after the other along dimension 0.
    #[rhai_fn(return_raw)]
    pub fn cat(context: NativeCallContext, tensors: Array) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            handle(Tensor::f_cat(&all_tensors(&tensors).raise()?, 0))
        })
    }

    /// Tensors one after the other along `dim`.
    #[rhai_fn(name = "cat", return_raw)]
    pub fn cat_along(context: NativeCallContext, tensors: Array, dim: i64) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            handle(Tensor::f_cat(&all_tensors(&tensors).raise()?, dim))
        })
    }

    /// Tensors of one shape side by side in a new dimension 0.
    #[rhai_fn(return_raw)]
    pub fn stack(context: NativeCallContext, tensors: Array) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            handle(Tensor::f_stack(&all_tensors(&tensors).raise()?, 0))
        })
    }

    /// Tensors of one shape side by side in a new dimension `dim`.
    #[rhai_fn(name = "stack", return_raw)]
    pub fn stack_along(context: NativeCallContext, tensors: Array, dim: i64) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            handle(Tensor::f_stack(&all_tensors(&tensors).raise()?, dim))
        })
    }

    /// Matrix product.
    #[rhai_fn(return_raw)]
    pub fn matmul(
        context: NativeCallContext,
        a: TensorHandle,
        b: TensorHandle,
    ) -> RhaiResultOf<TensorHandle> {
        placed(&context, || matrix_product(a.tensor(), b.tensor()))
    }

    /// `a` where `condition` is true, else `b`.
    #[rhai_fn(name = "where", return_raw)]
    pub fn choose(
        context: NativeCallContext,
        condition: TensorHandle,
        a: TensorHandle,
        b: TensorHandle,
    ) -> RhaiResultOf<TensorHandle> {
        placed(&context, || {
            handle(a.tensor().f_where_self(condition.tensor(), b.tensor()))
        })
    }

    /// Are all elements of `a` close to `b`'s? `|a - b| <= 1e-8 + 1e-5 |b|`.
    #[rhai_fn(return_raw)]
    pub fn allclose(context: NativeCallContext, a: TensorHandle, b: TensorHandle) -> RhaiResultOf<bool> {
        placed(&context, || {
            a.tensor()
                .f_allclose(b.tensor(), 1e-5, 1e-8, false)
                .map_err(input_error)
                .raise()
        })
    }

    /// Are shapes and all elements the same?
    #[rhai_fn(return_raw)]
    pub fn equal(context: NativeCallContext, a: TensorHandle, b: TensorHandle) -> RhaiResultOf<bool> {
        placed(&context, || {
            a.tensor().f_equal(b.tensor()).map_err(input_error).raise()
        })
    }

    /// Starts libtorch's random numbers from `seed`, on all devices.
    #[rhai_fn(volatile)]
    pub fn manual_seed(seed: i64) {
        tch::manual_seed(seed);
    }

    /// The named tensors of a safetensors file.
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
                            Error::input(format!("expected a tensor, but was given a {}", kind_of(value)));
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

    /// Number of threads that libtorch computes with.
    #[rhai_fn(volatile)]
    pub fn get_num_threads() -> i64 {
        i64::from(tch::get_num_threads())
    }

    /// Sets the number of threads that libtorch computes with.
    #[rhai_fn(return_raw, volatile)]
    pub fn set_num_threads(context: NativeCallContext, threads: i64) -> RhaiResultOf<()> {
        placed(&context, || match i32::try_from(threads) {
            Ok(threads) if threads > 0 => {
                tch::set_num_threads(threads);
                Ok(())
            }
            _ => Err(raise(Error::input(format!(
                "the number of threads must be at least 1, but was given {threads}"
            )))),
        })
    }

    /// CUDA: is it usable, and how many GPUs are there?
    pub mod cuda {
        /// Can CUDA be used here?
        #[rhai_fn(volatile)]
        pub fn is_available() -> bool {
            tch::Cuda::is_available()
        }

        /// Number of GPUs.
        #[rhai_fn(volatile)]
        pub fn device_count() -> i64 {
            tch::Cuda::device_count()
        }
    }
}
