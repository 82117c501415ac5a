//! `t[0]`, `t[1..3]`, `t[[0, 2]]`, `t[mask]`, the same on the left of `=`, and iteration over rows.

use std::any::TypeId;
use std::ops::{Range, RangeInclusive};

use rhai::plugin::*;
use rhai::{Array, Dynamic, Module};

use super::select::check_indices;
use super::{Options, TensorHandle, from_dynamic, input_error, shape_text, stored};
use crate::error::{Error, Result, Subject, counted};
use crate::script::failure::{Raise, RhaiResultOf, raise};
use crate::script::guard;
use crate::tensor::{Kind, TchError, Tensor, no_grad_guard, size};

/// Puts indexing and iteration into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "tensor_indexing", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
    module.set_iter_result(TypeId::of::<TensorHandle>(), |tensor| {
        let tensor = tensor.cast::<TensorHandle>();
        let rows = tensor.tensor().size().first().copied().unwrap_or(0);
        Box::new((0..rows).map(move |row| {
            let row = tensor
                .tensor()
                .f_select(0, row)
                .map_err(|error| raise(input_error(error)))?;
            Ok(Dynamic::from(TensorHandle::new(row)))
        }))
    });
}

/// The part of the first dimensions that `index` means: a view where libtorch can make one.
fn part(tensor: &Tensor, dim: i64, index: &Dynamic) -> Result<(Tensor, i64)> {
    let view = |result: Result<Tensor, TchError>, next| {
        result
            .map(|t| (t, next))
            .map_err(|error| out_of_range(tensor, dim, error))
    };
    if index.is_unit() {
        return Ok((tensor.shallow_clone(), dim + 1));
    }
    if let Ok(number) = index.as_int() {
        return view(tensor.f_select(dim, number), dim);
    }
    if let Some(range) = index.clone().try_cast::<Range<i64>>() {
        return view(tensor.f_slice(dim, range.start, range.end, 1), dim + 1);
    }
    if let Some(range) = index.clone().try_cast::<RangeInclusive<i64>>() {
        let end = (*range.end() != -1).then_some(*range.end() + 1);
        return view(tensor.f_slice(dim, *range.start(), end, 1), dim + 1);
    }
    if let Some(indices) = gather_indices(tensor, dim, index)? {
        let mut all: Vec<Option<Tensor>> = (0..dim).map(|_| None).collect();
        all.push(Some(indices));
        return view(tensor.f_index(&all), dim + 1);
    }
    Err(Error::input(
        "a tensor is indexed with numbers, ranges, arrays of numbers, or another tensor",
    ))
}

/// The tensor of indices or the mask that `index` is, if it is one, checked against dimension `dim`.
fn gather_indices(tensor: &Tensor, dim: i64, index: &Dynamic) -> Result<Option<Tensor>> {
    let indices = if let Some(handle) = index.clone().try_cast::<TensorHandle>() {
        handle.tensor().shallow_clone()
    } else if index.is_array() {
        let indices = from_dynamic(index, &Options::default())?;
        // No numbers are no floats either.
        let kind = match indices.numel() {
            0 => Kind::Int64,
            _ => indices.kind(),
        };
        let indices = indices.f_to_kind(kind).map_err(input_error)?;
        indices.f_to_device(tensor.device()).map_err(input_error)?
    } else {
        return Ok(None);
    };
    if let Some(count) = tensor.size().get(dim as usize).copied() {
        check_indices(&indices, count)?;
        if indices.kind() != Kind::Bool {
            let picked = (tensor.numel() as i64 / count.max(1)).saturating_mul(indices.numel() as i64);
            size::admit(&[picked], tensor.kind(), tensor.device())?;
        }
    }
    Ok(Some(indices))
}

fn out_of_range(tensor: &Tensor, dim: i64, error: impl Into<Error>) -> Error {
    let error = input_error(error);
    match tensor.size().get(dim as usize) {
        None => Error::input(format!(
            "the tensor of shape {} has too few dimensions for this index",
            shape_text(tensor)
        )),
        Some(size) if *error.subject() == Subject::OutOfRange => Error::input(format!(
            "the index is out of range: dimension {dim} of shape {} has {}",
            shape_text(tensor),
            counted(size, "entry")
        )),
        Some(_) => error,
    }
}

/// Writes `value`, a number, an array or a tensor, into the part that `index` means.
fn assign(tensor: &Tensor, index: &Dynamic, value: &Dynamic) -> Result<()> {
    let _guard = no_grad_guard();
    let value = stored(tensor, value)?;
    let result = match gather_indices(tensor, 0, index)? {
        Some(indices) => tensor
            .shallow_clone()
            .f_index_put_(&[Some(indices)], &value, false)
            .map(drop),
        None => part(tensor, 0, index)?.0.f_copy_(&value),
    };
    result.map_err(|error| {
        let error = input_error(error);
        if *error.subject() == Subject::OutOfRange {
            out_of_range(tensor, 0, error)
        } else {
            Error::input(format!(
                "a value of shape {} does not fit there",
                shape_text(&value)
            ))
            .hint(error.message().to_string())
        }
    })
}

/// The engine tries an unknown property as an index, and gives its own error only if that says so.
fn refuse_names(index: &Dynamic) -> RhaiResultOf<()> {
    if index.is_string() {
        Err(EvalAltResult::ErrorIndexingType("Tensor [string]".into(), Position::NONE).into())
    } else {
        Ok(())
    }
}

#[export_module(manifest)]
mod functions {
    /// Returns rows, elements or a part: a number picks one, a range several, an array or an int64 tensor gathers, a
    /// bool tensor selects where it is true.
    #[rhai_fn(index_get, return_raw, pure)]
    pub fn get(tensor: &mut TensorHandle, index: Dynamic) -> RhaiResultOf<TensorHandle> {
        refuse_names(&index)?;
        part(tensor.tensor(), 0, &index)
            .map(|(part, _)| TensorHandle::new(part))
            .raise()
    }

    /// Writes a number, an array or a tensor into the indexed part, in place; gradients do not see it.
    #[rhai_fn(index_set, return_raw, pure)]
    pub fn set(tensor: &mut TensorHandle, index: Dynamic, value: Dynamic) -> RhaiResultOf<()> {
        refuse_names(&index)?;
        assign(tensor.tensor(), &index, &value).raise()
    }

    /// Indexes several dimensions at once, each with a number, a range, an array, a tensor, or `()` for all of it:
    /// `t.at([0, 1..3, ()])` is Python's `t[0, 1:3, :]`.
    #[rhai_fn(return_raw, pure)]
    pub fn at(tensor: &mut TensorHandle, indices: Array) -> RhaiResultOf<TensorHandle> {
        let mut current = (tensor.tensor().shallow_clone(), 0);
        for index in &indices {
            current = part(&current.0, current.1, index).raise()?;
        }
        Ok(current.0.into())
    }

    /// Returns the entries `start` to `end - 1` along dimension `dim`; negative numbers count from the end.
    #[rhai_fn(return_raw, pure)]
    pub fn slice(tensor: &mut TensorHandle, dim: i64, start: i64, end: i64) -> RhaiResultOf<TensorHandle> {
        let result = tensor.tensor().f_slice(dim, start, end, 1);
        result.map(TensorHandle::new).map_err(input_error).raise()
    }

    /// Returns entry `index` along dimension `dim`, which goes away.
    #[rhai_fn(return_raw, pure)]
    pub fn select(tensor: &mut TensorHandle, dim: i64, index: i64) -> RhaiResultOf<TensorHandle> {
        let result = tensor.tensor().f_select(dim, index);
        result
            .map(TensorHandle::new)
            .map_err(|error| out_of_range(tensor.tensor(), dim, error))
            .raise()
    }
}
