//! `torch::nn::functional`: what layers of networks compute.

use rhai::Dynamic;

use super::arithmetic::float_like;
use super::call::{Call, one};
use super::definition::{Body, Function, Home, Memory};
use super::input_error;
use super::select::check_indices;
use crate::error::{Error, Result};
use crate::tensor::{Kind, TchError, Tensor, norm, size};

type Fallible = Result<Tensor, TchError>;

const fn layer(
    name: &'static str,
    docs: &'static str,
    overloads: &'static [(&'static str, Body)],
) -> Function {
    Function::new(name, docs, Home::Functional, Memory::Like, overloads)
}

macro_rules! plain {
    ($name:literal, $docs:literal, $call:expr $(,)?) => {
        layer($name, $docs, &[("", Body::Of(|t, _| one(($call)(t))))])
    };
}

/// A number argument as a tensor beside `tensor`.
fn scalar(tensor: &Tensor, call: &Call<'_>, name: &str) -> Result<Tensor> {
    float_like(tensor, call.number(name)?)
}

/// `x` where it is positive, elsewhere what `below` makes of it.
fn above_zero(tensor: &Tensor, below: impl FnOnce(&Tensor) -> Fallible) -> Result<Dynamic> {
    let result = || {
        let zero = tensor.f_zeros_like()?;
        // Of the other half nothing comes that could overflow.
        let negative = tensor.f_minimum(&zero)?;
        below(&negative)?.f_where_self(&tensor.f_le_tensor(&zero)?, tensor)
    };
    one(result())
}

fn leaky_relu(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let slope = scalar(tensor, call, "negative_slope")?;
    above_zero(tensor, |below| below.f_mul(&slope))
}

fn elu(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let alpha = scalar(tensor, call, "alpha")?;
    above_zero(tensor, |below| below.f_expm1()?.f_mul(&alpha))
}

fn celu(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let alpha = scalar(tensor, call, "alpha")?;
    above_zero(tensor, |below| below.f_div(&alpha)?.f_expm1()?.f_mul(&alpha))
}

/// `log(1 + exp(beta x)) / beta`, and `x` itself where `beta x` is above `threshold`.
fn softplus(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (beta, threshold) = (scalar(tensor, call, "beta")?, scalar(tensor, call, "threshold")?);
    let result = || {
        let scaled = tensor.f_mul(&beta)?;
        let is_above = scaled.f_gt_tensor(&threshold)?;
        let soft = scaled.f_minimum(&threshold.f_to_kind(tensor.kind())?)?;
        let soft = soft.f_exp()?.f_log1p()?.f_div(&beta)?;
        tensor.f_where_self(&is_above, &soft)
    };
    one(result())
}

fn hardtanh(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let [low, high] = ["min_val", "max_val"].map(|name| scalar(tensor, call, name));
    one(tensor.f_clamp_tensor(Some(low?), Some(high?)))
}

/// Nearer to 0 by `lambd`, or 0: softly, or as it is beyond that.
fn shrink(tensor: &Tensor, call: &Call<'_>, is_soft: bool) -> Result<Dynamic> {
    let lambd = scalar(tensor, call, "lambd")?;
    let result = || {
        let rest = tensor.f_abs()?.f_sub(&lambd)?.f_relu()?;
        if is_soft {
            rest.f_mul(&tensor.f_sign()?)
        } else {
            tensor.f_where_self(&rest.f_gt_tensor(&rest.f_zeros_like()?)?, &tensor.f_zeros_like()?)
        }
    };
    one(result())
}

fn threshold(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (threshold, value) = (scalar(tensor, call, "threshold")?, scalar(tensor, call, "value")?);
    let value = value.f_to_kind(tensor.kind()).map_err(input_error)?;
    one(tensor
        .f_gt_tensor(&threshold)
        .and_then(|is_above| tensor.f_where_self(&is_above, &value)))
}

/// Softmax of the negatives.
fn softmin(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let dim = call.int("dim")?;
    one(tensor
        .f_neg()
        .and_then(|t| t.f_softmax(dim, call.kind("dtype").ok().flatten())))
}

fn normalize(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (p, dims) = (call.number("p")?, call.sizes("dim")?);
    let floor = scalar(tensor, call, "eps")?;
    let length = norm::norm(tensor, p, Some(&dims), true).map_err(input_error)?;
    one(length
        .f_clamp_tensor(Some(floor), None)
        .and_then(|length| tensor.f_div(&length)))
}

fn layer_norm(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (weight, bias) = (call.optional_tensor("weight")?, call.optional_tensor("bias")?);
    one(tensor.f_layer_norm(
        call.sizes("normalized_shape")?,
        weight,
        bias,
        call.number("eps")?,
        false,
    ))
}

fn rms_norm(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    one(tensor.f_rms_norm(
        call.sizes("normalized_shape")?,
        call.optional_tensor("weight")?,
        call.optional_number("eps")?,
    ))
}

fn linear(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (weight, bias) = (call.tensor("weight")?, call.optional_tensor("bias")?);
    let rows = tensor.numel() as i64 / tensor.size().last().copied().unwrap_or(1).max(1);
    let columns = weight.size().first().copied().unwrap_or(1);
    size::admit(&[rows, columns], tensor.kind(), tensor.device())?;
    one(tensor.f_linear(&weight, bias))
}

fn embedding(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let weight = call.tensor("weight")?;
    let [entries, width] = weight.size()[..] else {
        return Err(Error::input("an embedding is a matrix (entries, width)").under("weight"));
    };
    check_indices(tensor, entries)?;
    size::admit(&[tensor.numel() as i64, width], weight.kind(), weight.device())?;
    one(Tensor::f_embedding(&weight, tensor, -1, false, false))
}

/// A row of zeros with a 1 for each whole number.
fn one_hot(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let mut classes = call.int("num_classes")?;
    if classes < 0 && tensor.numel() > 0 {
        let highest = tensor.f_max().and_then(|highest| highest.f_int64_value(&[]));
        classes = highest.map_err(input_error)?.saturating_add(1);
    }
    size::admit(
        &[tensor.numel() as i64, classes.max(0)],
        Kind::Int64,
        tensor.device(),
    )?;
    check_indices(tensor, classes)?;
    one(tensor.f_one_hot(classes))
}

fn dropout(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    one(tensor.f_dropout(call.number("p")?, call.flag("training")?))
}

fn attention(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    one(Tensor::f_scaled_dot_product_attention(
        tensor,
        &call.tensor("key")?,
        &call.tensor("value")?,
        call.optional_tensor("attn_mask")?,
        call.number("dropout_p")?,
        call.flag("is_causal")?,
        call.optional_number("scale")?,
        false,
    ))
}

/// The table.
pub const FUNCTIONS: &[Function] = &[
    plain!(
        "silu",
        "Returns x times the sigmoid of x, of each element x.",
        Tensor::f_silu
    ),
    plain!(
        "mish",
        "Returns x tanh(log(1 + exp(x))) of each element x.",
        Tensor::f_mish
    ),
    Function::new(
        "selu",
        "Returns the scaled exponential linear unit of each element.",
        Home::Modules,
        Memory::Like,
        &[("", Body::Of(|t, _| one(t.f_selu())))],
    ),
    plain!(
        "relu6",
        "Returns each element, but no less than 0 and no more than 6.",
        Tensor::f_relu6
    ),
    plain!(
        "hardsigmoid",
        "Returns x / 6 + 1/2 of each element x, within 0 to 1.",
        Tensor::f_hardsigmoid
    ),
    plain!(
        "hardswish",
        "Returns x times the hard sigmoid of x, of each element x.",
        Tensor::f_hardswish
    ),
    plain!(
        "logsigmoid",
        "Returns log(sigmoid(x)) of each element x, without overflow.",
        Tensor::f_log_sigmoid
    ),
    plain!(
        "softsign",
        "Returns x / (1 + |x|) of each element x.",
        |t: &Tensor| t.f_div(&t.f_abs()?.f_add(&t.f_ones_like()?)?)
    ),
    plain!(
        "tanhshrink",
        "Returns x - tanh(x) of each element x.",
        |t: &Tensor| t.f_sub(&t.f_tanh()?)
    ),
    layer(
        "leaky_relu",
        "Returns each element, times `negative_slope` where it is below 0.",
        &[("negative_slope: number = 0.01", Body::Of(leaky_relu))],
    ),
    layer(
        "elu",
        "Returns each element x, and `alpha` (exp(x) - 1) where it is below 0.",
        &[("alpha: number = 1.0", Body::Of(elu))],
    ),
    Function::new(
        "celu",
        "Returns each element x, and `alpha` (exp(x / `alpha`) - 1) where it is below 0.",
        Home::Functional,
        Memory::Like,
        &[("alpha: number = 1.0", Body::Of(celu))],
    ),
    layer(
        "softplus",
        "Returns log(1 + exp(`beta` x)) / `beta` of each element x, and x itself where `beta` x is above `threshold`.",
        &[("beta: number = 1, threshold: number = 20", Body::Of(softplus))],
    ),
    layer(
        "hardtanh",
        "Returns each element, but no less than `min_val` and no more than `max_val`.",
        &[(
            "min_val: number = -1.0, max_val: number = 1.0",
            Body::Of(hardtanh),
        )],
    ),
    layer(
        "softshrink",
        "Returns each element nearer to 0 by `lambd`, and 0 where it was nearer than that.",
        &[("lambd: number = 0.5", Body::Of(|t, call| shrink(t, call, true)))],
    ),
    layer(
        "hardshrink",
        "Returns each element, and 0 where it is no further from 0 than `lambd`.",
        &[("lambd: number = 0.5", Body::Of(|t, call| shrink(t, call, false)))],
    ),
    layer(
        "threshold",
        "Returns each element, and `value` where it is not above `threshold`.",
        &[("threshold: number, value: number", Body::Of(threshold))],
    ),
    layer(
        "glu",
        "Returns the first half along `dim` times the sigmoid of the second.",
        &[(
            "dim: int = -1",
            Body::Of(|t, call| one(t.f_glu(call.int("dim")?))),
        )],
    ),
    layer(
        "softmin",
        "Returns probabilities along `dim`: exp(-x) over their sum.",
        &[("dim: int, *, dtype: dtype? = ()", Body::Of(softmin))],
    ),
    layer(
        "normalize",
        "Returns the tensor over its `p` norm along `dim`, which is `eps` at least.",
        &[(
            "p: number = 2.0, dim: int|array = 1, eps: number = 1e-12",
            Body::Of(normalize),
        )],
    ),
    layer(
        "layer_norm",
        "Returns the tensor with mean 0 and variance 1 over the last dimensions, whose sizes are `normalized_shape`, \
         times `weight` plus `bias`.",
        &[(
            "normalized_shape: array, weight: Tensor? = (), bias: Tensor? = (), eps: number = 1e-5",
            Body::Of(layer_norm),
        )],
    ),
    layer(
        "rms_norm",
        "Returns the tensor over its root mean square over the last dimensions, whose sizes are `normalized_shape`, \
         times `weight`.",
        &[(
            "normalized_shape: array, weight: Tensor? = (), eps: number? = ()",
            Body::Of(rms_norm),
        )],
    ),
    Function::new(
        "linear",
        "Returns `(…, n)` times a `weight` `(m, n)` transposed, plus a `bias` `(m)`: `(…, m)`.",
        Home::Functional,
        Memory::Own,
        &[("weight: Tensor, bias: Tensor? = ()", Body::Of(linear))],
    ),
    Function::new(
        "embedding",
        "Returns the rows of `weight` `(entries, width)` that a tensor of indices names.",
        Home::Functional,
        Memory::Own,
        &[("weight: Tensor", Body::Of(embedding))],
    ),
    Function::new(
        "one_hot",
        "Returns for each whole number a row of zeros with a 1 in its place, of `num_classes` numbers or as many as the \
         largest needs.",
        Home::Functional,
        Memory::Own,
        &[("num_classes: int = -1", Body::Of(one_hot))],
    ),
    Function::new(
        "dropout",
        "Returns the tensor with 0 for elements drawn with probability `p`, and the rest over 1 - `p`; as it is where \
         `training` is false.",
        Home::Functional,
        Memory::Like,
        &[("p: number = 0.5, training: bool = true", Body::Of(dropout))],
    ),
    layer(
        "scaled_dot_product_attention",
        "Returns the attention of queries `(…, n, d)` over `key` `(…, m, d)` and `value` `(…, m, e)`: `(…, n, e)`.",
        &[(
            "key: Tensor, value: Tensor, attn_mask: Tensor? = (), dropout_p: number = 0.0, is_causal: bool = false, \
             scale: number? = ()",
            Body::Of(attention),
        )],
    ),
];
