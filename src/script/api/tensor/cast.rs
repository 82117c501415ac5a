//! Functions that give another dtype or device, or the numbers themselves.

use rhai::Dynamic;

use super::call::{Call, one};
use super::convert::to_dynamic;
use super::definition::{Body, Function};
use super::{input_error, shape_text};
use crate::error::{Error, Result};
use crate::tensor::{DType, Device, DeviceSpec, Kind, Tensor, size};

/// In another dtype; the tensor itself where it has it already.
fn in_kind(tensor: &Tensor, kind: Kind) -> Result<Tensor> {
    if tensor.kind() != kind {
        size::admit_like(tensor, kind)?;
    }
    tensor.f_to_kind(kind).map_err(input_error)
}

fn as_kind(tensor: &Tensor, kind: Kind) -> Result<Dynamic> {
    one(Ok(in_kind(tensor, kind)?))
}

/// On a device, or in the dtype, of that name, or as another tensor has them.
fn to(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let dtype = call.kind("dtype").ok().flatten();
    let mut device = None;
    if !call.lacks("device") {
        device = Some(call.text("device")?.parse::<DeviceSpec>()?.resolve()?);
    }
    let (dtype, device) = match call.tensor("other") {
        Ok(other) => (Some(other.kind()), Some(other.device())),
        Err(_) => (dtype, device),
    };
    let tensor = in_kind(tensor, dtype.unwrap_or(tensor.kind()))?;
    one(match device {
        Some(device) => tensor.f_to_device(device),
        None => Ok(tensor),
    })
}

/// `x.to("float16")` and `x.to("cuda")`: dtypes go by name as well.
fn to_named(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    match call.text("device")?.parse::<DType>() {
        Ok(dtype) if call.lacks("dtype") => as_kind(tensor, dtype.kind()),
        _ => to(tensor, call),
    }
}

pub(in crate::script::api) fn item(tensor: &Tensor) -> Result<Dynamic> {
    if tensor.numel() != 1 {
        let sentence = format!(
            "`item` needs a tensor of one element, but its shape is {}",
            shape_text(tensor)
        );
        return Err(Error::input(sentence).hint("pick one with an index, or use `to_array()`"));
    }
    let number = tensor.f_reshape([0i64; 0]).map_err(input_error)?;
    to_dynamic(&number)
}

/// The table.
pub const FUNCTIONS: &[Function] = &[
    Function::method(
        "to",
        "Returns the tensor in another number format (`torch::float16` or \"float16\"), on another device (\"cuda\"), or both.",
        &[
            ("device: string, dtype: dtype? = ()", Body::Of(to_named)),
            ("dtype: dtype", Body::Of(to)),
            ("other: Tensor", Body::Of(to)),
            ("*, device: string? = (), dtype: dtype? = ()", Body::Of(to)),
        ],
    ),
    Function::method(
        "cpu",
        "Returns the tensor on the CPU.",
        &[("", Body::Of(|t, _| one(t.f_to_device(Device::Cpu))))],
    ),
    Function::method(
        "double",
        "Returns the tensor as float64.",
        &[("", Body::Of(|t, _| as_kind(t, Kind::Double)))],
    ),
    Function::method(
        "float",
        "Returns the tensor as float32.",
        &[("", Body::Of(|t, _| as_kind(t, Kind::Float)))],
    ),
    Function::method(
        "half",
        "Returns the tensor as float16.",
        &[("", Body::Of(|t, _| as_kind(t, Kind::Half)))],
    ),
    Function::method(
        "bfloat16",
        "Returns the tensor as bfloat16.",
        &[("", Body::Of(|t, _| as_kind(t, Kind::BFloat16)))],
    ),
    Function::method(
        "long",
        "Returns the tensor as int64, without what is after the point.",
        &[("", Body::Of(|t, _| as_kind(t, Kind::Int64)))],
    ),
    Function::method(
        "int",
        "Returns the tensor as int32, without what is after the point.",
        &[("", Body::Of(|t, _| as_kind(t, Kind::Int)))],
    ),
    Function::method(
        "bool",
        "Returns the tensor as bool: true where an element is not 0.",
        &[("", Body::Of(|t, _| as_kind(t, Kind::Bool)))],
    ),
    Function::method(
        "tolist",
        "Returns nested arrays of numbers or truth values; of a tensor without dimensions its number.",
        &[("-> any", Body::Of(|t, _| to_dynamic(t)))],
    ),
    Function::method(
        "item",
        "Returns the only element, as a number or truth value.",
        &[("-> any", Body::Of(|t, _| item(t)))],
    ),
];
