//! Reductions that pass over what is not a number, spreads, differences and areas.

use rhai::Dynamic;

use super::call::{Call, map, one, values_and_indices};
use super::convert::Options;
use super::definition::{Body, Function, Home, Memory};
use super::input_error;
use super::reduction::{floating, std, variance};
use super::select::entries;
use crate::error::Result;
use crate::tensor::{Kind, Tensor, norm, range, size};

const fn statistic(
    name: &'static str,
    docs: &'static str,
    overloads: &'static [(&'static str, Body)],
) -> Function {
    Function::new(name, docs, Home::Both, Memory::Like, overloads)
}

fn nansum(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (dims, kind) = (call.ints("dim")?, call.kind("dtype")?);
    one(tensor.f_nansum(dims.as_deref(), call.flag("keepdim")?, kind))
}

fn nanmean(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (dims, kind) = (call.ints("dim")?, call.kind("dtype")?);
    one(tensor.f_nanmean(dims.as_deref(), call.flag("keepdim")?, kind))
}

fn nanquantile(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (dim, keepdim) = (call.optional_int("dim")?, call.flag("keepdim")?);
    let interpolation = call.text("interpolation")?;
    let q = call.value("q", &Options::new(Some(tensor.kind()), tensor.device()))?;
    one(tensor.f_nanquantile(&q, dim, keepdim, &interpolation))
}

/// The mean beside a spread, in one map.
fn with_mean(tensor: &Tensor, call: &Call<'_>, name: &str, spread: Tensor) -> Result<Dynamic> {
    let dims = call.ints("dim")?;
    let mean = floating(tensor)
        .and_then(|t| {
            t.f_mean_dim(
                dims.as_deref(),
                call.flag("keepdim").unwrap_or(false),
                None::<Kind>,
            )
        })
        .map_err(input_error)?;
    map([(name, spread), ("mean", mean)])
}

/// Covariances of the rows, each a variable.
fn covariance(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    admit_pairs(tensor)?;
    let [frequencies, weights] = ["fweights", "aweights"].map(|name| call.optional_tensor(name));
    one(tensor.f_cov(call.int("correction")?, frequencies?, weights?))
}

fn admit_pairs(tensor: &Tensor) -> Result<()> {
    let rows = tensor.size().first().copied().unwrap_or(1);
    size::admit(&[rows, rows], tensor.kind(), tensor.device())
}

fn difference(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let [before, after] = ["prepend", "append"].map(|name| call.optional_tensor(name));
    one(tensor.f_diff(call.int("n")?, call.int("dim")?, before?, after?))
}

/// By the trapezoidal rule: at points `x`, or `dx` apart.
fn area(tensor: &Tensor, call: &Call<'_>, is_running: bool) -> Result<Dynamic> {
    let dim = call.int("dim")?;
    let points = match call.optional_tensor("x")? {
        Some(points) => points,
        None => {
            let count = entries(tensor, dim).unwrap_or(0) as f64;
            let kind = floating(tensor).map_err(input_error)?.kind();
            let apart = call.number("dx")?;
            let row = range::range(0.0, count, 1.0, (kind, tensor.device()))?;
            row.f_mul_scalar(apart).map_err(input_error)?
        }
    };
    one(if is_running {
        Tensor::f_cumulative_trapezoid_x(tensor, &points, dim)
    } else {
        Tensor::f_trapezoid_x(tensor, &points, dim)
    })
}

/// Entries along a dimension, shortened to a norm.
fn renormalised(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (p, most) = (call.number("p")?, call.number("maxnorm")?);
    let dim = call.int("dim")?;
    let rank = tensor.dim() as i64;
    let others: Vec<i64> = (0..rank).filter(|at| *at != (dim + rank) % rank.max(1)).collect();
    let factor = || {
        let norms = norm::norm(tensor, p, Some(&others), true)?;
        let shorter = norms.f_add_scalar(1e-7)?.f_reciprocal()?.f_mul_scalar(most)?;
        shorter.f_where_self(&norms.f_gt(most)?, &norms.f_ones_like()?)
    };
    one(factor().and_then(|factor| tensor.f_mul(&factor)))
}

const OVER_DIMS: &str = "dim: int|array? = (), keepdim: bool = false, *, dtype: dtype? = ()";
const SPREAD: &str = "dim: int|array? = (), *, correction: number? = (), keepdim: bool = false -> map";
const AREA_AT: &str = "x: Tensor, *, dim: int = -1";
const AREA: &str = "*, dx: number = 1, dim: int = -1";

/// The table.
pub const FUNCTIONS: &[Function] = &[
    statistic(
        "nansum",
        "Returns the sum of what is a number, of all or along `dim`.",
        &[(OVER_DIMS, Body::Of(nansum))],
    ),
    statistic(
        "nanmean",
        "Returns the mean of what is a number, of all or along `dim`.",
        &[(OVER_DIMS, Body::Of(nanmean))],
    ),
    statistic(
        "nanmedian",
        "Returns the middle of what is a number, of two the lower; along `dim` `#{ values, indices }`.",
        &[
            ("", Body::Of(|t, _| one(t.f_nanmedian()))),
            (
                "dim: int, keepdim: bool = false -> map",
                Body::Of(|t, call| {
                    values_and_indices(t.f_nanmedian_dim(call.int("dim")?, call.flag("keepdim")?))
                }),
            ),
        ],
    ),
    statistic(
        "nanquantile",
        "Returns the `q` quantile, of 0 to 1, of what is a number, or several for an array or tensor of them.",
        &[(
            "q: number|array|Tensor, dim: int? = (), keepdim: bool = false, *, interpolation: string = \"linear\"",
            Body::Of(nanquantile),
        )],
    ),
    Function::new(
        "var_mean",
        "Returns `#{ variance, mean }` of all elements, or along `dim`.",
        Home::Torch,
        Memory::Like,
        &[(
            SPREAD,
            Body::Of(|t, call| with_mean(t, call, "variance", variance(t, call)?)),
        )],
    ),
    Function::new(
        "std_mean",
        "Returns `#{ std, mean }` of all elements, or along `dim`.",
        Home::Torch,
        Memory::Like,
        &[(
            SPREAD,
            Body::Of(|t, call| with_mean(t, call, "std", std(t, call)?)),
        )],
    ),
    Function::new(
        "cov",
        "Returns the covariances of the rows, each of which is a variable.",
        Home::Both,
        Memory::Own,
        &[(
            "*, correction: int = 1, fweights: Tensor? = (), aweights: Tensor? = ()",
            Body::Of(covariance),
        )],
    ),
    Function::new(
        "corrcoef",
        "Returns the correlations of the rows, each of which is a variable.",
        Home::Both,
        Memory::Own,
        &[(
            "",
            Body::Of(|t, _| {
                admit_pairs(t)?;
                one(t.f_corrcoef())
            }),
        )],
    ),
    statistic(
        "diff",
        "Returns the differences of neighbours along `dim`, `n` times.",
        &[(
            "n: int = 1, dim: int = -1, prepend: Tensor? = (), append: Tensor? = ()",
            Body::Of(difference),
        )],
    ),
    statistic(
        "logcumsumexp",
        "Returns log(sum(exp(x))) so far along `dim`, computed without overflow.",
        &[(
            "dim: int",
            Body::Of(|t, call| one(t.f_logcumsumexp(call.int("dim")?))),
        )],
    ),
    Function::new(
        "trapezoid",
        "Returns the area below the elements along `dim`, at points `x` or `dx` apart.",
        Home::Torch,
        Memory::Like,
        &[
            (AREA_AT, Body::Of(|t, call| area(t, call, false))),
            (AREA, Body::Of(|t, call| area(t, call, false))),
        ],
    ),
    Function::new(
        "cumulative_trapezoid",
        "Returns the areas so far below the elements along `dim`, at points `x` or `dx` apart.",
        Home::Torch,
        Memory::Like,
        &[
            (AREA_AT, Body::Of(|t, call| area(t, call, true))),
            (AREA, Body::Of(|t, call| area(t, call, true))),
        ],
    ),
    statistic(
        "renorm",
        "Returns a copy with the entries along `dim` shortened to a `p` norm of `maxnorm`.",
        &[("p: number, dim: int, maxnorm: number", Body::Of(renormalised))],
    ),
];
