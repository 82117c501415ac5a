//! What gradients leave on tensors.

use rhai::plugin::*;
use rhai::{Dynamic, Module};

use super::TensorHandle;
use crate::script::guard;

/// Puts the methods into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "tensor_autograd", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

#[export_module(manifest)]
mod functions {
    /// Returns the gradient that `backward()` left, of the tensor's own shape, or `()` if there is none.
    #[rhai_fn(get = "grad", pure)]
    pub fn grad(tensor: &mut TensorHandle) -> Dynamic {
        let gradient = tensor.tensor().grad();
        if gradient.defined() {
            Dynamic::from(TensorHandle::new(gradient))
        } else {
            Dynamic::UNIT
        }
    }

    /// Returns whether the computation from this tensor on is recorded for gradients.
    #[rhai_fn(get = "requires_grad", pure)]
    pub fn requires_grad(tensor: &mut TensorHandle) -> bool {
        tensor.tensor().requires_grad()
    }

    /// Forgets the gradient.
    #[rhai_fn(pure, volatile)]
    pub fn zero_grad(tensor: &mut TensorHandle) {
        tensor.tensor().shallow_clone().zero_grad();
    }
}
