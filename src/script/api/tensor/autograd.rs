//! Gradients of tensors, and changes in place.

use rhai::plugin::*;
use rhai::{Dynamic, Module};

use super::{TensorHandle, input_error, operand};
use crate::error::{Error, Result};
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::tensor::Tensor;

/// Puts the methods into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "tensor_autograd", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// Runs backward from a number.
fn run_backward(tensor: &Tensor) -> Result<()> {
    if tensor.numel() != 1 {
        return Err(Error::input(format!(
            "gradients start from a single number, but this tensor has shape {:?}",
            tensor.size()
        ))
        .hint("take its mean() or sum() first"));
    }
    if !tensor.requires_grad() {
        return Err(
            Error::input("this number does not depend on anything that gradients are kept for").hint(
                "the parameters of a dictionary have gradients; other tensors after `requires_grad_(true)`",
            ),
        );
    }
    tensor.f_backward().map_err(|error| {
        input_error(error).hint("a loss can run backward once; compute it again for another gradient")
    })
}

/// Changes `tensor` in place, without a record for gradients.
fn change(
    tensor: &mut TensorHandle,
    value: &Dynamic,
    operation: fn(&mut Tensor, &Tensor) -> Result<Tensor, tch::TchError>,
) -> RhaiResultOf<()> {
    let _guard = tch::no_grad_guard();
    let value = operand(tensor.tensor(), value).raise()?;
    let mut target = tensor.tensor().shallow_clone();
    operation(&mut target, &value)
        .map(drop)
        .map_err(input_error)
        .raise()
}

#[export_module(manifest)]
mod functions {
    /// Computes the gradient of this number with respect to everything it was computed from, and adds it to their
    /// `grad`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn backward(tensor: &mut TensorHandle) -> RhaiResultOf<()> {
        run_backward(tensor.tensor()).raise()
    }

    /// The gradient that `backward()` left, of the tensor's own shape, or `()` if there is none.
    #[rhai_fn(get = "grad", pure)]
    pub fn grad(tensor: &mut TensorHandle) -> Dynamic {
        let gradient = tensor.tensor().grad();
        match gradient.defined() {
            true => Dynamic::from(TensorHandle::new(gradient)),
            false => Dynamic::UNIT,
        }
    }

    /// Is the computation from this tensor on recorded for gradients?
    #[rhai_fn(get = "requires_grad", pure)]
    pub fn requires_grad(tensor: &mut TensorHandle) -> bool {
        tensor.tensor().requires_grad()
    }

    /// Records what is computed from this tensor from now on, or no longer. Returns the tensor.
    #[rhai_fn(name = "requires_grad_", return_raw, pure, volatile)]
    pub fn set_requires_grad(tensor: &mut TensorHandle, recorded: bool) -> RhaiResultOf<TensorHandle> {
        let result = tensor.tensor().f_set_requires_grad(recorded);
        result.map(TensorHandle::new).map_err(input_error).raise()
    }

    /// Forgets the gradient.
    #[rhai_fn(pure, volatile)]
    pub fn zero_grad(tensor: &mut TensorHandle) {
        tensor.tensor().shallow_clone().zero_grad();
    }

    /// Adds a number or a tensor in place; gradients do not see it.
    #[rhai_fn(name = "add_", return_raw, pure, volatile)]
    pub fn add_in_place(tensor: &mut TensorHandle, value: Dynamic) -> RhaiResultOf<()> {
        change(tensor, &value, |target, value| target.f_add_(value))
    }

    /// Subtracts a number or a tensor in place; gradients do not see it. `p.sub_(p.grad * lr)` is a step of gradient
    /// descent.
    #[rhai_fn(name = "sub_", return_raw, pure, volatile)]
    pub fn subtract_in_place(tensor: &mut TensorHandle, value: Dynamic) -> RhaiResultOf<()> {
        change(tensor, &value, |target, value| target.f_sub_(value))
    }

    /// Multiplies with a number or a tensor in place; gradients do not see it.
    #[rhai_fn(name = "mul_", return_raw, pure, volatile)]
    pub fn multiply_in_place(tensor: &mut TensorHandle, value: Dynamic) -> RhaiResultOf<()> {
        change(tensor, &value, |target, value| target.f_mul_(value))
    }

    /// Takes over the values of a number or a tensor in place; gradients do not see it.
    #[rhai_fn(name = "copy_", return_raw, pure, volatile)]
    pub fn copy_in_place(tensor: &mut TensorHandle, value: Dynamic) -> RhaiResultOf<()> {
        change(tensor, &value, |target, value| {
            target.f_copy_(value)?;
            Ok(target.shallow_clone())
        })
    }
}
