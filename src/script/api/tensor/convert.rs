//! Between tensors and script values, dtypes and devices.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, Map, Module};

use super::{TensorHandle, handle, input_error, shape_text};
use crate::error::{Error, Result};
use crate::script::bridge::kind_of;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::tensor::{DType, Device, DeviceSpec, Kind, Tensor};

/// Puts conversions into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "tensor_conversions", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// `dtype` and `device` of a tensor to be made.
#[derive(Clone, Copy, Default)]
pub struct Options {
    dtype: Option<DType>,
    device: DeviceSpec,
}

impl Options {
    /// From `#{ dtype: torch::float16, device: "cuda" }`.
    pub fn from_map(map: &Map) -> Result<Self> {
        let mut options = Options::default();
        for (name, value) in map {
            match name.as_str() {
                "dtype" => options.dtype = Some(dtype_of(value).map_err(|error| error.under("dtype"))?),
                "device" => {
                    let text = value.clone().into_string().map_err(|given| {
                        Error::input(format!(
                            "expected a string such as \"cuda\", but was given {given}"
                        ))
                        .under("device")
                    })?;
                    options.device = text.parse().map_err(|error: Error| error.under("device"))?;
                }
                other => return Err(Error::unknown("argument", other, &["dtype", "device"]).under(other)),
            }
        }
        Ok(options)
    }

    /// For libtorch's constructors; float32 unless a dtype was given.
    pub fn kind_and_device(&self) -> Result<(Kind, Device)> {
        Ok((
            self.dtype.unwrap_or(DType::FLOAT32).kind(),
            self.device.resolve()?,
        ))
    }
}

/// A dtype given as `torch::float32` or by name.
pub fn dtype_of(value: &Dynamic) -> Result<DType> {
    if let Some(dtype) = value.clone().try_cast::<DType>() {
        return Ok(dtype);
    }
    match value.clone().into_immutable_string() {
        Ok(text) => text.parse(),
        Err(given) => Err(Error::input(format!(
            "expected a dtype such as `torch::float32`, but was given {given}"
        ))),
    }
}

/// A shape: a number or an array of numbers.
pub fn sizes_of(value: &Dynamic) -> Result<Vec<i64>> {
    if let Ok(size) = value.as_int() {
        return Ok(vec![size]);
    }
    let wrong = |given: &str| Error::input(format!("expected sizes such as `[2, 3]`, but was given {given}"));
    let sizes = value.clone().into_array().map_err(wrong)?;
    sizes.iter().map(|size| size.as_int().map_err(wrong)).collect()
}

/// Numbers of nested arrays, and their shape.
#[derive(Default)]
struct Flat {
    shape: Vec<i64>,
    numbers: Vec<f64>,
    integers: Vec<i64>,
    any_float: bool,
    all_bool: bool,
}

impl Flat {
    fn add(&mut self, value: &Dynamic, depth: usize) -> Result<()> {
        if value.is_array() {
            let items = value.clone().cast::<Array>();
            match self.shape.get(depth) {
                None if self.numbers.is_empty() => self.shape.push(items.len() as i64),
                Some(size) if *size == items.len() as i64 => (),
                _ => {
                    return Err(Error::input(
                        "the rows of the array differ in length, so they make no tensor",
                    ));
                }
            }
            return items.iter().try_for_each(|item| self.add(item, depth + 1));
        }
        if depth != self.shape.len() {
            return Err(Error::input(
                "the array mixes numbers and arrays at one level, so it makes no tensor",
            ));
        }
        if let Ok(flag) = value.as_bool() {
            self.push(f64::from(u8::from(flag)), i64::from(flag));
            return Ok(());
        }
        self.all_bool = false;
        if let Ok(number) = value.as_int() {
            self.push(number as f64, number);
        } else if let Ok(number) = value.as_float() {
            self.any_float = true;
            self.push(number, number as i64);
        } else if let Some(handle) = value
            .read_lock::<TensorHandle>()
            .filter(|handle| handle.tensor().numel() == 1)
        {
            let number = handle.tensor().f_double_value(&[]).map_err(input_error)?;
            self.any_float |= handle.tensor().is_floating_point();
            self.push(number, number as i64);
        } else {
            return Err(Error::input(format!(
                "a tensor holds numbers, but the array has a {}",
                kind_of(value)
            )));
        }
        Ok(())
    }

    fn push(&mut self, number: f64, integer: i64) {
        self.numbers.push(number);
        self.integers.push(integer);
    }
}

/// A tensor from a number, nested arrays or a tensor: bool, int64 or float32 by what is in it, unless `options` say.
pub fn from_dynamic(value: &Dynamic, options: &Options) -> Result<Tensor> {
    let device = options.device.resolve()?;
    if let Some(handle) = value.read_lock::<TensorHandle>() {
        let kind = options.dtype.map_or(handle.tensor().kind(), DType::kind);
        return handle
            .tensor()
            .f_to_kind(kind)
            .and_then(|t| t.f_alias_copy())
            .and_then(|t| t.f_to_device(device))
            .map_err(input_error);
    }
    let mut flat = Flat {
        all_bool: true,
        ..Flat::default()
    };
    flat.add(value, 0)?;
    let found = match (flat.any_float, flat.all_bool && !flat.numbers.is_empty()) {
        (true, _) => Kind::Float,
        (false, true) => Kind::Bool,
        (false, false) if flat.numbers.is_empty() => Kind::Float,
        (false, false) => Kind::Int64,
    };
    let kind = options.dtype.map_or(found, DType::kind);
    let data = match flat.any_float {
        true => Tensor::f_from_slice(&flat.numbers),
        false => Tensor::f_from_slice(&flat.integers),
    };
    data.and_then(|data| data.f_to_kind(kind))
        .and_then(|data| data.f_reshape(&flat.shape))
        .and_then(|data| data.f_to_device(device))
        .map_err(input_error)
}

/// Nested arrays, or a number for a tensor without dimensions.
pub fn to_dynamic(tensor: &Tensor) -> Result<Dynamic, tch::TchError> {
    let shape = tensor.size();
    let flat = tensor
        .f_detach()?
        .f_to_device(Device::Cpu)?
        .f_contiguous()?
        .f_flatten(0, -1)?;
    let values: Array = match tensor.kind() {
        kind if tensor.is_floating_point() || kind == Kind::ComplexFloat => {
            Vec::<f64>::try_from(flat.f_to_kind(Kind::Double)?)?
                .into_iter()
                .map(Dynamic::from)
                .collect()
        }
        Kind::Bool => Vec::<bool>::try_from(flat)?
            .into_iter()
            .map(Dynamic::from)
            .collect(),
        _ => Vec::<i64>::try_from(flat.f_to_kind(Kind::Int64)?)?
            .into_iter()
            .map(Dynamic::from)
            .collect(),
    };
    Ok(nest(&mut values.into_iter(), &shape))
}

fn nest(values: &mut impl Iterator<Item = Dynamic>, shape: &[i64]) -> Dynamic {
    match shape {
        [] => values.next().unwrap_or(Dynamic::UNIT),
        [size, inner @ ..] => (0..*size).map(|_| nest(values, inner)).collect::<Array>().into(),
    }
}

fn moved(tensor: &TensorHandle, target: &str) -> Result<Tensor> {
    if let Ok(dtype) = target.parse::<DType>() {
        return tensor.tensor().f_to_kind(dtype.kind()).map_err(input_error);
    }
    let device = target.parse::<DeviceSpec>()?.resolve()?;
    tensor.tensor().f_to_device(device).map_err(input_error)
}

#[export_module(manifest)]
mod functions {
    /// In another number format.
    #[rhai_fn(name = "to", return_raw, pure)]
    pub fn to_dtype(tensor: &mut TensorHandle, dtype: DType) -> RhaiResultOf<TensorHandle> {
        handle(tensor.tensor().f_to_kind(dtype.kind()))
    }

    /// On another device (`"cuda"`), or in the number format of that name (`"float16"`).
    #[rhai_fn(name = "to", return_raw, pure)]
    pub fn to_device(tensor: &mut TensorHandle, device: ImmutableString) -> RhaiResultOf<TensorHandle> {
        moved(tensor, &device).map(TensorHandle::new).raise()
    }

    /// On the CPU.
    #[rhai_fn(return_raw, pure)]
    pub fn cpu(tensor: &mut TensorHandle) -> RhaiResultOf<TensorHandle> {
        handle(tensor.tensor().f_to_device(Device::Cpu))
    }

    /// As float32.
    #[rhai_fn(return_raw, pure)]
    pub fn float(tensor: &mut TensorHandle) -> RhaiResultOf<TensorHandle> {
        handle(tensor.tensor().f_to_kind(Kind::Float))
    }

    /// As int64.
    #[rhai_fn(return_raw, pure)]
    pub fn long(tensor: &mut TensorHandle) -> RhaiResultOf<TensorHandle> {
        handle(tensor.tensor().f_to_kind(Kind::Int64))
    }

    /// As bool: true where an element is not 0.
    #[rhai_fn(return_raw, pure)]
    pub fn bool(tensor: &mut TensorHandle) -> RhaiResultOf<TensorHandle> {
        handle(tensor.tensor().f_to_kind(Kind::Bool))
    }

    /// Where the tensor lives: `"cpu"` or `"cuda:0"`.
    #[rhai_fn(get = "device", pure)]
    pub fn device(tensor: &mut TensorHandle) -> String {
        match tensor.tensor().device() {
            Device::Cuda(index) => format!("cuda:{index}"),
            _ => "cpu".into(),
        }
    }

    /// Nested arrays of numbers or truth values.
    #[rhai_fn(return_raw, pure)]
    pub fn to_array(tensor: &mut TensorHandle) -> RhaiResultOf<Dynamic> {
        to_dynamic(tensor.tensor()).map_err(input_error).raise()
    }

    /// The only element, as a number or truth value.
    #[rhai_fn(return_raw, pure)]
    pub fn item(tensor: &mut TensorHandle) -> RhaiResultOf<Dynamic> {
        let tensor = tensor.tensor();
        if tensor.numel() != 1 {
            let sentence = format!(
                "`item` needs a tensor of one element, but its shape is {}",
                shape_text(tensor)
            );
            return Err(Error::input(sentence).hint("pick one with an index, or use `to_array()`")).raise();
        }
        tensor
            .f_reshape([0i64; 0])
            .and_then(|t| to_dynamic(&t))
            .map_err(input_error)
            .raise()
    }

    /// The name as it is written in scripts, e.g. `torch::float32`.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn dtype_text(dtype: &mut DType) -> String {
        format!("torch::{dtype}")
    }

    #[allow(missing_docs)]
    #[rhai_fn(name = "==")]
    pub fn same_dtype(a: DType, b: DType) -> bool {
        a == b
    }

    #[allow(missing_docs)]
    #[rhai_fn(name = "!=")]
    pub fn other_dtype(a: DType, b: DType) -> bool {
        a != b
    }
}
