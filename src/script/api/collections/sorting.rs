//! Sorting arrays.

use std::cmp::Ordering;

use rhai::plugin::*;
use rhai::{Array, Dynamic, EvalAltResult, FnPtr};

use super::with_article;
use crate::error::Error;
use crate::script::failure::{RhaiResultOf, raise};
use crate::script::numbers::total_order;
use crate::script::state::State;

/// After so many comparisons an interrupt is looked for.
const LOOK_EVERY: u64 = 1 << 16;

/// Sorts by merging, which is stable, asks `comes_before(right, left)` and copes with answers that contradict each
/// other. After an error the array is as it was.
fn merge_sort(
    array: &mut Array,
    mut comes_before: impl FnMut(&Dynamic, &Dynamic) -> RhaiResultOf<bool>,
) -> RhaiResultOf<()> {
    let mut order: Vec<usize> = (0..array.len()).collect();
    let mut merged = Vec::with_capacity(order.len());
    let mut width = 1;
    while width < order.len() {
        merged.clear();
        for run in order.chunks(2 * width) {
            let (mut left, mut right) = run.split_at(width.min(run.len()));
            while let (Some(&l), Some(&r)) = (left.first(), right.first()) {
                let next = if comes_before(&array[r], &array[l])? {
                    &mut right
                } else {
                    &mut left
                };
                merged.push(next[0]);
                *next = &next[1..];
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(&mut order, &mut merged);
        width *= 2;
    }
    let mut elements: Vec<Option<Dynamic>> = array.drain(..).map(Some).collect();
    array.extend(order.into_iter().filter_map(|index| elements[index].take()));
    Ok(())
}

fn sort_naturally(context: &NativeCallContext, array: &mut Array, first: Ordering) -> RhaiResultOf<()> {
    let is_nan = |x: &Dynamic| x.as_float().is_ok_and(f64::is_nan);
    let stop = State::of(context).context().stop.clone();
    let mut compared = 0u64;
    merge_sort(array, |a, b| {
        compared += 1;
        if compared.is_multiple_of(LOOK_EVERY) && stop.is_set() {
            return Err(EvalAltResult::ErrorTerminated(Dynamic::UNIT, Position::NONE).into());
        }
        match total_order(a, b) {
            // NaN is last in either direction.
            Some(order) if is_nan(a) || is_nan(b) => Ok(order == Ordering::Less),
            Some(order) => Ok(order == first),
            None => {
                let name = |x: &Dynamic| context.engine().map_type_name(x.type_name()).to_string();
                let error = Error::input(format!(
                    "{} and {} have no order",
                    with_article(&name(b)),
                    with_article(&name(a))
                ));
                Err(raise(
                    error.hint("give `sort` a function that compares two elements"),
                ))
            }
        }
    })
}

fn sort_by_comparator(
    context: &NativeCallContext,
    array: &mut Array,
    comparator: &FnPtr,
) -> RhaiResultOf<()> {
    merge_sort(array, |a, b| {
        let answer = comparator.call_raw(context, None, [a.clone(), b.clone()])?;
        if let Ok(before) = answer.as_bool() {
            return Ok(before);
        }
        let sign = answer
            .as_int()
            .map(|sign| sign as f64)
            .or_else(|_| answer.as_float());
        match sign {
            Ok(sign) if !sign.is_nan() => Ok(sign < 0.0),
            _ => {
                let given = match sign {
                    Ok(_) => "NaN".into(),
                    Err(_) => with_article(context.engine().map_type_name(answer.type_name())),
                };
                let error = Error::input(format!("the function that compares two elements gave {given}"));
                Err(raise(error.hint(
                    "it must give a number below, at or above 0, or true if the first comes before the second",
                )))
            }
        }
    })
}

/// `sort` and its relatives.
#[export_module(manifest)]
pub mod functions {
    /// Sorts numbers, texts or truth values, smallest first. NaN comes after every number.
    #[rhai_fn(name = "sort", return_raw)]
    pub fn sort(context: NativeCallContext, array: &mut Array) -> RhaiResultOf<()> {
        sort_naturally(&context, array, Ordering::Less)
    }

    /// Sorts numbers, texts or truth values, largest first. NaN comes after every number here too.
    #[rhai_fn(name = "sort_desc", return_raw)]
    pub fn sort_descending(context: NativeCallContext, array: &mut Array) -> RhaiResultOf<()> {
        sort_naturally(&context, array, Ordering::Greater)
    }

    /// Sorts by a function of two elements, which gives a number below, at or above 0, or true if the first comes
    /// before the second. Elements that are equal in its eyes keep their order.
    #[rhai_fn(name = "sort", name = "sort_by", return_raw)]
    pub fn sort_by(context: NativeCallContext, array: &mut Array, comparator: FnPtr) -> RhaiResultOf<()> {
        sort_by_comparator(&context, array, &comparator)
    }

    /// Returns a sorted copy; see `sort`.
    #[rhai_fn(name = "order", return_raw, pure)]
    pub fn order(context: NativeCallContext, array: &mut Array) -> RhaiResultOf<Array> {
        let mut copy = array.clone();
        sort_naturally(&context, &mut copy, Ordering::Less)?;
        Ok(copy)
    }

    /// Returns a copy sorted largest first; see `sort_desc`.
    #[rhai_fn(name = "order_desc", return_raw, pure)]
    pub fn order_descending(context: NativeCallContext, array: &mut Array) -> RhaiResultOf<Array> {
        let mut copy = array.clone();
        sort_naturally(&context, &mut copy, Ordering::Greater)?;
        Ok(copy)
    }

    /// Returns a copy sorted by a function of two elements; see `sort`.
    #[rhai_fn(name = "order", name = "order_by", return_raw, pure)]
    pub fn order_by(context: NativeCallContext, array: &mut Array, comparator: FnPtr) -> RhaiResultOf<Array> {
        let mut copy = array.clone();
        sort_by_comparator(&context, &mut copy, &comparator)?;
        Ok(copy)
    }
}
