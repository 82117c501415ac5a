//! `Tensor`: libtorch's tensor as scripts see it.
//!
//! Indices, ranges and functions follow PyTorch: a function under its name takes its arguments, in its order and with
//! its meaning, by position or in one map by name ([`signature`], [`function`]). Every operation goes through libtorch's
//! fallible calls, so that a wrong shape is an error of the script at the operator or the method that it happened in, and
//! what needs much memory asks for it before.

mod activations;
mod alike;
mod arithmetic;
mod autograd;
mod call;
mod cast;
mod convert;
mod creation;
mod definition;
mod elementwise;
mod function;
mod generator;
mod in_place;
mod indexing;
mod joining;
mod larger;
mod linalg;
mod losses;
mod maths;
mod matrix_norms;
mod operands;
mod order;
mod places;
mod places_of;
mod products;
mod random;
mod rearrange;
mod reduction;
mod select;
mod shape;
mod signature;
mod statistics;
mod tensor_handle;

use rhai::Module;

use crate::tensor::DType;

pub(super) use cast::item;
pub use convert::{Options, from_dynamic};
pub use function::{check_call, documented, register_functions};
pub use operands::{operand, stored};
pub use signature::Pending;
pub use tensor_handle::{TensorHandle, handle, input_error, shape_text};

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
    generator::register(module);
    indexing::register(module);
    convert::register(module);
}
