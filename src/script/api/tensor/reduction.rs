//! Functions that reduce a tensor to one number, or along some of its dimensions.

use rhai::Dynamic;

use super::call::{Call, one, values_and_indices};
use super::definition::{Body, Function, Home, Memory};
use super::{Options, input_error};
use crate::error::{Error, Result};
use crate::tensor::{Kind, TchError, Tensor, norm};

type Fallible = Result<Tensor, TchError>;

/// Means, norms and variances of whole numbers and truth values are those of float32.
pub fn floating(tensor: &Tensor) -> Fallible {
    if tensor.is_floating_point() {
        Ok(tensor.shallow_clone())
    } else {
        tensor.f_to_kind(Kind::Float)
    }
}

/// The tensor in the dtype that was given, which a sum or product is then computed in.
fn in_kind(tensor: &Tensor, call: &Call<'_>) -> Result<Tensor> {
    match call.kind("dtype")? {
        Some(kind) => tensor.f_to_kind(kind).map_err(input_error),
        None => Ok(tensor.shallow_clone()),
    }
}

const NO_KIND: Option<Kind> = None;

fn sum(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let dims = call.ints("dim")?;
    one(in_kind(tensor, call)?.f_sum_dim_intlist(dims.as_deref(), keepdim(call), NO_KIND))
}

fn mean(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let dims = call.ints("dim")?;
    let tensor = in_kind(tensor, call)?;
    one(floating(&tensor).and_then(|t| t.f_mean_dim(dims.as_deref(), keepdim(call), NO_KIND)))
}

/// `keepdim`, false where the signature has none.
fn keepdim(call: &Call<'_>) -> bool {
    call.flag("keepdim").unwrap_or(false)
}

/// Variance by whichever of `unbiased` and `correction` the signature has.
pub fn variance(tensor: &Tensor, call: &Call<'_>) -> Result<Tensor> {
    let correction = match (call.lacks("unbiased"), call.lacks("correction")) {
        (false, _) => f64::from(u8::from(call.flag("unbiased")?)),
        (true, false) => call.number("correction")?,
        (true, true) => 1.0,
    };
    let dims = call.ints("dim")?;
    floating(tensor)
        .and_then(|t| norm::variance(&t, dims.as_deref(), correction, keepdim(call)))
        .map_err(input_error)
}

fn var(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    one(Ok(variance(tensor, call)?))
}

/// The root of the variance.
pub fn std(tensor: &Tensor, call: &Call<'_>) -> Result<Tensor> {
    variance(tensor, call)?.f_sqrt().map_err(input_error)
}

/// Order of a norm: a number, or PyTorch's names for the ordinary one.
fn order(call: &Call<'_>) -> Result<f64> {
    let Ok(name) = call.text("p") else {
        return call.number("p");
    };
    match name.as_str() {
        "fro" => Ok(2.0),
        "inf" => Ok(f64::INFINITY),
        _ => Err(Error::unknown("norm", &name, &["fro", "inf"])
            .hint("or a number: 1 for the sum of absolute values, 2 for the Euclidean norm")
            .under("p")),
    }
}

fn norm_of(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let p = order(call)?;
    let tensor = floating(&in_kind(tensor, call)?).map_err(input_error)?;
    one(norm::norm(
        &tensor,
        p,
        call.ints("dim")?.as_deref(),
        call.flag("keepdim")?,
    ))
}

/// `true` or `false` rather than a tensor, so that `if` takes it.
fn truth(result: Fallible) -> Result<Dynamic> {
    let value = result.and_then(|t| t.f_int64_value(&[]));
    value.map(|value| Dynamic::from(value != 0)).map_err(input_error)
}

fn quantile(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (dim, keepdim) = (call.optional_int("dim")?, call.flag("keepdim")?);
    let interpolation = call.text("interpolation")?;
    let tensor = floating(tensor).map_err(input_error)?;
    one(match call.number("q") {
        Ok(q) => tensor.f_quantile_scalar(q, dim, keepdim, &interpolation),
        Err(_) => {
            let q = call.value("q", &Options::new(Some(tensor.kind()), tensor.device()))?;
            tensor.f_quantile(&q, dim, keepdim, &interpolation)
        }
    })
}

const fn reduction(
    name: &'static str,
    docs: &'static str,
    overloads: &'static [(&'static str, Body)],
) -> Function {
    Function::new(name, docs, Home::Both, Memory::Own, overloads)
}

const OVER_ALL: &str = "*, dtype: dtype? = ()";
const OVER_DIMS: &str = "dim: int|array?, keepdim: bool = false, *, dtype: dtype? = ()";
const OVER_ONE: &str = "dim: int, keepdim: bool = false -> map";
const OPTIONAL_DIM: &str = "dim: int? = (), keepdim: bool = false";
const UNBIASED: &str = "unbiased: bool";
const DIM_UNBIASED: &str = "dim: int|array?, unbiased: bool = true, keepdim: bool = false";
const CORRECTION: &str = "dim: int|array? = (), *, correction: number? = (), keepdim: bool = false";

/// The table.
pub const FUNCTIONS: &[Function] = &[
    reduction(
        "sum",
        "Returns the sum of the elements.",
        &[(OVER_ALL, Body::Of(sum)), (OVER_DIMS, Body::Of(sum))],
    ),
    reduction(
        "mean",
        "Returns the mean of the elements; of whole numbers in float32.",
        &[(OVER_ALL, Body::Of(mean)), (OVER_DIMS, Body::Of(mean))],
    ),
    reduction(
        "prod",
        "Returns the product of the elements.",
        &[
            (
                OVER_ALL,
                Body::Of(|t, call| one(in_kind(t, call)?.f_prod(NO_KIND))),
            ),
            (
                "dim: int, keepdim: bool = false, *, dtype: dtype? = ()",
                Body::Of(|t, call| {
                    one(in_kind(t, call)?.f_prod_dim_int(call.int("dim")?, call.flag("keepdim")?, NO_KIND))
                }),
            ),
        ],
    ),
    reduction(
        "std",
        "Returns the standard deviation, with n - 1 in the denominator unless `unbiased` is false; of a single number it is NaN.",
        &[
            (UNBIASED, Body::Of(|t, call| one(Ok(std(t, call)?)))),
            (DIM_UNBIASED, Body::Of(|t, call| one(Ok(std(t, call)?)))),
            (CORRECTION, Body::Of(|t, call| one(Ok(std(t, call)?)))),
        ],
    ),
    reduction(
        "var",
        "Returns the variance, with n - 1 in the denominator unless `unbiased` is false; of a single number it is NaN.",
        &[
            (UNBIASED, Body::Of(var)),
            (DIM_UNBIASED, Body::Of(var)),
            (CORRECTION, Body::Of(var)),
        ],
    ),
    reduction(
        "variance",
        "Returns the same as `var`.",
        &[
            (UNBIASED, Body::Of(var)),
            (DIM_UNBIASED, Body::Of(var)),
            (CORRECTION, Body::Of(var)),
        ],
    ),
    reduction(
        "norm",
        "Returns the norm of order `p`, the Euclidean one unless it is given: of all elements, or along `dim`. `x.norm(1)` is the \
         sum of absolute values, `x.norm(2, 1)` the Euclidean norm along dimension 1.",
        &[(
            "p: number|string = \"fro\", dim: int|array? = (), keepdim: bool = false, *, dtype: dtype? = ()",
            Body::Of(norm_of),
        )],
    ),
    reduction(
        "max",
        "Returns the largest element; along `dim` `#{ values, indices }` (the values alone are `amax(dim)`); of two tensors the \
         larger of each two elements.",
        &[
            ("", Body::Of(|t, _| one(t.f_max()))),
            (
                OVER_ONE,
                Body::Of(|t, call| values_and_indices(t.f_max_dim(call.int("dim")?, call.flag("keepdim")?))),
            ),
            (
                "other: Tensor",
                Body::Of(|t, call| one(t.f_maximum(&call.tensor("other")?))),
            ),
        ],
    ),
    reduction(
        "min",
        "Returns the smallest element; along `dim` `#{ values, indices }` (the values alone are `amin(dim)`); of two tensors \
         the smaller of each two elements.",
        &[
            ("", Body::Of(|t, _| one(t.f_min()))),
            (
                OVER_ONE,
                Body::Of(|t, call| values_and_indices(t.f_min_dim(call.int("dim")?, call.flag("keepdim")?))),
            ),
            (
                "other: Tensor",
                Body::Of(|t, call| one(t.f_minimum(&call.tensor("other")?))),
            ),
        ],
    ),
    reduction(
        "amax",
        "Returns the largest elements along `dim`, or of all.",
        &[(
            "dim: int|array = (), keepdim: bool = false",
            Body::Of(|t, call| one(t.f_amax(call.sizes("dim")?, call.flag("keepdim")?))),
        )],
    ),
    reduction(
        "amin",
        "Returns the smallest elements along `dim`, or of all.",
        &[(
            "dim: int|array = (), keepdim: bool = false",
            Body::Of(|t, call| one(t.f_amin(call.sizes("dim")?, call.flag("keepdim")?))),
        )],
    ),
    reduction(
        "argmax",
        "Returns the index of the largest element, along `dim` or among all.",
        &[(
            OPTIONAL_DIM,
            Body::Of(|t, call| one(t.f_argmax(call.optional_int("dim")?, call.flag("keepdim")?))),
        )],
    ),
    reduction(
        "argmin",
        "Returns the index of the smallest element, along `dim` or among all.",
        &[(
            OPTIONAL_DIM,
            Body::Of(|t, call| one(t.f_argmin(call.optional_int("dim")?, call.flag("keepdim")?))),
        )],
    ),
    reduction(
        "logsumexp",
        "log(sum(exp(x))) along `dim`, computed without overflow. Of all elements: `x.flatten().logsumexp(0)`.",
        &[(
            "dim: int|array, keepdim: bool = false",
            Body::Of(|t, call| {
                let dims = call.sizes("dim")?;
                one(floating(t).and_then(|t| t.f_logsumexp(dims, keepdim(call))))
            }),
        )],
    ),
    reduction(
        "median",
        "Returns the middle element, of two the lower; along `dim` `#{ values, indices }`.",
        &[
            ("", Body::Of(|t, _| one(t.f_median()))),
            (
                OVER_ONE,
                Body::Of(|t, call| {
                    values_and_indices(t.f_median_dim(call.int("dim")?, call.flag("keepdim")?))
                }),
            ),
        ],
    ),
    reduction(
        "quantile",
        "Returns the `q` quantile, of 0 to 1, or several for an array or tensor of them.",
        &[(
            "q: number|array|Tensor, dim: int? = (), keepdim: bool = false, *, interpolation: string = \"linear\"",
            Body::Of(quantile),
        )],
    ),
    reduction(
        "all",
        "Returns whether all elements are true (not 0): `true` or `false`; along `dim` a bool tensor.",
        &[
            ("-> bool", Body::Of(|t, _| truth(t.f_all()))),
            (
                "dim: int|array, keepdim: bool = false",
                Body::Of(|t, call| one(t.f_all_dims(call.ints("dim")?.as_deref(), call.flag("keepdim")?))),
            ),
        ],
    ),
    reduction(
        "any",
        "Returns whether any element is true (not 0): `true` or `false`; along `dim` a bool tensor.",
        &[
            ("-> bool", Body::Of(|t, _| truth(t.f_any()))),
            (
                "dim: int|array, keepdim: bool = false",
                Body::Of(|t, call| one(t.f_any_dims(call.ints("dim")?.as_deref(), call.flag("keepdim")?))),
            ),
        ],
    ),
];
