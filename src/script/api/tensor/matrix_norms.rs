//! `torch::linalg`: norms of vectors and matrices.

use rhai::Dynamic;

use super::call::{Call, one};
use super::definition::{Body, Function};
use super::input_error;
use super::linalg::{linalg, matrix};
use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor, norm};

/// The order of a norm: a number, or a name of a norm of matrices.
enum Order {
    Number(f64),
    Named(String),
}

/// The argument `name`: a number, or one of the norms that have a name.
fn order(call: &Call<'_>, name: &str) -> Result<Option<Order>> {
    const NAMES: [&str; 2] = ["fro", "nuc"];
    if call.lacks(name) {
        return Ok(None);
    }
    match (call.number(name), call.text(name)) {
        (Ok(number), _) => Ok(Some(Order::Number(number))),
        (_, Ok(text)) if NAMES.contains(&text.as_str()) => Ok(Some(Order::Named(text))),
        (_, Ok(text)) => Err(Error::unknown("norm", &text, &NAMES)
            .hint("or a number, infinity is `1.0 / 0.0`")
            .under(name)),
        (Err(error), _) => Err(error),
    }
}

/// libtorch's norms, of one dimension for vectors and of two for matrices.
fn linalg_norm(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (dims, keepdim) = (call.ints("dim")?, call.flag("keepdim")?);
    let kind = call.kind("dtype")?;
    one(match order(call, "ord")? {
        None => norm::norm(&in_kind(tensor, kind)?, 2.0, dims.as_deref(), keepdim),
        Some(Order::Number(p)) => tensor.f_linalg_norm(p, dims.as_deref(), keepdim, kind),
        Some(Order::Named(name)) => tensor.f_linalg_norm_ord_str(&name, dims.as_deref(), keepdim, kind),
    })
}

fn in_kind(tensor: &Tensor, kind: Option<Kind>) -> Result<Tensor> {
    tensor
        .f_to_kind(kind.unwrap_or(tensor.kind()))
        .map_err(input_error)
}

fn vector_norm(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let tensor = in_kind(tensor, call.kind("dtype")?)?;
    let dims = call.ints("dim")?;
    one(norm::norm(
        &tensor,
        call.number("ord")?,
        dims.as_deref(),
        call.flag("keepdim")?,
    ))
}

fn matrix_norm(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    matrix(tensor)?;
    let dims = call.ints("dim")?.unwrap_or_else(|| vec![-2, -1]);
    let (keepdim, kind) = (call.flag("keepdim")?, call.kind("dtype")?);
    one(match order(call, "ord")? {
        Some(Order::Number(p)) => tensor.f_linalg_norm(p, Some(&dims[..]), keepdim, kind),
        Some(Order::Named(name)) => tensor.f_linalg_norm_ord_str(&name, Some(&dims[..]), keepdim, kind),
        None => tensor.f_linalg_norm_ord_str("fro", Some(&dims[..]), keepdim, kind),
    })
}

fn condition(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    matrix(tensor)?;
    one(match order(call, "p")? {
        Some(Order::Named(name)) => tensor.f_linalg_cond_p_str(&name),
        Some(Order::Number(p)) => tensor.f_linalg_cond(p),
        None => tensor.f_linalg_cond(2.0),
    })
}

/// The table.
pub const FUNCTIONS: &[Function] = &[
    linalg(
        "norm",
        "Returns the norm `ord` of vectors (one `dim`) or matrices (two): a number, \"fro\" or \"nuc\"; unless given the \
         root of the sum of squares.",
        &[(
            "ord: number|string? = (), dim: int|array? = (), keepdim: bool = false, *, dtype: dtype? = ()",
            Body::Of(linalg_norm),
        )],
    ),
    linalg(
        "vector_norm",
        "Returns the norm `ord` of all elements, or along `dim`.",
        &[(
            "ord: number = 2, dim: int|array? = (), keepdim: bool = false, *, dtype: dtype? = ()",
            Body::Of(vector_norm),
        )],
    ),
    linalg(
        "matrix_norm",
        "Returns the norm of matrices: \"fro\", \"nuc\", 1, -1, 2, -2 or an infinity.",
        &[(
            "ord: number|string = \"fro\", dim: array = (), keepdim: bool = false, *, dtype: dtype? = ()",
            Body::Of(matrix_norm),
        )],
    ),
    linalg(
        "cond",
        "Returns the condition number of matrices by the norm `p`.",
        &[("p: number|string? = ()", Body::Of(condition))],
    ),
];
