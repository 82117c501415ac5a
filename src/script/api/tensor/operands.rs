//! Values of scripts where a tensor is wanted.

use rhai::Dynamic;

use super::arithmetic;
use super::convert::{Options, from_dynamic};
use super::tensor_handle::{TensorHandle, input_error};
use crate::error::Result;
use crate::tensor::Tensor;

/// Returns a number, an array or a tensor as the dtype of the tensor that it is stored in.
///
/// # Errors
/// What is no number, or none that the dtype holds.
pub fn stored(target: &Tensor, value: &Dynamic) -> Result<Tensor> {
    let kind = target.kind();
    match value.read_lock::<TensorHandle>() {
        Some(handle) => arithmetic::stored_as(handle.tensor(), kind),
        None => from_dynamic(value, &Options::new(Some(kind), target.device())),
    }
}

/// Returns a tensor argument where numbers and arrays are welcome too.
pub fn operand(like: &Tensor, value: &Dynamic) -> Result<Tensor> {
    if let Some(handle) = value.read_lock::<TensorHandle>() {
        return Ok(handle.tensor().shallow_clone());
    }
    if let Ok(number) = value.as_int() {
        return arithmetic::integer_like(like, number);
    }
    if let Ok(number) = value.as_float() {
        return arithmetic::float_like(like, number);
    }
    let tensor = from_dynamic(value, &Options::default())?;
    tensor.f_to_device(like.device()).map_err(input_error)
}
