//! The handle by which scripts hold a tensor, and what libtorch says in their words.

use std::rc::Rc;

use crate::error::{Error, Fault, Subject};
use crate::script::failure::{RhaiResultOf, raise};
use crate::tensor::{TchError, Tensor};

/// A tensor that scripts hold. Copies of the handle mean the same tensor, as in Python.
#[derive(Clone)]
pub struct TensorHandle(Rc<Tensor>);

impl TensorHandle {
    /// Returns a handle on `tensor`.
    pub fn new(tensor: Tensor) -> Self {
        TensorHandle(Rc::new(tensor))
    }

    /// Returns the tensor.
    pub fn tensor(&self) -> &Tensor {
        &self.0
    }
}

impl From<Tensor> for TensorHandle {
    fn from(tensor: Tensor) -> Self {
        TensorHandle::new(tensor)
    }
}

/// Returns libtorch's complaint about the script's own shapes and indices, as the script's error.
pub fn input_error(error: impl Into<Error>) -> Error {
    let error: Error = error.into();
    match error.subject() {
        Subject::OutOfMemory | Subject::DeviceFailure => error,
        _ => error.with_fault(Fault::Input),
    }
}

/// Returns the handle on a result, or the script's error.
pub fn handle(result: Result<Tensor, TchError>) -> RhaiResultOf<TensorHandle> {
    result
        .map(TensorHandle::new)
        .map_err(|error| raise(input_error(error)))
}

/// Returns the shape as it is written: `[2, 3]`.
pub fn shape_text(tensor: &Tensor) -> String {
    format!("{:?}", tensor.size())
}
