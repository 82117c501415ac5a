//! Functions that choose, order, replace or divide up elements.

use rhai::Dynamic;

use super::call::{Call, one, several, values_and_indices};
use super::definition::{Body, Function, Home, Memory};
use super::input_error;
use crate::error::{Error, Result};
use crate::memory;
use crate::tensor::{Device, Kind, Tensor, size};

/// Indices within `count` entries. A GPU finds out too late to say so: it then fails at whatever comes next.
pub fn check_indices(index: &Tensor, count: i64) -> Result<()> {
    if index.device() == Device::Cpu || index.numel() == 0 || index.kind() == Kind::Bool {
        return Ok(());
    }
    let ends = [index.f_min(), index.f_max()].map(|end| end.and_then(|end| end.f_int64_value(&[])));
    let [low, high] = ends;
    let (low, high) = (low.map_err(input_error)?, high.map_err(input_error)?);
    if low >= -count && high < count {
        Ok(())
    } else {
        Err(Error::input(format!(
            "the indices {low} to {high} are out of range: the dimension has {count} entries"
        )))
    }
}

/// Entries along `dim`, which counts from the end where it is negative; `None` if there is no such dimension.
pub fn entries(tensor: &Tensor, dim: i64) -> Option<i64> {
    let at = if dim < 0 { dim + tensor.dim() as i64 } else { dim };
    let at = usize::try_from(at).ok()?;
    tensor.size().get(at).copied()
}

/// Bytes of a tensor that is a part of another, and of the script's handle on it.
const PART: u64 = 400;

/// Lets an array of so many parts of a tensor be made.
pub fn admit_parts(count: i64) -> Result<()> {
    memory::admit(count.unsigned_abs().saturating_mul(PART), "an array of tensors")
}

/// The `index` argument, checked against dimension `dim`.
pub fn index(tensor: &Tensor, call: &Call<'_>) -> Result<(i64, Tensor)> {
    let (dim, index) = (call.int("dim")?, call.tensor("index")?);
    if let Some(count) = entries(tensor, dim) {
        check_indices(&index, count)?;
    }
    Ok((dim, index))
}

fn index_select(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (dim, index) = index(tensor, call)?;
    let rows = entries(tensor, dim).unwrap_or(1).max(1);
    let elements = (tensor.numel() as i64 / rows).saturating_mul(index.numel() as i64);
    size::admit(&[elements], tensor.kind(), tensor.device())?;
    one(tensor.f_index_select(dim, &index))
}

fn gather(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (dim, index) = index(tensor, call)?;
    size::admit_like(&index, tensor.kind())?;
    one(tensor.f_gather(dim, &index, false))
}

fn scatter(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (dim, index) = index(tensor, call)?;
    let source = if call.lacks("src") {
        // A number is a tensor of the index's shape that holds it everywhere.
        let value = call.stored("value", tensor)?;
        value.f_expand(index.size(), false).map_err(input_error)?
    } else {
        call.tensor("src")?
    };
    one(tensor.f_scatter(dim, &index, &source))
}

fn split(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let dim = call.int("dim")?;
    let entries = entries(tensor, dim).unwrap_or(0);
    several(match call.int("split_size") {
        Ok(size) if size > 0 => {
            admit_parts((entries - 1) / size + 1)?;
            tensor.f_split(size, dim)
        }
        Ok(size) => {
            return Err(Error::input(format!(
                "`split_size` is at least 1, but was given {size}"
            )));
        }
        Err(_) => {
            let sizes = call.sizes("split_size")?;
            admit_parts(sizes.len() as i64)?;
            tensor.f_split_with_sizes(sizes, dim)
        }
    })
}

fn chunk(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let dim = call.int("dim")?;
    match call.int("chunks")? {
        chunks if chunks > 0 => {
            // Of no entries there are as many chunks as were asked for.
            admit_parts(match entries(tensor, dim) {
                Some(0) => chunks,
                Some(entries) => chunks.min(entries),
                None => 0,
            })?;
            several(tensor.f_chunk(chunks, dim))
        }
        chunks => Err(Error::input(format!(
            "`chunks` is at least 1, but was given {chunks}"
        ))),
    }
}

fn unbind(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let dim = call.int("dim")?;
    admit_parts(entries(tensor, dim).unwrap_or(0))?;
    several(tensor.f_unbind(dim))
}

fn masked_fill(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let mask = call.tensor("mask")?;
    if let Some(shape) = size::broadcast(&tensor.size(), &mask.size()) {
        size::admit(&shape, tensor.kind(), tensor.device())?;
    }
    let value = call.stored("value", tensor)?;
    one(tensor.f_masked_fill_tensor(&mask, &value))
}

/// The table.
pub const FUNCTIONS: &[Function] = &[
    Function::new(
        "topk",
        "Returns the `k` largest (or smallest) elements along `dim`, in order: `#{ values, indices }`.",
        Home::Both,
        Memory::Like,
        &[(
            "k: int, dim: int = -1, largest: bool = true, sorted: bool = true -> map",
            Body::Of(|t, call| {
                values_and_indices(t.f_topk(
                    call.int("k")?,
                    call.int("dim")?,
                    call.flag("largest")?,
                    call.flag("sorted")?,
                ))
            }),
        )],
    ),
    Function::new(
        "sort",
        "Returns the elements sorted along `dim`, the last unless given: `#{ values, indices }`. The greatest first: `x.sort(-1, true)` or \
         `x.sort(#{ descending: true })`.",
        Home::Both,
        Memory::Like,
        &[(
            "dim: int = -1, descending: bool = false -> map",
            Body::Of(|t, call| values_and_indices(t.f_sort(call.int("dim")?, call.flag("descending")?))),
        )],
    ),
    Function::new(
        "argsort",
        "Returns the indices that sort along `dim`.",
        Home::Both,
        Memory::Like,
        &[(
            "dim: int = -1, descending: bool = false",
            Body::Of(|t, call| one(t.f_argsort(call.int("dim")?, call.flag("descending")?))),
        )],
    ),
    Function::new(
        "index_select",
        "Returns the entries along `dim` that a tensor of indices names.",
        Home::Both,
        Memory::Own,
        &[("dim: int, index: Tensor", Body::Of(index_select))],
    ),
    Function::new(
        "gather",
        "Returns for each element of `index` the element that it names along `dim`.",
        Home::Both,
        Memory::Own,
        &[("dim: int, index: Tensor", Body::Of(gather))],
    ),
    Function::new(
        "scatter",
        "Returns a copy with elements of `src`, or `value`, written where `index` says along `dim`.",
        Home::Both,
        Memory::Like,
        &[
            ("dim: int, index: Tensor, src: Tensor", Body::Of(scatter)),
            ("dim: int, index: Tensor, value: number", Body::Of(scatter)),
        ],
    ),
    Function::new(
        "scatter_add",
        "Returns a copy with elements of `src` added where `index` says along `dim`.",
        Home::Both,
        Memory::Like,
        &[(
            "dim: int, index: Tensor, src: Tensor",
            Body::Of(|t, call| {
                let (dim, index) = index(t, call)?;
                one(t.f_scatter_add(dim, &index, &call.tensor("src")?))
            }),
        )],
    ),
    Function::new(
        "masked_fill",
        "Returns a copy with `value` where `mask` is true.",
        Home::Both,
        Memory::Own,
        &[("mask: Tensor, value: number|Tensor", Body::Of(masked_fill))],
    ),
    Function::new(
        "masked_select",
        "Returns the elements where `mask` is true, in one dimension.",
        Home::Both,
        Memory::Like,
        &[(
            "mask: Tensor",
            Body::Of(|t, call| one(t.f_masked_select(&call.tensor("mask")?))),
        )],
    ),
    Function::new(
        "nonzero",
        "Returns the indices of the elements that are not 0, one row each.",
        Home::Both,
        Memory::Like,
        &[("", Body::Of(|t, _| one(t.f_nonzero())))],
    ),
    Function::new(
        "where",
        "Returns the tensor's element where `condition` is true, else `other`'s.",
        Home::Method,
        Memory::Like,
        &[(
            "condition: Tensor, other: Tensor|number",
            Body::Of(|t, call| one(t.f_where_self(&call.tensor("condition")?, &call.operand("other", t)?))),
        )],
    ),
    Function::new(
        "split",
        "Returns parts of `split_size` entries along `dim`, the last maybe smaller, or of the sizes in an array.",
        Home::Both,
        Memory::Own,
        &[
            ("split_size: int, dim: int = 0 -> array", Body::Of(split)),
            ("split_size: array, dim: int = 0 -> array", Body::Of(split)),
        ],
    ),
    Function::new(
        "chunk",
        "Returns as many parts along `dim` as `chunks` says, as far as there is enough.",
        Home::Both,
        Memory::Own,
        &[("chunks: int, dim: int = 0 -> array", Body::Of(chunk))],
    ),
    Function::new(
        "unbind",
        "Returns every entry along `dim` as a tensor of its own.",
        Home::Both,
        Memory::Own,
        &[("dim: int = 0 -> array", Body::Of(unbind))],
    ),
    Function::new(
        "narrow",
        "`length` entries along `dim` from `start` on: a view.",
        Home::Both,
        Memory::Own,
        &[(
            "dim: int, start: int, length: int",
            Body::Of(|t, call| one(t.f_narrow(call.int("dim")?, call.int("start")?, call.int("length")?))),
        )],
    ),
    Function::new(
        "tril",
        "Returns the lower triangle up to `diagonal`, zeros elsewhere.",
        Home::Both,
        Memory::Like,
        &[(
            "diagonal: int = 0",
            Body::Of(|t, call| one(t.f_tril(call.int("diagonal")?))),
        )],
    ),
    Function::new(
        "triu",
        "Returns the upper triangle from `diagonal` on, zeros elsewhere.",
        Home::Both,
        Memory::Like,
        &[(
            "diagonal: int = 0",
            Body::Of(|t, call| one(t.f_triu(call.int("diagonal")?))),
        )],
    ),
    Function::new(
        "diag",
        "Returns the diagonal of a matrix, or the matrix with a vector on its diagonal.",
        Home::Both,
        Memory::Own,
        &[("diagonal: int = 0", Body::Of(diag))],
    ),
    Function::new(
        "flip",
        "Returns the tensor with the entries along `dims` in reverse order.",
        Home::Both,
        Memory::Like,
        &[(
            "dims: int...|array",
            Body::Of(|t, call| one(t.f_flip(call.sizes("dims")?))),
        )],
    ),
];

fn diag(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let diagonal = call.int("diagonal")?;
    if let [length] = tensor.size()[..] {
        let side = i64::try_from(diagonal.unsigned_abs()).unwrap_or(i64::MAX);
        let side = side.saturating_add(length);
        size::admit(&[side, side], tensor.kind(), tensor.device())?;
    }
    one(tensor.f_diag(diagonal))
}
