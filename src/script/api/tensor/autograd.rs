//! Gradients: the way back from a number, and what it leaves on tensors.

use rhai::plugin::*;
use rhai::{Array, Dynamic, Module};

use super::call::Call;
use super::definition::{Body, Function, Home, Memory};
use super::{TensorHandle, input_error};
use crate::error::{Error, Result};
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::tensor::{self, Tensor};

/// Puts the methods into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "tensor_autograd", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// The number that gradients start from: the tensor, or the sum of it times what was given for its own gradient.
fn start(tensor: &Tensor, call: &Call<'_>, gradient: &str) -> Result<Tensor> {
    if tensor.numel() != 1 && call.lacks(gradient) {
        return Err(Error::input(format!(
            "gradients start from a single number, but this tensor has shape {:?}",
            tensor.size()
        ))
        .hint("take its mean() or sum() first, or give the gradient of each element"));
    }
    if !tensor.requires_grad() {
        return Err(
            Error::input("this number does not depend on anything that gradients are kept for").hint(
                "the parameters of a dictionary have gradients; other tensors after `requires_grad_(true)`",
            ),
        );
    }
    if let Some(gradient) = call.optional_tensor(gradient)? {
        if gradient.size() != tensor.size() {
            return Err(Error::input(format!(
                "the gradient has shape {:?}, but the tensor {:?}",
                gradient.size(),
                tensor.size()
            )));
        }
        let weighted = tensor.f_mul(&gradient).map_err(input_error)?;
        return weighted.f_sum(weighted.kind()).map_err(input_error);
    }
    Ok(tensor.shallow_clone())
}

/// Is the graph kept? As long as the gradient is recorded itself, unless it was said.
fn keeps(call: &Call<'_>, create: bool) -> Result<bool> {
    if call.lacks("retain_graph") {
        Ok(create)
    } else {
        call.flag("retain_graph")
    }
}

fn used_up(error: impl Into<Error>) -> Error {
    input_error(error).hint("a loss can run backward once; compute it again for another gradient, or say `#{ retain_graph: true }`")
}

fn run_backward(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let create = call.flag("create_graph")?;
    let start = start(tensor, call, "gradient")?;
    tensor::backward(&start, keeps(call, create)?, create).map_err(used_up)?;
    Ok(Dynamic::UNIT)
}

/// One gradient for each input, in an array.
fn gradients(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (inputs, create) = (call.tensors("inputs")?, call.flag("create_graph")?);
    if let Some(at) = inputs.iter().position(|input| !input.requires_grad()) {
        return Err(Error::input("no gradient is kept for this tensor")
            .hint("make it with `#{ requires_grad: true }`, or call `requires_grad_()` on it")
            .under(format!("[{at}]"))
            .under("inputs"));
    }
    let start = start(tensor, call, "grad_outputs")?;
    let found = tensor::gradients(&start, &inputs, keeps(call, create)?, create).map_err(used_up)?;
    let allow = call.flag("allow_unused").unwrap_or(false);
    let value = |(at, gradient): (usize, Option<Tensor>)| match gradient {
        Some(gradient) => Ok(Dynamic::from(TensorHandle::new(gradient))),
        None if allow => Ok(Dynamic::UNIT),
        None => Err(Error::input("the number does not depend on this tensor")
            .hint("with `#{ allow_unused: true }` its gradient is `()`")
            .under(format!("[{at}]"))
            .under("inputs")),
    };
    let array: Array = found.into_iter().enumerate().map(value).collect::<Result<_>>()?;
    Ok(array.into())
}

/// Writes a tensor into the gradient; the gradient itself, which the engine writes back after `p.grad.mul_(2)`, is left.
fn replace_gradient(tensor: &Tensor, value: &Dynamic) -> Result<()> {
    let mut gradient = tensor.grad();
    match value.read_lock::<TensorHandle>() {
        Some(value) if gradient.defined() && value.tensor().size() == gradient.size() => {
            if value.tensor().data_ptr() == gradient.data_ptr() {
                return Ok(());
            }
            let _guard = tensor::no_grad_guard();
            gradient.f_copy_(value.tensor()).map_err(input_error)
        }
        _ => Err(Error::input(
            "a gradient comes from `backward()`; it can be set to `()`, or to a tensor of its shape",
        )),
    }
}

/// The table.
pub const FUNCTIONS: &[Function] = &[
    Function::method(
        "backward",
        "Computes the gradient of this number with respect to everything it was computed from, and adds it to their \
         `grad`. Of several numbers `gradient` says how much each counts; `retain_graph` allows another time, and \
         `create_graph` records the gradient itself.",
        &[(
            "gradient: Tensor? = (), retain_graph: bool? = (), create_graph: bool = false -> ()",
            Body::Of(run_backward),
        )],
    ),
    Function::new(
        "grad",
        "Returns an array with the gradient of a number with respect to each of `inputs`, a tensor or several, whose own \
         `grad` stays as it is; `create_graph` records the gradients themselves.",
        Home::Autograd,
        Memory::Own,
        &[(
            "inputs: Tensor|array, grad_outputs: Tensor? = (), retain_graph: bool? = (), create_graph: bool = false, \
             allow_unused: bool? = () -> array",
            Body::Of(gradients),
        )],
    ),
];

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

    /// Forgets the gradient where it is set to `()`, as in `p.grad = ();`, or takes over the numbers of a tensor of its
    /// shape.
    #[rhai_fn(set = "grad", return_raw, pure, volatile)]
    pub fn set_grad(tensor: &mut TensorHandle, value: Dynamic) -> RhaiResultOf<()> {
        if value.is_unit() {
            tensor.tensor().shallow_clone().zero_grad();
            return Ok(());
        }
        replace_gradient(tensor.tensor(), &value).raise()
    }

    /// Records what is computed from this tensor from now on, or no longer.
    #[rhai_fn(set = "requires_grad", return_raw, pure, volatile)]
    pub fn set_requires_grad(tensor: &mut TensorHandle, value: bool) -> RhaiResultOf<()> {
        // The engine writes back what it read, too.
        if tensor.tensor().requires_grad() == value {
            return Ok(());
        }
        let recorded = tensor.tensor().f_set_requires_grad(value);
        recorded.map(drop).map_err(input_error).raise()
    }

    /// Forgets the gradient.
    #[rhai_fn(pure, volatile)]
    pub fn zero_grad(tensor: &mut TensorHandle) {
        tensor.tensor().shallow_clone().zero_grad();
    }
}
