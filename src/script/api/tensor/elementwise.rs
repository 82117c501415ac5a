//! Functions of each element, of one tensor or of two.

use rhai::Dynamic;

use super::arithmetic::{Binary, combined, matrix_product};
use super::call::{Call, one};
use super::definition::{Body, Function, Home};
use super::{TensorHandle, input_error, operand};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, integer, size};

/// A function of one tensor without further arguments.
macro_rules! unary {
    ($name:literal, $docs:literal, $call:expr $(,)?) => {
        unary!(Home::Both, $name, $docs, $call)
    };
    ($home:expr, $name:literal, $docs:literal, $call:expr $(,)?) => {
        $crate::script::api::tensor::definition::Function::like(
            $name,
            $docs,
            $home,
            &[("", Body::Of(|t, _| one(($call)(t))))],
        )
    };
}

/// A function of two tensors, or of a tensor and a number.
macro_rules! binary {
    ($name:literal, $docs:literal, $function:expr $(,)?) => {
        $crate::script::api::tensor::definition::Function::like(
            $name,
            $docs,
            Home::Both,
            &[(
                "other: Tensor|number",
                Body::Of(|t, call| with_other($name, $function, t, call)),
            )],
        )
    };
}

pub(super) use {binary, unary};

/// The functions of one tensor.
pub const UNARY: &[Function] = &[
    unary!(
        Home::Everywhere,
        "relu",
        "Returns the larger of each element and 0.",
        Tensor::f_relu
    ),
    Function::like(
        "gelu",
        "Returns the Gaussian error linear unit, exact or, with `approximate` \"tanh\", by the hyperbolic tangent.",
        Home::Everywhere,
        &[(
            "*, approximate: string = \"none\"",
            Body::Of(|t, call| one(t.f_gelu(&call.text("approximate")?))),
        )],
    ),
    unary!(
        Home::Everywhere,
        "sigmoid",
        "Returns 1 / (1 + exp(-x)) of each element x.",
        Tensor::f_sigmoid
    ),
    unary!(
        Home::Everywhere,
        "tanh",
        "Returns the hyperbolic tangent of each element.",
        Tensor::f_tanh
    ),
    unary!("exp", "Returns e to the power of each element.", Tensor::f_exp),
    unary!(
        "log",
        "Returns the natural logarithm of each element.",
        Tensor::f_log
    ),
    unary!(
        "log2",
        "Returns the logarithm to base 2 of each element.",
        Tensor::f_log2
    ),
    unary!(
        "log10",
        "Returns the logarithm to base 10 of each element.",
        Tensor::f_log10
    ),
    unary!(
        "log1p",
        "Returns the natural logarithm of 1 + x of each element x.",
        Tensor::f_log1p
    ),
    unary!("sqrt", "Returns the square root of each element.", Tensor::f_sqrt),
    unary!("rsqrt", "Returns 1 / √x of each element x.", Tensor::f_rsqrt),
    unary!(
        "reciprocal",
        "Returns 1 / x of each element x.",
        Tensor::f_reciprocal
    ),
    unary!("square", "Returns each element times itself.", Tensor::f_square),
    unary!(
        "abs",
        "Returns the absolute value of each element.",
        Tensor::f_abs
    ),
    unary!("neg", "Returns each element with the other sign.", Tensor::f_neg),
    unary!(
        "sign",
        "Returns the sign of each element: -1, 0 or 1.",
        Tensor::f_sign
    ),
    unary!(
        "sin",
        "Returns the sine of each element, in radians.",
        Tensor::f_sin
    ),
    unary!(
        "cos",
        "Returns the cosine of each element, in radians.",
        Tensor::f_cos
    ),
    unary!(
        "floor",
        "Returns the next whole number below each element, or itself where it is one.",
        Tensor::f_floor
    ),
    unary!(
        "ceil",
        "Returns the next whole number above each element, or itself where it is one.",
        Tensor::f_ceil
    ),
    unary!(
        "trunc",
        "Returns the next whole number towards 0 from each element.",
        Tensor::f_trunc
    ),
    Function::like(
        "round",
        "Returns the nearest whole number, halves to even, or the nearest with so many `decimals`: \
         `x.round(#{ decimals: 2 })`.",
        Home::Both,
        &[
            ("", Body::Of(|t, _| one(t.f_round()))),
            (
                "*, decimals: int",
                Body::Of(|t, call| one(t.f_round_decimals(call.int("decimals")?))),
            ),
        ],
    ),
    unary!(
        "isnan",
        "Returns true where an element is not a number (NaN).",
        Tensor::f_isnan
    ),
    unary!(
        "isinf",
        "Returns true where an element is infinite.",
        Tensor::f_isinf
    ),
    unary!(
        "isfinite",
        "Returns true where an element is neither infinite nor not a number.",
        Tensor::f_isfinite
    ),
    unary!(
        "logical_not",
        "Returns true where an element is 0 or false.",
        Tensor::f_logical_not
    ),
];

/// Combines the tensor with the argument `other`, a tensor or a number.
pub fn with_other(name: &str, function: Binary, tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    combined(name, function, tensor, &call.operand("other", tensor)?)
}

/// `other` times `alpha`, for `add` and `sub`.
fn times_alpha(name: &str, function: Binary, tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let other = call.operand("other", tensor)?;
    let alpha = call.get("alpha");
    if alpha.as_int().is_ok_and(|alpha| alpha == 1) {
        return combined(name, function, tensor, &other);
    }
    size::admit_like(&other, other.kind())?;
    let alpha = operand(&other, &alpha)?;
    combined(name, function, tensor, &other.f_mul(&alpha).map_err(input_error)?)
}

fn divide(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    if call.lacks("rounding_mode") {
        return with_other("div", |a, b| a.f_div(b), tensor, call);
    }
    match call.text("rounding_mode")?.as_str() {
        "floor" => with_other("div", |a, b| integer::divide(a, b, "floor"), tensor, call),
        "trunc" => with_other("div", |a, b| integer::divide(a, b, "trunc"), tensor, call),
        other => Err(Error::unknown("rounding mode", other, &["floor", "trunc"]).under("rounding_mode")),
    }
}

fn power(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let exponent = call.get("exponent");
    let negative = exponent.as_int().is_ok_and(|exponent| exponent < 0);
    if negative && integer::is_integral(tensor.kind()) {
        return Err(
            Error::input("whole numbers cannot be raised to a negative power").hint("use floats: `.float()`")
        );
    }
    combined(
        "pow",
        |a, b| a.f_pow(b),
        tensor,
        &call.operand("exponent", tensor)?,
    )
}

/// Bounds on both sides, one of which may be missing.
fn clamp(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let bound = |name: &str| {
        if call.lacks(name) {
            Ok(None)
        } else {
            call.operand(name, tensor).map(Some)
        }
    };
    let (min, max) = (bound("min")?, bound("max")?);
    if min.is_none() && max.is_none() {
        return Err(Error::input("`clamp` needs `min`, `max` or both"));
    }
    one(tensor.f_clamp_tensor(min, max))
}

fn close(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let close = tensor.f_allclose(
        &call.tensor("other")?,
        call.number("rtol")?,
        call.number("atol")?,
        call.flag("equal_nan")?,
    );
    close.map(Dynamic::from).map_err(input_error)
}

fn product(tensor: &Tensor, call: &Call<'_>, name: &str) -> Result<Dynamic> {
    let product = matrix_product(tensor, &call.tensor(name)?)?;
    Ok(Dynamic::from(TensorHandle::new(product)))
}

const PLUS_ALPHA: &str = "other: Tensor|number, *, alpha: number = 1";

/// The functions of two tensors.
pub const BINARY: &[Function] = &[
    Function::like(
        "add",
        "Returns the sum with `other`, taken `alpha` times.",
        Home::Both,
        &[(
            PLUS_ALPHA,
            Body::Of(|t, call| times_alpha("add", |a, b| a.f_add(b), t, call)),
        )],
    ),
    Function::like(
        "sub",
        "Returns the difference to `other`, taken `alpha` times.",
        Home::Both,
        &[(
            PLUS_ALPHA,
            Body::Of(|t, call| times_alpha("sub", |a, b| a.f_sub(b), t, call)),
        )],
    ),
    binary!(
        "mul",
        "Returns the product of each element with `other`'s.",
        |a, b| a.f_mul(b)
    ),
    Function::like(
        "div",
        "Returns the true quotient, or one rounded by `rounding_mode` (\"floor\", \"trunc\").",
        Home::Both,
        &[(
            "other: Tensor|number, *, rounding_mode: string? = ()",
            Body::Of(divide),
        )],
    ),
    binary!("floor_divide", "Returns the quotient, rounded down.", |a, b| {
        integer::divide(a, b, "floor")
    }),
    binary!(
        "remainder",
        "Returns the remainder, with the sign of `other`.",
        integer::remainder
    ),
    binary!(
        "fmod",
        "Returns the remainder, with the sign of the tensor.",
        integer::fmod
    ),
    Function::like(
        "pow",
        "Returns each element to the power of `exponent`.",
        Home::Both,
        &[("exponent: Tensor|number", Body::Of(power))],
    ),
    binary!("eq", "Returns true where elements are equal.", |a, b| a
        .f_eq_tensor(b)),
    binary!("ne", "Returns true where elements differ.", |a, b| a
        .f_ne_tensor(b)),
    binary!(
        "lt",
        "Returns true where the tensor's element is less.",
        |a, b| a.f_lt_tensor(b)
    ),
    binary!(
        "le",
        "Returns true where the tensor's element is less or equal.",
        |a, b| a.f_le_tensor(b)
    ),
    binary!(
        "gt",
        "Returns true where the tensor's element is greater.",
        |a, b| a.f_gt_tensor(b)
    ),
    binary!(
        "ge",
        "Returns true where the tensor's element is greater or equal.",
        |a, b| a.f_ge_tensor(b)
    ),
    binary!("logical_and", "Returns true where both are true.", |a, b| a
        .f_logical_and(b)),
    binary!("logical_or", "Returns true where one is true.", |a, b| a
        .f_logical_or(b)),
    binary!("logical_xor", "Returns true where just one is true.", |a, b| a
        .f_logical_xor(b)),
    binary!(
        "maximum",
        "Returns the larger of each element and `other`'s, which may be a number.",
        |a, b| a.f_maximum(b)
    ),
    binary!(
        "minimum",
        "Returns the smaller of each element and `other`'s, which may be a number.",
        |a, b| a.f_minimum(b)
    ),
    Function::like(
        "clamp",
        "Returns each element, but no less than `min` and no more than `max`.",
        Home::Both,
        &[(
            "min: Tensor|number? = (), max: Tensor|number? = ()",
            Body::Of(clamp),
        )],
    ),
    Function::like(
        "allclose",
        "Returns whether all elements are close to `other`'s: `|a - b| <= atol + rtol |b|`.",
        Home::Both,
        &[(
            "other: Tensor, rtol: number = 1e-5, atol: number = 1e-8, equal_nan: bool = false -> bool",
            Body::Of(close),
        )],
    ),
    Function::like(
        "equal",
        "Returns whether shapes and all elements are the same.",
        Home::Both,
        &[(
            "other: Tensor -> bool",
            Body::Of(|t, call| {
                let equal = t.f_equal(&call.tensor("other")?);
                equal.map(Dynamic::from).map_err(input_error)
            }),
        )],
    ),
    Function::like(
        "matmul",
        "Returns the matrix product, batched: `(…, n, k)` with `(…, k, m)` is `(…, n, m)`.",
        Home::Both,
        &[("other: Tensor", Body::Of(|t, call| product(t, call, "other")))],
    ),
];
