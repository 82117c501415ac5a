//! Functions that put the same elements elsewhere, or several times.

use rhai::Dynamic;

use super::call::{Call, one, several};
use super::definition::{Body, Function, Home, Memory};
use super::input_error;
use super::select::{admit_parts, entries};
use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, TchError, Tensor, size};

fn move_dims(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    one(tensor.f_movedim(call.sizes("source")?, call.sizes("destination")?))
}

fn tile(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let dims = call.sizes("dims")?;
    let elements = size::elements(&dims)?.saturating_mul(tensor.numel() as u64);
    let elements = i64::try_from(elements).unwrap_or(i64::MAX);
    size::admit(&[elements], tensor.kind(), tensor.device())?;
    one(tensor.f_tile(dims))
}

/// Each entry so many times: one number for all, or one for each.
fn repeat_interleave(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let dim = call.optional_int("dim")?;
    if let Ok(times) = call.int("repeats") {
        let elements = (tensor.numel() as i64).saturating_mul(times);
        size::admit(&[elements], tensor.kind(), tensor.device())?;
        return one(tensor.f_repeat_interleave_self_int(times, dim, None));
    }
    let repeats = call.tensor("repeats")?;
    let negative = repeats.numel() > 0
        && repeats
            .f_min()
            .and_then(|least| least.f_int64_value(&[]))
            .map_err(input_error)?
            < 0;
    if negative {
        return Err(Error::input("entries cannot be repeated fewer than 0 times").under("repeats"));
    }
    let total = repeats
        .f_sum(Kind::Int64)
        .and_then(|sum| sum.f_int64_value(&[]))
        .map_err(input_error)?;
    let along = match dim {
        Some(dim) => entries(tensor, dim).unwrap_or(1).max(1),
        None => tensor.numel().max(1) as i64,
    };
    let elements = (tensor.numel() as i64 / along).saturating_mul(total);
    size::admit(&[elements], tensor.kind(), tensor.device())?;
    one(tensor.f_repeat_interleave_self_tensor(&repeats, dim, None))
}

fn unfold(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    one(tensor.f_unfold(call.int("dimension")?, call.int("size")?, call.int("step")?))
}

fn diagonal(
    tensor: &Tensor,
    call: &Call<'_>,
    function: fn(&Tensor, i64, i64, i64) -> Result<Tensor, TchError>,
) -> Result<Dynamic> {
    one(function(
        tensor,
        call.int("offset")?,
        call.int("dim1")?,
        call.int("dim2")?,
    ))
}

fn embedded_diagonal(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let side = tensor.size().last().copied().unwrap_or(1);
    let side = side.saturating_add_unsigned(call.int("offset")?.unsigned_abs());
    let elements = (tensor.numel() as i64).saturating_mul(side);
    size::admit(&[elements], tensor.kind(), tensor.device())?;
    diagonal(tensor, call, Tensor::f_diag_embed)
}

fn combinations(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (r, again) = (call.int("r")?, call.flag("with_replacement")?);
    let n = tensor.numel() as f64 + if again { (r - 1).max(0) as f64 } else { 0.0 };
    let rows = (0..r.clamp(0, 1000)).fold(1.0, |rows, at| rows * (n - at as f64).max(0.0) / (at + 1) as f64);
    // While they are made there is a mask of all pairs, triples, …
    let all = (tensor.numel() as f64)
        .powf(r.max(0) as f64)
        .max(rows * r.max(1) as f64);
    size::admit(&[all.min(i64::MAX as f64) as i64], Kind::Int64, tensor.device())?;
    one(tensor.f_combinations(r, again))
}

type Triangle = fn(i64, i64, i64, (Kind, Device)) -> Result<Tensor, TchError>;

/// Where the triangle is: a row of row numbers, a row of columns.
fn triangle(call: &Call<'_>, function: Triangle) -> Result<Dynamic> {
    let (row, col, to) = (
        call.int("row")?,
        call.int("col")?,
        call.kind_and_device(Kind::Int64)?,
    );
    size::admit(&[2, row, col], to.0, to.1)?;
    one(function(row, col, call.int("offset")?, to))
}

/// A number of parts, or where each but the first begins.
fn tensor_split(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let dim = call.int("dim")?;
    if let Ok(sections) = call.int("indices_or_sections") {
        if sections < 1 {
            return Err(Error::input(format!(
                "there is at least 1 part, but {sections} were asked for"
            )));
        }
        admit_parts(sections)?;
        return several(tensor.f_tensor_split(sections, dim));
    }
    let indices = call.sizes("indices_or_sections")?;
    admit_parts(indices.len() as i64 + 1)?;
    several(tensor.f_tensor_split_indices(indices, dim))
}

fn vandermonde(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let n = call.optional_int("N")?;
    let columns = n.unwrap_or(tensor.numel() as i64);
    size::admit(&[tensor.numel() as i64, columns], tensor.kind(), tensor.device())?;
    one(Tensor::f_vander(tensor, n, call.flag("increasing")?))
}

const OFFSET_FIRST: &str = "offset: int = 0, dim1: int = 0, dim2: int = 1";
const OFFSET_LAST: &str = "offset: int = 0, dim1: int = -2, dim2: int = -1";
const TRIANGLE: &str = "row: int, col: int, offset: int = 0, *, dtype: dtype? = (), device: string? = ()";

/// The table.
pub const FUNCTIONS: &[Function] = &[
    Function::like(
        "roll",
        "Returns the tensor with its entries moved on by `shifts` along `dims`; what leaves the end comes in at the start.",
        Home::Both,
        &[(
            "shifts: int|array, dims: int|array = ()",
            Body::Of(|t, call| one(t.f_roll(call.sizes("shifts")?, call.sizes("dims")?))),
        )],
    ),
    Function::like(
        "rot90",
        "Returns the tensor turned `k` times by 90° in the plane of two dimensions.",
        Home::Both,
        &[(
            "k: int = 1, dims: array = ()",
            Body::Of(|t, call| {
                let dims = call.ints("dims")?.unwrap_or_else(|| vec![0, 1]);
                one(t.f_rot90(call.int("k")?, dims))
            }),
        )],
    ),
    Function::like(
        "fliplr",
        "Returns the tensor with its columns in reverse order.",
        Home::Both,
        &[("", Body::Of(|t, _| one(t.f_fliplr())))],
    ),
    Function::like(
        "flipud",
        "Returns the tensor with its rows in reverse order.",
        Home::Both,
        &[("", Body::Of(|t, _| one(t.f_flipud())))],
    ),
    Function::like(
        "movedim",
        "Returns the tensor with the dimensions `source` at the places `destination`.",
        Home::Both,
        &[("source: int|array, destination: int|array", Body::Of(move_dims))],
    ),
    Function::like(
        "moveaxis",
        "Returns the tensor with the dimensions `source` at the places `destination`.",
        Home::Both,
        &[("source: int|array, destination: int|array", Body::Of(move_dims))],
    ),
    Function::like(
        "swapdims",
        "Returns the tensor with two dimensions swapped.",
        Home::Both,
        &[(
            "dim0: int, dim1: int",
            Body::Of(|t, call| one(t.f_swapdims(call.int("dim0")?, call.int("dim1")?))),
        )],
    ),
    Function::like(
        "swapaxes",
        "Returns the tensor with two dimensions swapped.",
        Home::Both,
        &[(
            "axis0: int, axis1: int",
            Body::Of(|t, call| one(t.f_swapaxes(call.int("axis0")?, call.int("axis1")?))),
        )],
    ),
    Function::like(
        "adjoint",
        "Returns the tensor with its last two dimensions swapped.",
        Home::Both,
        &[("", Body::Of(|t, _| one(t.f_adjoint())))],
    ),
    Function::like(
        "ravel",
        "Returns all elements in one dimension.",
        Home::Both,
        &[("", Body::Of(|t, _| one(t.f_ravel())))],
    ),
    Function::like(
        "unflatten",
        "Returns the tensor with one dimension taken apart into `sizes`, one of which may be -1.",
        Home::Both,
        &[(
            "dim: int, sizes: array",
            Body::Of(|t, call| one(t.f_unflatten(call.int("dim")?, call.sizes("sizes")?))),
        )],
    ),
    Function::like(
        "unfold",
        "Returns windows of `size` entries along a dimension, each `step` further on, in a new last dimension: a view.",
        Home::Method,
        &[("dimension: int, size: int, step: int", Body::Of(unfold))],
    ),
    Function::new(
        "tile",
        "Returns the whole tensor so many times along each dimension.",
        Home::Both,
        Memory::Own,
        &[("dims: int...|array", Body::Of(tile))],
    ),
    Function::new(
        "repeat_interleave",
        "Returns each entry along `dim`, or each element, so many times: a number for all or a tensor with one for each.",
        Home::Both,
        Memory::Own,
        &[("repeats: Tensor|int, dim: int? = ()", Body::Of(repeat_interleave))],
    ),
    Function::new(
        "broadcast_to",
        "Returns the tensor as if dimensions of size 1 were larger, without memory of its own.",
        Home::Both,
        Memory::Own,
        &[(
            "size: array",
            Body::Of(|t, call| one(t.f_broadcast_to(call.sizes("size")?))),
        )],
    ),
    Function::new(
        "expand_as",
        "Returns the tensor in the shape of another, without memory of its own.",
        Home::Method,
        Memory::Own,
        &[(
            "other: Tensor",
            Body::Of(|t, call| one(t.f_expand_as(&call.tensor("other")?))),
        )],
    ),
    Function::new(
        "view_as",
        "Returns the same elements, in the same memory, in the shape of another tensor.",
        Home::Method,
        Memory::Own,
        &[(
            "other: Tensor",
            Body::Of(|t, call| one(t.f_view_as(&call.tensor("other")?))),
        )],
    ),
    Function::like(
        "reshape_as",
        "Returns the same elements in the shape of another tensor.",
        Home::Method,
        &[(
            "other: Tensor",
            Body::Of(|t, call| one(t.f_reshape_as(&call.tensor("other")?))),
        )],
    ),
    Function::new(
        "type_as",
        "Returns the tensor in the dtype of another.",
        Home::Method,
        Memory::Own,
        &[(
            "other: Tensor",
            Body::Of(|t, call| {
                let kind = call.tensor("other")?.kind();
                size::admit_like(t, kind)?;
                one(t.f_to_kind(kind))
            }),
        )],
    ),
    Function::new(
        "diagonal",
        "Returns a diagonal of matrices: a view.",
        Home::Both,
        Memory::Own,
        &[(
            OFFSET_FIRST,
            Body::Of(|t, call| diagonal(t, call, Tensor::f_diagonal)),
        )],
    ),
    Function::new(
        "diag_embed",
        "Returns matrices with the last dimension on a diagonal, zeros elsewhere.",
        Home::Both,
        Memory::Own,
        &[(OFFSET_LAST, Body::Of(embedded_diagonal))],
    ),
    Function::new(
        "trace",
        "Returns the sum of a matrix's diagonal.",
        Home::Both,
        Memory::Own,
        &[("", Body::Of(|t, _| one(t.f_trace())))],
    ),
    Function::new(
        "tensor_split",
        "Returns so many parts along `dim`, of sizes that differ by 1 at most, or parts that begin at the indices in an \
         array.",
        Home::Both,
        Memory::Own,
        &[(
            "indices_or_sections: int|array, dim: int = 0 -> array",
            Body::Of(tensor_split),
        )],
    ),
    Function::new(
        "combinations",
        "Returns a row for each choice of `r` elements of a vector.",
        Home::Torch,
        Memory::Own,
        &[(
            "r: int = 2, with_replacement: bool = false",
            Body::Of(combinations),
        )],
    ),
    Function::new(
        "vander",
        "Returns the powers of each element: a Vandermonde matrix of `N` columns.",
        Home::Torch,
        Memory::Own,
        &[("N: int? = (), increasing: bool = false", Body::Of(vandermonde))],
    ),
    Function::new(
        "tril_indices",
        "Returns the rows and columns of the lower triangle of a matrix, `(2, n)`.",
        Home::Torch,
        Memory::Own,
        &[(
            TRIANGLE,
            Body::Free(|call| triangle(call, Tensor::f_tril_indices)),
        )],
    ),
    Function::new(
        "triu_indices",
        "Returns the rows and columns of the upper triangle of a matrix, `(2, n)`.",
        Home::Torch,
        Memory::Own,
        &[(
            TRIANGLE,
            Body::Free(|call| triangle(call, Tensor::f_triu_indices)),
        )],
    ),
];
