//! `Tensor`: libtorch's tensor as scripts see it.
//!
//! Indices, ranges and functions follow PyTorch: a function under its name takes its arguments, in its order and with
//! its meaning, by position or in one map by name ([`signature`], [`function`]). Every operation goes through libtorch's
//! fallible calls, so that a wrong shape is an error of the script at the operator or the method that it happened in, and
//! what needs much memory asks for it before.

mod arithmetic;
mod autograd;
mod call;
mod cast;
mod convert;
mod creation;
mod elementwise;
mod function;
mod in_place;
mod indexing;
mod reduction;
mod select;
mod shape;
mod signature;

use std::rc::Rc;

use rhai::{Dynamic, Module};

use super::super::failure::{RhaiResultOf, raise};
use crate::error::{Error, Fault, Result, Subject};
use crate::tensor::{DType, Tensor};

pub(super) use cast::item;
pub use convert::{Options, from_dynamic};
pub use function::{check_call, documented, register_functions};
pub use signature::Pending;

/// A tensor that scripts hold. Copies of the handle mean the same tensor, as in Python.
#[derive(Clone)]
pub struct TensorHandle(Rc<Tensor>);

impl TensorHandle {
    /// A handle on `tensor`.
    pub fn new(tensor: Tensor) -> Self {
        TensorHandle(Rc::new(tensor))
    }

    /// The tensor.
    pub fn tensor(&self) -> &Tensor {
        &self.0
    }
}

impl From<Tensor> for TensorHandle {
    fn from(tensor: Tensor) -> Self {
        TensorHandle::new(tensor)
    }
}

/// Puts the tensor object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<TensorHandle>(
        "Tensor",
        &["/// A tensor of libtorch. Make one with `torch::tensor`, `torch::zeros`, …; index it with numbers, ranges, \
           arrays and masks; combine it with `+ - * / % **`, comparisons, `& | ^ !`."],
    );
    module.set_custom_type_with_comments::<DType>(
        "dtype",
        &["/// The number format of a tensor, e.g. `torch::float32`."],
    );
    arithmetic::register(module);
    autograd::register(module);
    function::register_methods(module);
    indexing::register(module);
    convert::register(module);
}

/// Libtorch's complaint about the script's own shapes and indices, as the script's error.
pub fn input_error(error: impl Into<Error>) -> Error {
    let error: Error = error.into();
    match error.subject() {
        Subject::OutOfMemory | Subject::DeviceFailure => error,
        _ => error.with_fault(Fault::Input),
    }
}

/// The handle on a result, or the script's error.
pub fn handle(result: Result<Tensor, tch::TchError>) -> RhaiResultOf<TensorHandle> {
    result
        .map(TensorHandle::new)
        .map_err(|error| raise(input_error(error)))
}

/// Shape as it is written: `[2, 3]`.
pub fn shape_text(tensor: &Tensor) -> String {
    format!("{:?}", tensor.size())
}

/// A number, an array or a tensor as the dtype of the tensor that it is stored in.
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

/// A tensor argument where numbers and arrays are welcome too.
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
