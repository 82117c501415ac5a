//! `t[0]`, `t[1..3]`, `t[[0, 2]]`, `t[mask]`, `t["0, ::2, -1"]`, the same on the left of `=`, and iteration over rows.

use std::any::TypeId;

use rhai::plugin::*;
use rhai::{Array, Dynamic, Module};

use super::places_of::{Part, parts_of};
use super::{TensorHandle, input_error, shape_text, stored};
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

/// What numbers and ranges leave of a tensor, and the indices and masks that are still to be applied to it.
struct Viewed {
    view: Tensor,
    gathers: Vec<Option<Tensor>>,
}

impl Viewed {
    /// Applies what can be a view, as PyTorch does: first the numbers, ranges and new dimensions, then all tensors at
    /// once.
    fn of(tensor: &Tensor, parts: &[Part]) -> Result<Self> {
        let taken: usize = parts.iter().map(Part::dimensions).sum();
        let Some(rest) = tensor.dim().checked_sub(taken) else {
            return Err(too_many(tensor));
        };
        let mut viewed = Viewed {
            view: tensor.shallow_clone(),
            gathers: Vec::new(),
        };
        let mut dim = 0;
        for part in parts {
            viewed.apply(part, &mut dim, rest as i64, tensor)?;
        }
        Ok(viewed)
    }

    fn apply(&mut self, part: &Part, dim: &mut i64, rest: i64, whole: &Tensor) -> Result<()> {
        let at = *dim;
        let viewed = match part {
            Part::Entry(index) => {
                self.view = self
                    .view
                    .f_select(at, *index)
                    .map_err(|error| out_of_range(&self.view, at, error))?;
                return Ok(());
            }
            Part::Gather(indices) => {
                let size = self.view.size();
                if let Some(count) = size.get(at as usize).copied() {
                    super::select::check_indices(indices, count)?;
                }
                self.gathers.push(Some(indices.shallow_clone()));
                *dim += part.dimensions() as i64;
                return Ok(());
            }
            Part::Slice { start, end, step } => self.view.f_slice(at, *start, *end, *step),
            Part::New => {
                size::elements(&vec![1; self.view.dim() + 1])?;
                self.view.f_unsqueeze(at)
            }
            Part::Rest => {
                self.gathers.extend((0..rest).map(|_| None));
                *dim += rest;
                return Ok(());
            }
        };
        self.view = viewed.map_err(|error| out_of_range(whole, at, error))?;
        self.gathers.push(None);
        *dim += 1;
        Ok(())
    }

    fn has_gathers(&self) -> bool {
        self.gathers.iter().any(Option::is_some)
    }

    /// Reads the elements.
    fn read(&self) -> Result<Tensor> {
        if !self.has_gathers() {
            return Ok(self.view.shallow_clone());
        }
        self.admit()?;
        self.view
            .f_index(&self.gathers)
            .map_err(|error| out_of_range(&self.view, self.first_gather(), error))
    }

    fn first_gather(&self) -> i64 {
        self.gathers.iter().take_while(|gather| gather.is_none()).count() as i64
    }

    /// Lets as many elements be made as the indices pick.
    fn admit(&self) -> Result<()> {
        let size = self.view.size();
        let (mut picked, mut left) = (Vec::new(), self.view.numel() as i64);
        for (at, gather) in self.gathers.iter().enumerate() {
            match gather {
                Some(mask) if mask.kind() == Kind::Bool => return Ok(()),
                Some(indices) => {
                    left /= size.get(at).copied().unwrap_or(1).max(1);
                    picked = size::broadcast(&picked, &indices.size()).unwrap_or_default();
                }
                None => (),
            }
        }
        picked.push(left);
        size::admit(&picked, self.view.kind(), self.view.device())
    }

    /// Writes `value` into the elements.
    fn write(&mut self, value: &Tensor) -> Result<(), TchError> {
        if self.has_gathers() {
            self.view.f_index_put_(&self.gathers, value, false).map(drop)
        } else {
            self.view.f_copy_(value)
        }
    }
}

fn too_many(tensor: &Tensor) -> Error {
    Error::input(format!(
        "the tensor of shape {} has too few dimensions for this index",
        shape_text(tensor)
    ))
}

fn out_of_range(tensor: &Tensor, dim: i64, error: impl Into<Error>) -> Error {
    let error = input_error(error);
    match tensor.size().get(dim as usize) {
        None => too_many(tensor),
        Some(size) if *error.subject() == Subject::OutOfRange => Error::input(format!(
            "the index is out of range: dimension {dim} of shape {} has {}",
            shape_text(tensor),
            counted(size, "entry")
        )),
        Some(_) => error.hint(format!("the tensor has shape {}", shape_text(tensor))),
    }
}

/// Writes `value`, a number, an array or a tensor, into the part that `index` means.
fn assign(tensor: &Tensor, parts: &[Part], value: &Dynamic) -> Result<()> {
    let _guard = no_grad_guard();
    let value = stored(tensor, value)?;
    let mut viewed = Viewed::of(tensor, parts)?;
    viewed.write(&value).map_err(|error| {
        let error = input_error(error);
        if *error.subject() == Subject::OutOfRange {
            out_of_range(&viewed.view, viewed.first_gather(), error)
        } else {
            Error::input(format!(
                "a value of shape {} does not fit there",
                shape_text(&value)
            ))
            .hint(error.message().to_string())
        }
    })
}

fn read(tensor: &Tensor, parts: &[Part]) -> Result<TensorHandle> {
    Viewed::of(tensor, parts)?.read().map(TensorHandle::new)
}

/// The engine tries an unknown property as an index, and gives its own error only if that says so.
fn refuse_names(index: &Dynamic) -> RhaiResultOf<()> {
    let is_name = |text: &str| {
        text.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
            && text
                .chars()
                .all(|letter| letter.is_alphanumeric() || letter == '_')
            && text != "None"
    };
    let text = index.clone().into_immutable_string();
    if text.is_ok_and(|text| is_name(&text) || text.is_empty()) {
        Err(EvalAltResult::ErrorIndexingType("Tensor [string]".into(), Position::NONE).into())
    } else {
        Ok(())
    }
}

/// Each element indexes a dimension.
fn parts_of_all(tensor: &Tensor, indices: &Array) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for index in indices {
        parts.extend(parts_of(tensor, index)?);
    }
    super::places_of::check_rests(&parts)?;
    Ok(parts)
}

#[export_module(manifest)]
mod functions {
    /// Returns rows, elements or a part: a number picks one, a range several, an array or an int64 tensor gathers, a
    /// bool tensor selects where it is true. Several dimensions and steps are written as in Python, in a text:
    /// `x[":, 0"]`, `x["..., ::2"]`, `x["None, -1"]`.
    #[rhai_fn(index_get, return_raw, pure)]
    pub fn get(tensor: &mut TensorHandle, index: Dynamic) -> RhaiResultOf<TensorHandle> {
        refuse_names(&index)?;
        let parts = parts_of(tensor.tensor(), &index).raise()?;
        read(tensor.tensor(), &parts).raise()
    }

    /// Writes a number, an array or a tensor into the indexed part, in place; gradients do not see it.
    #[rhai_fn(index_set, return_raw, pure)]
    pub fn set(tensor: &mut TensorHandle, index: Dynamic, value: Dynamic) -> RhaiResultOf<()> {
        refuse_names(&index)?;
        let parts = parts_of(tensor.tensor(), &index).raise()?;
        assign(tensor.tensor(), &parts, &value).raise()
    }

    /// Indexes several dimensions at once, each with a number, a range, an array, a tensor, a text as `"::2"` or
    /// `"..."`, or `()` for all of it: `t.at([0, 1..3, ()])` is Python's `t[0, 1:3, :]`, and `t.at([rows, columns])`
    /// one element for each pair.
    #[rhai_fn(return_raw, pure)]
    pub fn at(tensor: &mut TensorHandle, indices: Array) -> RhaiResultOf<TensorHandle> {
        let parts = parts_of_all(tensor.tensor(), &indices).raise()?;
        read(tensor.tensor(), &parts).raise()
    }

    /// Writes a number, an array or a tensor into the part that `at(indices)` reads, in place, and returns the tensor;
    /// gradients do not see it.
    #[rhai_fn(return_raw, pure)]
    pub fn set_at(tensor: &mut TensorHandle, indices: Array, value: Dynamic) -> RhaiResultOf<TensorHandle> {
        let parts = parts_of_all(tensor.tensor(), &indices).raise()?;
        assign(tensor.tensor(), &parts, &value).raise()?;
        Ok(tensor.clone())
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
