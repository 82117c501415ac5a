//! More functions of each element: angles, exponentials, errors of measurement, bits.

use rhai::Dynamic;

use super::call::{Call, one};
use super::definition::{Body, Function, Home};
use super::elementwise::{binary, unary, with_other};
use super::{input_error, operand};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, size};

/// The functions of one tensor.
pub const UNARY: &[Function] = &[
    unary!(
        "acos",
        "Returns the angle in radians, of 0 to π, whose cosine each element is.",
        Tensor::f_acos
    ),
    unary!(
        "acosh",
        "Returns the inverse hyperbolic cosine of each element.",
        Tensor::f_acosh
    ),
    unary!(
        "asin",
        "Returns the angle in radians, of -π/2 to π/2, whose sine each element is.",
        Tensor::f_asin
    ),
    unary!(
        "asinh",
        "Returns the inverse hyperbolic sine of each element.",
        Tensor::f_asinh
    ),
    unary!(
        "atan",
        "Returns the angle in radians, of -π/2 to π/2, whose tangent each element is.",
        Tensor::f_atan
    ),
    unary!(
        "atanh",
        "Returns the inverse hyperbolic tangent of each element.",
        Tensor::f_atanh
    ),
    unary!(
        "bitwise_not",
        "Returns each whole number with its bits turned over; of truth values the other.",
        Tensor::f_bitwise_not
    ),
    unary!(
        "cosh",
        "Returns the hyperbolic cosine of each element.",
        Tensor::f_cosh
    ),
    unary!(
        "deg2rad",
        "Returns each angle in degrees as radians.",
        Tensor::f_deg2rad
    ),
    unary!(
        "digamma",
        "Returns the derivative of the logarithm of the gamma function at each element.",
        Tensor::f_digamma
    ),
    unary!(
        "erf",
        "Returns the error function of each element.",
        Tensor::f_erf
    ),
    unary!("erfc", "Returns 1 - erf(x) of each element x.", Tensor::f_erfc),
    unary!(
        "erfinv",
        "Returns the number whose error function each element is.",
        Tensor::f_erfinv
    ),
    unary!("exp2", "Returns 2 to the power of each element.", Tensor::f_exp2),
    unary!(
        "expm1",
        "Returns exp(x) - 1 of each element x, exact near 0.",
        Tensor::f_expm1
    ),
    unary!(
        "frac",
        "Returns what is after the point of each element.",
        Tensor::f_frac
    ),
    unary!(
        "i0",
        "Returns the modified Bessel function of the first kind, of order 0, of each element.",
        Tensor::f_i0
    ),
    unary!(
        "isneginf",
        "Returns true where an element is negative infinity.",
        Tensor::f_isneginf
    ),
    unary!(
        "isposinf",
        "Returns true where an element is positive infinity.",
        Tensor::f_isposinf
    ),
    unary!(
        "lgamma",
        "Returns the logarithm of the absolute value of the gamma function at each element.",
        Tensor::f_lgamma
    ),
    unary!("positive", "Returns the tensor as it is.", Tensor::f_positive),
    unary!(
        "rad2deg",
        "Returns each angle in radians as degrees.",
        Tensor::f_rad2deg
    ),
    unary!(
        "signbit",
        "Returns true where an element is negative, -0.0 included.",
        Tensor::f_signbit
    ),
    unary!(
        "sinc",
        "Returns sin(πx) / (πx) of each element x, 1 at 0.",
        Tensor::f_sinc
    ),
    unary!(
        "sinh",
        "Returns the hyperbolic sine of each element.",
        Tensor::f_sinh
    ),
    unary!(
        "tan",
        "Returns the tangent of each element, in radians.",
        Tensor::f_tan
    ),
    Function::like(
        "logit",
        "Returns log(x / (1 - x)) of each element x, which is first brought into `eps` to 1 - `eps` where that is given.",
        Home::Both,
        &[(
            "eps: number? = ()",
            Body::Of(|t, call| one(t.f_logit(call.optional_number("eps")?))),
        )],
    ),
    Function::like(
        "nan_to_num",
        "Returns the tensor with `nan` where an element is not a number, and with `posinf` and `neginf` for infinities: \
         the largest and the smallest number of the dtype unless given.",
        Home::Both,
        &[(
            "nan: number? = (), posinf: number? = (), neginf: number? = ()",
            Body::Of(|t, call| {
                let [nan, posinf, neginf] =
                    ["nan", "posinf", "neginf"].map(|name| call.optional_number(name));
                one(t.f_nan_to_num(nan?, posinf?, neginf?))
            }),
        )],
    ),
];

/// One bound; the other side is open.
fn bounded(tensor: &Tensor, call: &Call<'_>, name: &str) -> Result<Dynamic> {
    let bound = call.operand(name, tensor)?;
    one(if name == "min" {
        tensor.f_clamp_tensor(Some(bound), None)
    } else {
        tensor.f_clamp_tensor(None, Some(bound))
    })
}

/// `input + weight (end - input)`.
fn lerp(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (end, weight) = (call.tensor("end")?, call.operand("weight", tensor)?);
    one(weight
        .f_to_kind(tensor.kind())
        .and_then(|weight| tensor.f_lerp_tensor(&end, &weight)))
}

/// `input + value × (tensor1 ∘ tensor2)`, with a product or a quotient for ∘.
fn plus_combined(tensor: &Tensor, call: &Call<'_>, is_quotient: bool) -> Result<Dynamic> {
    let (first, second) = (call.tensor("tensor1")?, call.tensor("tensor2")?);
    let value = operand(&first, &call.get("value"))?;
    let first = first.f_mul(&value).map_err(input_error)?;
    one(if is_quotient {
        tensor.f_addcdiv(&first, &second)
    } else {
        tensor.f_addcmul(&first, &second)
    })
}

/// Which elements are close.
fn are_close(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let other = call.tensor("other")?;
    let (rtol, atol) = (call.number("rtol")?, call.number("atol")?);
    if size::broadcast(&tensor.size(), &other.size()).is_none() {
        return Err(Error::input("`isclose` cannot combine these shapes"));
    }
    one(tensor.f_isclose(&other, rtol, atol, call.flag("equal_nan")?))
}

/// `|input - other|`, brought together by a norm.
fn distance(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let apart = tensor.f_sub(&call.tensor("other")?).map_err(input_error)?;
    one(crate::tensor::norm::norm(&apart, call.number("p")?, None, false))
}

/// The functions of two tensors.
pub const BINARY: &[Function] = &[
    binary!(
        "atan2",
        "Returns the angle in radians of the point (`other`, element), in -π to π.",
        |a, b| a.f_atan2(b)
    ),
    binary!(
        "bitwise_and",
        "Returns the bits that are set in both; of truth values whether both are true.",
        |a, b| a.f_bitwise_and_tensor(b)
    ),
    binary!(
        "bitwise_or",
        "Returns the bits that are set in one or both; of truth values whether one is true.",
        |a, b| a.f_bitwise_or_tensor(b)
    ),
    binary!(
        "bitwise_xor",
        "Returns the bits that are set in just one; of truth values whether just one is true.",
        |a, b| a.f_bitwise_xor_tensor(b)
    ),
    binary!(
        "copysign",
        "Returns each element with the sign of `other`'s.",
        |a, b| a.f_copysign(b)
    ),
    binary!(
        "fmax",
        "Returns the larger of each element and `other`'s; where one is not a number, the other.",
        |a, b| a.f_fmax(b)
    ),
    binary!(
        "fmin",
        "Returns the smaller of each element and `other`'s; where one is not a number, the other.",
        |a, b| a.f_fmin(b)
    ),
    Function::like(
        "gcd",
        "Returns the greatest common divisor of each whole number and `other`'s.",
        Home::Both,
        &[(
            "other: Tensor",
            Body::Of(|t, call| one(t.f_gcd(&call.tensor("other")?))),
        )],
    ),
    binary!(
        "hypot",
        "Returns √(x² + y²) of each element x and `other`'s y.",
        |a, b| a.f_hypot(b)
    ),
    Function::like(
        "lcm",
        "Returns the least common multiple of each whole number and `other`'s.",
        Home::Both,
        &[(
            "other: Tensor",
            Body::Of(|t, call| one(t.f_lcm(&call.tensor("other")?))),
        )],
    ),
    Function::like(
        "ldexp",
        "Returns each element times 2 to the power of `other`.",
        Home::Both,
        &[(
            "other: Tensor",
            Body::Of(|t, call| one(t.f_ldexp(&call.tensor("other")?))),
        )],
    ),
    Function::like(
        "heaviside",
        "Returns 0 where an element is negative, 1 where it is positive, and `values` where it is 0.",
        Home::Both,
        &[(
            "values: Tensor",
            Body::Of(|t, call| one(t.f_heaviside(&call.tensor("values")?))),
        )],
    ),
    binary!(
        "logaddexp",
        "Returns log(exp(x) + exp(y)) of each element x and `other`'s y, without overflow.",
        |a, b| a.f_logaddexp(b)
    ),
    binary!(
        "logaddexp2",
        "Returns log2(2^x + 2^y) of each element x and `other`'s y, without overflow.",
        |a, b| a.f_logaddexp2(b)
    ),
    binary!("true_divide", "Returns the true quotient.", |a, b| a.f_div(b)),
    binary!(
        "xlogy",
        "Returns x log(y) of each element x and `other`'s y; 0 where x is 0.",
        |a, b| a.f_xlogy(b)
    ),
    Function::like(
        "float_power",
        "Returns each element to the power of `exponent`, in float64.",
        Home::Both,
        &[(
            "exponent: Tensor|number",
            Body::Of(|t, call| one(t.f_float_power(&call.operand("exponent", t)?))),
        )],
    ),
    Function::like(
        "clamp_min",
        "Returns each element, but no less than `min`.",
        Home::Both,
        &[("min: Tensor|number", Body::Of(|t, call| bounded(t, call, "min")))],
    ),
    Function::like(
        "clamp_max",
        "Returns each element, but no more than `max`.",
        Home::Both,
        &[("max: Tensor|number", Body::Of(|t, call| bounded(t, call, "max")))],
    ),
    Function::like(
        "lerp",
        "Returns the point between the tensor (`weight` 0) and `end` (1).",
        Home::Both,
        &[("end: Tensor, weight: Tensor|number", Body::Of(lerp))],
    ),
    Function::like(
        "addcmul",
        "Returns the tensor plus `value` times the product of two others.",
        Home::Both,
        &[(
            "tensor1: Tensor, tensor2: Tensor, *, value: number = 1",
            Body::Of(|t, call| plus_combined(t, call, false)),
        )],
    ),
    Function::like(
        "addcdiv",
        "Returns the tensor plus `value` times the quotient of two others.",
        Home::Both,
        &[(
            "tensor1: Tensor, tensor2: Tensor, *, value: number = 1",
            Body::Of(|t, call| plus_combined(t, call, true)),
        )],
    ),
    Function::like(
        "rsub",
        "Returns `other` minus the tensor.",
        Home::Torch,
        &[(
            "other: Tensor|number",
            Body::Of(|t, call| with_other("rsub", |a, b| b.f_sub(a), t, call)),
        )],
    ),
    Function::like(
        "isclose",
        "Returns true where elements are close to `other`'s: `|a - b| <= atol + rtol |b|`.",
        Home::Both,
        &[(
            "other: Tensor, rtol: number = 1e-5, atol: number = 1e-8, equal_nan: bool = false",
            Body::Of(are_close),
        )],
    ),
    Function::like(
        "dist",
        "Returns the `p` norm of the difference to `other`, a number without dimensions.",
        Home::Both,
        &[("other: Tensor, p: number = 2", Body::Of(distance))],
    ),
];
