//! Between tensors and script values, dtypes and devices.

use rhai::plugin::*;
use rhai::{Array, Dynamic, Module};

use super::{TensorHandle, arithmetic, handle, input_error, shape_text};
use crate::error::{Error, Result, a};
use crate::memory;
use crate::script::bridge::kind_of;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::tensor::{DType, Device, Kind, TchError, Tensor, integer, size};

/// Puts conversions into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "tensor_conversions", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// Dtype and device of a tensor to be made.
#[derive(Clone, Copy)]
pub struct Options {
    kind: Option<Kind>,
    device: Device,
}

impl Options {
    /// Returns a dtype, or whichever suits the data, on a device.
    pub fn new(kind: Option<Kind>, device: Device) -> Self {
        Options { kind, device }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options::new(None, Device::Cpu)
    }
}

/// Returns a dtype given as `torch::float32` or by name.
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

/// Returns a shape: a number or an array of numbers.
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
    /// The same numbers without what is after the point; where there is a `not_integer`, it is wrong here.
    integers: Vec<i64>,
    /// The first number that no integer dtype holds.
    not_integer: Option<f64>,
    any_float: bool,
    all_bool: bool,
}

impl Flat {
    fn add(&mut self, value: &Dynamic, depth: usize) -> Result<()> {
        if let Ok(items) = value.as_array_ref() {
            if depth >= size::MOST_DIMENSIONS {
                return Err(Error::input(format!(
                    "a tensor has at most {} dimensions, but the arrays are nested deeper",
                    size::MOST_DIMENSIONS
                )));
            }
            match self.shape.get(depth) {
                None if self.numbers.is_empty() => self.shape.push(items.len() as i64),
                Some(size) if *size == items.len() as i64 => (),
                _ => {
                    return Err(Error::input(
                        "the rows of the array differ in length, so they make no tensor",
                    ));
                }
            }
            memory::admit(items.len() as u64 * 16, "a tensor from an array")?;
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
            self.push_float(number);
        } else if let Some(handle) = value
            .read_lock::<TensorHandle>()
            .filter(|handle| handle.tensor().numel() == 1)
        {
            let tensor = handle.tensor();
            if integer::is_integral(tensor.kind()) {
                let number = tensor.f_int64_value(&[]).map_err(input_error)?;
                self.push(number as f64, number);
            } else {
                self.push_float(tensor.f_double_value(&[]).map_err(input_error)?)
            }
        } else {
            return Err(Error::input(format!(
                "a tensor holds numbers, but the array has {}",
                a(&kind_of(value))
            )));
        }
        Ok(())
    }

    fn push(&mut self, number: f64, integer: i64) {
        self.numbers.push(number);
        self.integers.push(integer);
    }

    fn push_float(&mut self, number: f64) {
        self.any_float = true;
        if !arithmetic::is_held(number, number, Kind::Int64) {
            self.not_integer.get_or_insert(number);
        }
        self.push(number, number as i64);
    }

    /// All numbers in one dimension, as `kind`. Whole ones stay as they are beside floats, too.
    fn data(&self, kind: Kind) -> Result<Tensor> {
        let as_integers = !self.any_float || integer::is_integral(kind) && kind != Kind::Bool;
        if !as_integers {
            let data = Tensor::f_from_slice(&self.numbers);
            return data.and_then(|data| data.f_to_kind(kind)).map_err(input_error);
        }
        match self.not_integer {
            Some(number) => Err(arithmetic::not_held(number, kind)),
            None => {
                let data = Tensor::f_from_slice(&self.integers).map_err(input_error)?;
                arithmetic::stored_as(&data, kind)
            }
        }
    }
}

/// Returns a tensor from a number, nested arrays or a tensor: bool, int64 or float32 by what is in it, unless `options`
/// say.
pub fn from_dynamic(value: &Dynamic, options: &Options) -> Result<Tensor> {
    let device = options.device;
    if let Some(handle) = value.read_lock::<TensorHandle>() {
        let kind = options.kind.unwrap_or(handle.tensor().kind());
        size::admit_like(handle.tensor(), kind)?;
        let source = handle.tensor().f_detach().map_err(input_error)?;
        return arithmetic::stored_as(&source, kind)?
            .f_alias_copy()
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
    let kind = options.kind.unwrap_or(found);
    flat.data(kind)?
        .f_reshape(&flat.shape)
        .and_then(|data| data.f_to_device(device))
        .map_err(input_error)
}

/// Bytes of one number among a script's values.
const SCRIPT_NUMBER: u64 = 16;

/// Returns nested arrays, or a number for a tensor without dimensions.
pub fn to_dynamic(tensor: &Tensor) -> Result<Dynamic> {
    let shape = tensor.size();
    memory::admit(
        script_values(&shape)?.saturating_mul(2 * SCRIPT_NUMBER),
        "an array of a tensor's numbers",
    )?;
    let values = numbers(tensor).map_err(input_error)?;
    Ok(nest(&mut values.into_iter(), &shape))
}

/// Values in nested arrays of a shape: numbers, and the arrays around them, which are there without numbers too.
fn script_values(shape: &[i64]) -> Result<u64> {
    let elements = size::elements(shape)?;
    let (mut count, mut values) = (1u64, 0u64);
    for size in shape {
        count = count.saturating_mul(size.unsigned_abs());
        values = values.saturating_add(count);
    }
    Ok(values.max(elements))
}

/// All elements, in order.
fn numbers(tensor: &Tensor) -> Result<Array, TchError> {
    let flat = tensor
        .f_detach()?
        .f_to_device(Device::Cpu)?
        .f_contiguous()?
        .f_flatten(0, -1)?;
    Ok(match tensor.kind() {
        Kind::Bool => Vec::<bool>::try_from(flat)?
            .into_iter()
            .map(Dynamic::from)
            .collect(),
        _ if tensor.is_floating_point() => Vec::<f64>::try_from(flat.f_to_kind(Kind::Double)?)?
            .into_iter()
            .map(Dynamic::from)
            .collect(),
        _ => Vec::<i64>::try_from(flat.f_to_kind(Kind::Int64)?)?
            .into_iter()
            .map(Dynamic::from)
            .collect(),
    })
}

fn nest(values: &mut impl Iterator<Item = Dynamic>, shape: &[i64]) -> Dynamic {
    match shape {
        [] => values.next().unwrap_or(Dynamic::UNIT),
        [size, inner @ ..] => (0..*size).map(|_| nest(values, inner)).collect::<Array>().into(),
    }
}

#[export_module(manifest)]
mod functions {
    /// Returns where the tensor lives: `"cpu"` or `"cuda:0"`.
    #[rhai_fn(get = "device", pure)]
    pub fn device(tensor: &mut TensorHandle) -> String {
        match tensor.tensor().device() {
            Device::Cuda(index) => format!("cuda:{index}"),
            _ => "cpu".into(),
        }
    }

    /// Returns nested arrays of numbers or truth values.
    #[rhai_fn(return_raw, pure)]
    pub fn to_array(tensor: &mut TensorHandle) -> RhaiResultOf<Dynamic> {
        to_dynamic(tensor.tensor()).raise()
    }

    /// Returns the number of the first dimension's entries.
    #[rhai_fn(pure)]
    pub fn len(tensor: &mut TensorHandle) -> i64 {
        tensor.tensor().size().first().copied().unwrap_or(0)
    }

    /// Returns the sizes of the dimensions, e.g. `[4096, 768]`.
    #[rhai_fn(get = "shape", pure)]
    pub fn shape(tensor: &mut TensorHandle) -> Array {
        tensor.tensor().size().into_iter().map(Dynamic::from).collect()
    }

    /// Returns the number format, e.g. `torch::float32`.
    #[rhai_fn(get = "dtype", pure)]
    pub fn dtype(tensor: &mut TensorHandle) -> DType {
        tensor.tensor().kind().into()
    }

    /// Returns the number of dimensions.
    #[rhai_fn(get = "ndim", pure)]
    pub fn ndim(tensor: &mut TensorHandle) -> i64 {
        tensor.tensor().dim() as i64
    }

    /// Returns the matrix transposed.
    #[rhai_fn(get = "T", return_raw, pure)]
    pub fn transposed(tensor: &mut TensorHandle) -> RhaiResultOf<TensorHandle> {
        if tensor.tensor().dim() > 2 {
            let shape = shape_text(tensor.tensor());
            let error = Error::input(format!("`T` is of matrices, but this has shape {shape}"));
            return Err(error
                .hint("`x.mT` transposes the last two dimensions, `x.permute(2, 1, 0)` turns all around"))
            .raise();
        }
        handle(tensor.tensor().f_tr())
    }

    /// Returns the matrices of the last two dimensions transposed.
    #[rhai_fn(get = "mT", return_raw, pure)]
    pub fn matrices_transposed(tensor: &mut TensorHandle) -> RhaiResultOf<TensorHandle> {
        handle(tensor.tensor().f_mt())
    }

    /// Returns the text as PyTorch prints the tensor; large tensors in part and with statistics.
    #[rhai_fn(name = "to_string", pure)]
    pub fn to_text(tensor: &mut TensorHandle) -> String {
        crate::tensor::show(tensor.tensor())
    }

    /// Returns one line with shape and dtype, as tensors are shown in arrays and maps.
    #[rhai_fn(name = "to_debug", pure)]
    pub fn to_summary(tensor: &mut TensorHandle) -> String {
        crate::tensor::summarise(tensor.tensor())
    }

    /// Returns the name as it is written in scripts, e.g. `torch::float32`.
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
