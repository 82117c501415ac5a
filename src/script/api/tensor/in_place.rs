//! Functions that change a tensor in place. Gradients do not see it.

use rhai::Dynamic;

use super::call::{Call, one};
use super::definition::{Body, Function};
use super::{TensorHandle, input_error, operand, shape_text};
use crate::error::{Error, Result};
use crate::tensor::{DType, TchError, Tensor, no_grad_guard};

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

/// Functions that are there in place as well, with what they are called without the `_`.
pub const FORMS: &[(&str, &str)] = &[
    ("abs_", "abs"),
    ("acos_", "acos"),
    ("addcdiv_", "addcdiv"),
    ("addcmul_", "addcmul"),
    ("addmm_", "addmm"),
    ("asin_", "asin"),
    ("atan_", "atan"),
    ("ceil_", "ceil"),
    ("clamp_", "clamp"),
    ("clamp_max_", "clamp_max"),
    ("clamp_min_", "clamp_min"),
    ("cos_", "cos"),
    ("cumprod_", "cumprod"),
    ("cumsum_", "cumsum"),
    ("eq_", "eq"),
    ("erf_", "erf"),
    ("exp_", "exp"),
    ("expm1_", "expm1"),
    ("floor_", "floor"),
    ("floor_divide_", "floor_divide"),
    ("fmod_", "fmod"),
    ("frac_", "frac"),
    ("index_add_", "index_add"),
    ("index_copy_", "index_copy"),
    ("index_fill_", "index_fill"),
    ("lerp_", "lerp"),
    ("log_", "log"),
    ("log1p_", "log1p"),
    ("log2_", "log2"),
    ("log10_", "log10"),
    ("logical_not_", "logical_not"),
    ("masked_fill_", "masked_fill"),
    ("masked_scatter_", "masked_scatter"),
    ("nan_to_num_", "nan_to_num"),
    ("neg_", "neg"),
    ("pow_", "pow"),
    ("put_", "put"),
    ("reciprocal_", "reciprocal"),
    ("relu_", "relu"),
    ("remainder_", "remainder"),
    ("renorm_", "renorm"),
    ("round_", "round"),
    ("rsqrt_", "rsqrt"),
    ("scatter_", "scatter"),
    ("scatter_add_", "scatter_add"),
    ("scatter_reduce_", "scatter_reduce"),
    ("sigmoid_", "sigmoid"),
    ("sign_", "sign"),
    ("sin_", "sin"),
    ("sqrt_", "sqrt"),
    ("square_", "square"),
    ("tanh_", "tanh"),
    ("tril_", "tril"),
    ("triu_", "triu"),
    ("trunc_", "trunc"),
];

/// Writes what `function` makes of a tensor into the tensor, and gives it back.
///
/// # Errors
/// Those of the function; a result of another shape, or of a dtype that the tensor's does not hold.
pub fn write_back(tensor: &Tensor, function: impl FnOnce() -> Result<Dynamic>) -> Result<Dynamic> {
    let _guard = no_grad_guard();
    let made = function()?;
    let Some(made) = made.read_lock::<TensorHandle>() else {
        return Err(Error::input("there is no tensor to be written back"));
    };
    let made = made.tensor();
    if made.size() != tensor.size() {
        return Err(Error::input(format!(
            "the result has shape {}, and does not fit into the tensor of shape {}",
            shape_text(made),
            shape_text(tensor)
        )));
    }
    if made.is_floating_point() && !tensor.is_floating_point() {
        return Err(Error::input(format!(
            "the result is of dtype {}, which {} does not hold",
            DType::from(made.kind()),
            DType::from(tensor.kind())
        ))
        .hint("turn the tensor into floats first: `.float()`"));
    }
    let mut target = tensor.shallow_clone();
    one(target.f_copy_(made).map(|()| target))
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
