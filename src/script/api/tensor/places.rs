//! Functions that read and write at places that tensors of indices name.

use rhai::Dynamic;

use super::call::{Call, one};
use super::definition::{Body, Function, Home, Memory};
use super::input_error;
use super::select::{check_indices, index};
use crate::error::{Error, Result};
use crate::tensor::{Kind, TchError, Tensor, size};

const fn placed(
    name: &'static str,
    docs: &'static str,
    overloads: &'static [(&'static str, Body)],
) -> Function {
    Function::new(name, docs, Home::Both, Memory::Like, overloads)
}

/// The other tensor in the dtype of the one that it is written into, if that is the same kind of numbers.
fn source(tensor: &Tensor, call: &Call<'_>, name: &str) -> Result<Tensor> {
    call.stored(name, tensor)
}

fn index_add(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (dim, index) = index(tensor, call)?;
    let source = source(tensor, call, "source")?;
    let alpha = super::operand(&source, &call.get("alpha"))?;
    one(source
        .f_mul(&alpha)
        .and_then(|source| source.f_to_kind(tensor.kind()))
        .and_then(|source| tensor.f_index_add(dim, &index, &source)))
}

fn index_copy(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (dim, index) = index(tensor, call)?;
    let source = source(tensor, call, "source")?;
    one(tensor.f_index_copy(dim, &index, &source))
}

fn index_fill(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (dim, index) = index(tensor, call)?;
    let value = call.stored("value", tensor)?;
    one(tensor.f_index_fill_int_tensor(dim, &index, &value))
}

/// Indices into all elements in order.
fn flat_index(tensor: &Tensor, call: &Call<'_>) -> Result<Tensor> {
    let index = call.tensor("index")?;
    check_indices(&index, tensor.numel() as i64)?;
    Ok(index)
}

fn take(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let index = flat_index(tensor, call)?;
    size::admit_like(&index, tensor.kind())?;
    one(tensor.f_take(&index))
}

fn put(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let index = flat_index(tensor, call)?;
    let source = source(tensor, call, "source")?;
    one(tensor.f_put(&index, &source, call.flag("accumulate")?))
}

/// Along a dimension, or of all elements in order; the indices are broadcast.
fn take_along(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (indices, dim) = (call.tensor("indices")?, call.optional_int("dim")?);
    let shape = match dim {
        Some(_) => size::broadcast(&tensor.size(), &indices.size()),
        None => Some(indices.size()),
    };
    size::admit(&shape.unwrap_or_default(), tensor.kind(), tensor.device())?;
    if dim.is_none() {
        check_indices(&indices, tensor.numel() as i64)?;
    }
    one(tensor.f_take_along_dim(&indices, dim))
}

fn masked_scatter(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (mask, source) = (call.tensor("mask")?, source(tensor, call, "source")?);
    let wanted = mask
        .f_expand(tensor.size(), true)
        .and_then(|mask| mask.f_sum(Kind::Int64))
        .and_then(|sum| sum.f_int64_value(&[]))
        .map_err(input_error)?;
    if wanted > source.numel() as i64 {
        return Err(Error::input(format!(
            "the mask is true in {wanted} places, but there are {} values",
            source.numel()
        )));
    }
    one(tensor.f_masked_scatter(&mask, &source))
}

fn scatter_reduce(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    const WAYS: [&str; 5] = ["sum", "prod", "mean", "amax", "amin"];
    let (dim, index) = index(tensor, call)?;
    let (source, way) = (source(tensor, call, "src")?, call.text("reduce")?);
    if !WAYS.contains(&way.as_str()) {
        return Err(Error::unknown("reduction", &way, &WAYS).under("reduce"));
    }
    let include = call.flag("include_self")?;
    if source.dim() != index.dim()
        || source
            .size()
            .iter()
            .zip(index.size())
            .any(|(own, wanted)| *own < wanted)
    {
        return Err(Error::input(format!(
            "`src` has shape {:?}, which is less than the index's {:?}",
            source.size(),
            index.size()
        )));
    }
    size::admit_like(tensor, Kind::Int64)?;
    let result = || {
        // Where each element goes among all in order; there a reduction by one index does the same.
        let places = Tensor::f_arange(tensor.numel() as i64, (Kind::Int64, tensor.device()))?;
        let places = places
            .f_reshape(tensor.size())?
            .f_gather(dim, &index, false)?
            .f_flatten(0, -1)?;
        let mut taken = source;
        for (at, size) in index.size().into_iter().enumerate() {
            taken = taken.f_narrow(at as i64, 0, size)?;
        }
        let (flat, taken) = (tensor.f_flatten(0, -1)?, taken.f_reshape(-1)?);
        let reduced = match (way.as_str(), include) {
            ("sum", true) => flat.f_index_add(0, &places, &taken)?,
            ("sum", false) => flat
                .f_index_fill(0, &places, 0i64)?
                .f_index_add(0, &places, &taken)?,
            (way, include) => flat.f_index_reduce(0, &places, &taken, way, include)?,
        };
        reduced.f_reshape(tensor.size())
    };
    one(result())
}

/// A copy with another tensor in a part of it.
fn with_part(
    tensor: &Tensor,
    call: &Call<'_>,
    part: impl FnOnce(&Tensor) -> Result<Tensor, TchError>,
) -> Result<Dynamic> {
    let source = source(tensor, call, "src")?;
    let copy = tensor.f_alias_copy().map_err(input_error)?;
    let mut part = part(&copy).map_err(input_error)?;
    if part.size() != source.size() {
        return Err(Error::input(format!(
            "that part has shape {:?}, but `src` {:?}",
            part.size(),
            source.size()
        )));
    }
    one(part.f_copy_(&source).map(|()| copy))
}

/// The table.
pub const FUNCTIONS: &[Function] = &[
    placed(
        "index_add",
        "Returns a copy with entries of `source`, taken `alpha` times, added where `index` says along `dim`.",
        &[(
            "dim: int, index: Tensor, source: Tensor, *, alpha: number = 1",
            Body::Of(index_add),
        )],
    ),
    placed(
        "index_copy",
        "Returns a copy with entries of `source` where `index` says along `dim`.",
        &[("dim: int, index: Tensor, source: Tensor", Body::Of(index_copy))],
    ),
    placed(
        "index_fill",
        "Returns a copy with `value` in the entries that `index` names along `dim`.",
        &[(
            "dim: int, index: Tensor, value: number|Tensor",
            Body::Of(index_fill),
        )],
    ),
    Function::new(
        "take",
        "Returns the elements that `index` names among all in order, in its shape.",
        Home::Both,
        Memory::Own,
        &[("index: Tensor", Body::Of(take))],
    ),
    placed(
        "put",
        "Returns a copy with the elements of `source` where `index` says among all in order, or with `accumulate` added \
         there.",
        &[(
            "index: Tensor, source: Tensor, accumulate: bool = false",
            Body::Of(put),
        )],
    ),
    Function::new(
        "take_along_dim",
        "Returns the elements that `indices` name along `dim`, as `argsort` gives them, or among all in order.",
        Home::Both,
        Memory::Own,
        &[("indices: Tensor, dim: int? = ()", Body::Of(take_along))],
    ),
    placed(
        "masked_scatter",
        "Returns a copy with the elements of `source`, one after the other, where `mask` is true.",
        &[("mask: Tensor, source: Tensor", Body::Of(masked_scatter))],
    ),
    placed(
        "scatter_reduce",
        "Returns a copy with elements of `src` brought together where `index` says along `dim`: by \"sum\", \"prod\", \
         \"mean\", \"amax\" or \"amin\".",
        &[(
            "dim: int, index: Tensor, src: Tensor, reduce: string, *, include_self: bool = true",
            Body::Of(scatter_reduce),
        )],
    ),
    placed(
        "select_scatter",
        "Returns a copy with `src` as entry `index` along `dim`.",
        &[(
            "src: Tensor, dim: int, index: int",
            Body::Of(|t, call| {
                let (dim, index) = (call.int("dim")?, call.int("index")?);
                with_part(t, call, |copy| copy.f_select(dim, index))
            }),
        )],
    ),
    placed(
        "slice_scatter",
        "Returns a copy with `src` as the entries from `start` to `end` along `dim`, by steps of `step`.",
        &[(
            "src: Tensor, dim: int = 0, start: int? = (), end: int? = (), step: int = 1",
            Body::Of(|t, call| {
                let (dim, step) = (call.int("dim")?, call.int("step")?);
                let (start, end) = (call.optional_int("start")?, call.optional_int("end")?);
                with_part(t, call, |copy| copy.f_slice(dim, start, end, step))
            }),
        )],
    ),
    placed(
        "diagonal_scatter",
        "Returns a copy with `src` on a diagonal.",
        &[(
            "src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1",
            Body::Of(|t, call| {
                let (offset, dim1, dim2) = (call.int("offset")?, call.int("dim1")?, call.int("dim2")?);
                with_part(t, call, |copy| copy.f_diagonal(offset, dim1, dim2))
            }),
        )],
    ),
    placed(
        "argwhere",
        "Returns the indices of the elements that are not 0, one row each.",
        &[("", Body::Of(|t, _| one(t.f_argwhere())))],
    ),
];
