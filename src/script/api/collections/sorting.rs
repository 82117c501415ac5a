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

/// Tells which of two elements comes before the other; looks for an interrupt now and then.
fn natural_order<'c>(
    context: &'c NativeCallContext<'_>,
    first: Ordering,
) -> impl FnMut(&Dynamic, &Dynamic) -> RhaiResultOf<bool> + use<'c> {
    let is_nan = |x: &Dynamic| x.as_float().is_ok_and(f64::is_nan);
    let engine = context.engine();
    let stop = State::of(context).context().stop.clone();
    let mut compared = 0u64;
    move |a, b| {
        compared += 1;
        if compared.is_multiple_of(LOOK_EVERY) && stop.is_set() {
            return Err(EvalAltResult::ErrorTerminated(Dynamic::UNIT, Position::NONE).into());
        }
        match total_order(a, b) {
            // NaN is last in either direction.
            Some(order) if is_nan(a) || is_nan(b) => Ok(order == Ordering::Less),
            Some(order) => Ok(order == first),
            None => {
                let name = |x: &Dynamic| with_article(engine.map_type_name(x.type_name()));
                let error = Error::input(format!("{} and {} have no order", name(b), name(a)));
                Err(raise(
                    error.hint("give `sort` a function that compares two elements"),
                ))
            }
        }
    }
}

/// Sorts by a function of two elements, or by what one of one element says of each.
fn sort_by_function(context: &NativeCallContext, array: &mut Array, function: &FnPtr) -> RhaiResultOf<()> {
    let state = State::of(context);
    if state.sources().closure_takes(function.fn_name()) != Some(1) {
        return sort_by_comparator(context, array, function);
    }
    let mut keyed = Array::with_capacity(array.len());
    for element in array.iter() {
        let key = function.call_raw(context, None, [element.clone()])?;
        keyed.push(vec![key, element.clone()].into());
    }
    let key_of = |pair: &Dynamic| {
        pair.read_lock::<Array>()
            .map_or(Dynamic::UNIT, |pair| pair[0].clone())
    };
    let mut comes_before = natural_order(context, Ordering::Less);
    merge_sort(&mut keyed, |a, b| comes_before(&key_of(a), &key_of(b)))?;
    let element = |pair: Dynamic| {
        pair.into_array()
            .ok()
            .and_then(|mut pair| pair.pop())
            .unwrap_or_default()
    };
    *array = keyed.into_iter().map(element).collect();
    Ok(())
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
        merge_sort(array, natural_order(&context, Ordering::Less))
    }

    /// Sorts numbers, texts or truth values, largest first. NaN comes after every number here too.
    #[rhai_fn(name = "sort_desc", return_raw)]
    pub fn sort_descending(context: NativeCallContext, array: &mut Array) -> RhaiResultOf<()> {
        merge_sort(array, natural_order(&context, Ordering::Greater))
    }

    /// Sorts by a function of two elements, which gives a number below, at or above 0, or true if the first comes
    /// before the second; or by what a function of one element gives: `rows.sort(|row| row.loss)`. Elements that are
    /// equal in its eyes keep their order.
    #[rhai_fn(name = "sort", name = "sort_by", return_raw)]
    pub fn sort_by(context: NativeCallContext, array: &mut Array, comparator: FnPtr) -> RhaiResultOf<()> {
        sort_by_function(&context, array, &comparator)
    }

    /// Returns a sorted copy; see `sort`.
    #[rhai_fn(name = "order", return_raw, pure)]
    pub fn order(context: NativeCallContext, array: &mut Array) -> RhaiResultOf<Array> {
        let mut copy = array.clone();
        merge_sort(&mut copy, natural_order(&context, Ordering::Less))?;
        Ok(copy)
    }

    /// Returns a copy sorted largest first; see `sort_desc`.
    #[rhai_fn(name = "order_desc", return_raw, pure)]
    pub fn order_descending(context: NativeCallContext, array: &mut Array) -> RhaiResultOf<Array> {
        let mut copy = array.clone();
        merge_sort(&mut copy, natural_order(&context, Ordering::Greater))?;
        Ok(copy)
    }

    /// Returns a copy sorted by a function of two elements, or of one; see `sort`.
    #[rhai_fn(name = "order", name = "order_by", return_raw, pure)]
    pub fn order_by(context: NativeCallContext, array: &mut Array, comparator: FnPtr) -> RhaiResultOf<Array> {
        let mut copy = array.clone();
        sort_by_function(&context, &mut copy, &comparator)?;
        Ok(copy)
    }
}
