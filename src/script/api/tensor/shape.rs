//! Functions that give the same elements another shape, or tell the shape.

use rhai::{Array, Dynamic};

use super::call::{Call, one};
use super::definition::{Body, Function, Home};
use crate::error::{Error, Result, Subject};
use crate::tensor::{Kind, TchError, Tensor, size};

/// A view, or a copy where there can be none.
fn reshape(tensor: &Tensor, shape: Vec<i64>) -> Result<Dynamic> {
    check_rank(shape.len())?;
    if !tensor.is_contiguous() {
        size::admit_like(tensor, tensor.kind())?;
    }
    one(tensor.f_reshape(shape))
}

/// A call that would make a tensor of too many dimensions is refused.
fn check_rank(rank: usize) -> Result<()> {
    size::elements(&vec![1; rank]).map(drop)
}

fn view(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let shape = call.sizes("size")?;
    check_rank(shape.len())?;
    let result = tensor.f_view_(shape);
    one(result).map_err(|error| {
        if *error.subject() == Subject::NotViewable {
            Error::input("the elements do not lie in memory in the order that this view needs")
                .hint("use `reshape`, which copies them where that is so")
        } else {
            error
        }
    })
}

fn repeat(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let repeats = call.sizes("repeats")?;
    let times = size::elements(&repeats)?;
    let elements = times.saturating_mul(tensor.numel() as u64);
    let elements = i64::try_from(elements).unwrap_or(i64::MAX);
    size::admit(&[elements], tensor.kind(), tensor.device())?;
    one(tensor.f_repeat(repeats))
}

fn expand(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let shape = call.sizes("size")?;
    check_rank(shape.len())?;
    one(tensor.f_expand(shape, false))
}

fn squeeze(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    match call.ints("dim")? {
        None => one(tensor.f_squeeze()),
        Some(dims) => one(tensor.f_squeeze_dims(dims)),
    }
}

fn size_of(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let sizes = tensor.size();
    let Some(dim) = call.optional_int("dim")? else {
        return Ok(sizes.into_iter().map(Dynamic::from).collect::<Array>().into());
    };
    let index = if dim < 0 {
        dim.saturating_add(sizes.len() as i64)
    } else {
        dim
    };
    let size = usize::try_from(index).ok().and_then(|index| sizes.get(index));
    match size {
        Some(size) => Ok((*size).into()),
        None => Err(Error::input(format!(
            "there is no dimension {dim} in shape {sizes:?}"
        ))),
    }
}

fn unsqueeze(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    check_rank(tensor.dim() + 1)?;
    one(tensor.f_unsqueeze(call.int("dim")?))
}

fn contiguous(tensor: &Tensor) -> Result<Dynamic> {
    if !tensor.is_contiguous() {
        size::admit_like(tensor, tensor.kind())?;
    }
    one(tensor.f_contiguous())
}

/// Probabilities and their logarithms are computed in the dtype given, of whole numbers in float32.
fn softmax(tensor: &Tensor, call: &Call<'_>, log: bool) -> Result<Dynamic> {
    let whole = (!tensor.is_floating_point()).then_some(Kind::Float);
    let kind = call.kind("dtype")?.or(whole);
    size::admit_like(tensor, kind.unwrap_or(tensor.kind()))?;
    let dim = call.int("dim")?;
    one(if log {
        tensor.f_log_softmax(dim, kind)
    } else {
        tensor.f_softmax(dim, kind)
    })
}

/// Sums or products so far.
fn cumulative(
    tensor: &Tensor,
    call: &Call<'_>,
    function: fn(&Tensor, i64, Option<Kind>) -> Result<Tensor, TchError>,
) -> Result<Dynamic> {
    let kind = call.kind("dtype")?;
    size::admit_like(tensor, kind.unwrap_or(tensor.kind()))?;
    one(function(tensor, call.int("dim")?, kind))
}

const DIM_AND_DTYPE: &str = "dim: int, dtype: dtype? = ()";
const DIM_DTYPE_BY_NAME: &str = "dim: int, *, dtype: dtype? = ()";

/// The table.
pub const FUNCTIONS: &[Function] = &[
    Function::own(
        "size",
        "Returns the sizes of all dimensions, or of one; negative numbers count from the end.",
        Home::Method,
        &[
            ("-> array", Body::Of(size_of)),
            ("dim: int -> int", Body::Of(size_of)),
        ],
    ),
    Function::own(
        "dim",
        "Returns the number of dimensions.",
        Home::Method,
        &[("-> int", Body::Of(|t, _| Ok((t.dim() as i64).into())))],
    ),
    Function::own(
        "numel",
        "Returns the number of elements.",
        Home::Both,
        &[("-> int", Body::Of(|t, _| Ok((t.numel() as i64).into())))],
    ),
    Function::own(
        "transpose",
        "Returns the tensor with two dimensions swapped.",
        Home::Both,
        &[(
            "dim0: int, dim1: int",
            Body::Of(|t, call| one(t.f_transpose(call.int("dim0")?, call.int("dim1")?))),
        )],
    ),
    Function::own(
        "t",
        "Returns the matrix transposed.",
        Home::Both,
        &[("", Body::Of(|t, _| one(t.f_tr())))],
    ),
    Function::own(
        "permute",
        "Returns the tensor with its dimensions in the given order.",
        Home::Both,
        &[(
            "dims: int...|array",
            Body::Of(|t, call| one(t.f_permute(call.sizes("dims")?))),
        )],
    ),
    Function::own(
        "reshape",
        "Returns the same elements in another shape; one size may be -1.",
        Home::Both,
        &[(
            "shape: int...|array",
            Body::Of(|t, call| reshape(t, call.sizes("shape")?)),
        )],
    ),
    Function::own(
        "view",
        "Returns the same elements, in the same memory, in another shape; one size may be -1.",
        Home::Method,
        &[("size: int...|array", Body::Of(view))],
    ),
    Function::own(
        "flatten",
        "Returns the tensor with the dimensions from `start_dim` to `end_dim`, all unless given, as one.",
        Home::Both,
        &[(
            "start_dim: int = 0, end_dim: int = -1",
            Body::Of(|t, call| one(t.f_flatten(call.int("start_dim")?, call.int("end_dim")?))),
        )],
    ),
    Function::own(
        "unsqueeze",
        "Returns the tensor with a new dimension of size 1 at `dim`.",
        Home::Both,
        &[("dim: int", Body::Of(unsqueeze))],
    ),
    Function::own(
        "squeeze",
        "Returns the tensor without dimensions of size 1, or without those of `dim` whose size is 1.",
        Home::Both,
        &[("", Body::Of(squeeze)), ("dim: int|array", Body::Of(squeeze))],
    ),
    Function::own(
        "expand",
        "Returns the tensor with dimensions of size 1 as if they were larger, without memory of their own; -1 leaves a size as it is.",
        Home::Method,
        &[("size: int...|array", Body::Of(expand))],
    ),
    Function::own(
        "repeat",
        "Returns the whole tensor so many times along each dimension.",
        Home::Method,
        &[("repeats: int...|array", Body::Of(repeat))],
    ),
    Function::own(
        "contiguous",
        "Returns the same elements, one after the other in memory.",
        Home::Method,
        &[("", Body::Of(|t, _| contiguous(t)))],
    ),
    Function::own(
        "softmax",
        "Returns probabilities along `dim`: exp(x) over their sum.",
        Home::Everywhere,
        &[(DIM_AND_DTYPE, Body::Of(|t, call| softmax(t, call, false)))],
    ),
    Function::own(
        "log_softmax",
        "Returns the logarithms of the probabilities along `dim`.",
        Home::Everywhere,
        &[(DIM_AND_DTYPE, Body::Of(|t, call| softmax(t, call, true)))],
    ),
    Function::own(
        "cumsum",
        "Returns the sums so far along `dim`.",
        Home::Both,
        &[(
            DIM_DTYPE_BY_NAME,
            Body::Of(|t, call| cumulative(t, call, |t, dim, kind| t.f_cumsum(dim, kind))),
        )],
    ),
    Function::own(
        "cumprod",
        "Returns the products so far along `dim`.",
        Home::Both,
        &[(
            DIM_DTYPE_BY_NAME,
            Body::Of(|t, call| cumulative(t, call, |t, dim, kind| t.f_cumprod(dim, kind))),
        )],
    ),
    Function::own(
        "detach",
        "Returns the same values, without the history that gradients need.",
        Home::Both,
        &[("", Body::Of(|t, _| one(t.f_detach())))],
    ),
    Function::own(
        "clone",
        "Returns a copy with memory of its own.",
        Home::Both,
        &[(
            "",
            Body::Of(|t, _| {
                size::admit_like(t, t.kind())?;
                one(t.f_alias_copy())
            }),
        )],
    ),
    Function::own(
        "is_floating_point",
        "Is its dtype one of the floats?",
        Home::Both,
        &[("-> bool", Body::Of(|t, _| Ok(t.is_floating_point().into())))],
    ),
];
