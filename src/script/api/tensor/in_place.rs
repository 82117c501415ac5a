//! Functions that change a tensor in place. Gradients do not see it.

use rhai::Dynamic;

use super::call::{Call, one};
use super::definition::{Body, Function};
use super::{input_error, operand};
use crate::error::Result;
use crate::tensor::{TchError, Tensor, no_grad_guard};

type Change = fn(&mut Tensor, &Tensor) -> Result<Tensor, TchError>;

/// Changes the tensor without a record for gradients, and gives it back.
fn change(tensor: &Tensor, value: &Tensor, operation: Change) -> Result<Dynamic> {
    let _guard = no_grad_guard();
    one(operation(&mut tensor.shallow_clone(), value))
}

/// With `other` times `alpha`.
fn with_alpha(tensor: &Tensor, call: &Call<'_>, operation: Change) -> Result<Dynamic> {
    let _guard = no_grad_guard();
    let other = call.operand("other", tensor)?;
    let alpha = call.get("alpha");
    let other = match alpha.as_int() {
        Ok(1) => other,
        _ => other.f_mul(&operand(&other, &alpha)?).map_err(input_error)?,
    };
    change(tensor, &other, operation)
}

fn with_other(tensor: &Tensor, call: &Call<'_>, operation: Change) -> Result<Dynamic> {
    change(tensor, &call.operand("other", tensor)?, operation)
}

fn copy(target: &mut Tensor, value: &Tensor) -> Result<Tensor, TchError> {
    target.f_copy_(value)?;
    Ok(target.shallow_clone())
}

const PLUS_ALPHA: &str = "other: Tensor|number, *, alpha: number = 1";
const OTHER: &str = "other: Tensor|number";

/// The table.
pub const FUNCTIONS: &[Function] = &[
    Function::method(
        "add_",
        "Adds a number or a tensor, taken `alpha` times, in place and returns the tensor; gradients do not see it.",
        &[(
            PLUS_ALPHA,
            Body::Of(|t, call| with_alpha(t, call, |a, b| a.f_add_(b))),
        )],
    ),
    Function::method(
        "sub_",
        "Subtracts a number or a tensor, taken `alpha` times, in place and returns the tensor; gradients do not see \
         it. `p.sub_(p.grad * lr)` is a step of gradient descent.",
        &[(
            PLUS_ALPHA,
            Body::Of(|t, call| with_alpha(t, call, |a, b| a.f_sub_(b))),
        )],
    ),
    Function::method(
        "mul_",
        "Multiplies with a number or a tensor in place and returns the tensor; gradients do not see it.",
        &[(OTHER, Body::Of(|t, call| with_other(t, call, |a, b| a.f_mul_(b))))],
    ),
    Function::method(
        "div_",
        "Divides by a number or a tensor in place and returns the tensor; gradients do not see it.",
        &[(OTHER, Body::Of(|t, call| with_other(t, call, |a, b| a.f_div_(b))))],
    ),
    Function::method(
        "copy_",
        "Takes over the values of a tensor or a number in place and returns the tensor; gradients do not see it.",
        &[(
            "src: Tensor|number|array",
            Body::Of(|t, call| change(t, &call.stored("src", t)?, copy)),
        )],
    ),
    Function::method(
        "fill_",
        "Sets all elements to a number in place and returns the tensor; gradients do not see it.",
        &[(
            "value: Tensor|number",
            Body::Of(|t, call| change(t, &call.stored("value", t)?, |a, b| a.f_fill_tensor_(b))),
        )],
    ),
    Function::method(
        "zero_",
        "Sets all elements to 0 in place and returns the tensor; gradients do not see it.",
        &[(
            "",
            Body::Of(|t, _| {
                let _guard = no_grad_guard();
                one(t.shallow_clone().f_zero_())
            }),
        )],
    ),
    Function::method(
        "requires_grad_",
        "Records what is computed from this tensor from now on, or no longer, and returns the tensor.",
        &[(
            "requires_grad: bool = true",
            Body::Of(|t, call| one(t.f_set_requires_grad(call.flag("requires_grad")?))),
        )],
    ),
];
