//! Searching arrays and taking elements out of them.

use rhai::plugin::*;
use rhai::{Array, FnPtr};

use super::truth;
use crate::script::failure::RhaiResultOf;
use crate::script::numbers::equal;

/// What `predicate` says of an element, which it gets as its argument or as `this`, with the index if it takes one.
fn says(
    context: &NativeCallContext,
    name: &str,
    predicate: &FnPtr,
    element: &mut Dynamic,
    index: usize,
) -> RhaiResultOf<bool> {
    let index = Dynamic::from_int(index as i64);
    let answer = predicate.call_raw_with_extra_args(name, context, Some(element), [], [index], Some(0))?;
    truth(context, name, &answer)
}

/// The first index from `start` on of an element that `is_it`; negative starts count from the end.
fn position(
    array: &mut Array,
    start: i64,
    mut is_it: impl FnMut(&mut Dynamic, usize) -> RhaiResultOf<bool>,
) -> RhaiResultOf<Option<usize>> {
    let length = array.len() as i64;
    let start = if start < 0 {
        (length.saturating_add(start)).max(0)
    } else {
        start
    };
    for (index, element) in array
        .iter_mut()
        .enumerate()
        .skip(usize::try_from(start).unwrap_or(usize::MAX))
    {
        if is_it(element, index)? {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

fn index_or_minus_one(found: Option<usize>) -> i64 {
    found.map_or(-1, |index| index as i64)
}

/// Removes and returns the elements of which `predicate` says `out`. It is asked about all of them first.
fn take_out(
    context: &NativeCallContext,
    name: &str,
    array: &mut Array,
    predicate: &FnPtr,
    out: bool,
) -> RhaiResultOf<Array> {
    let mut answers = Vec::with_capacity(array.len());
    for (index, element) in array.iter_mut().enumerate() {
        answers.push(says(context, name, predicate, element, index)? == out);
    }
    let mut answers = answers.into_iter();
    Ok(array
        .extract_if(.., |_| answers.next().unwrap_or(false))
        .collect())
}

/// Removes every element that `is_same` as the one kept before it.
fn without_repetitions(
    array: &mut Array,
    mut is_same: impl FnMut(&Dynamic, &Dynamic) -> RhaiResultOf<bool>,
) -> RhaiResultOf<()> {
    let mut repeated = vec![false; array.len()];
    let mut kept = 0;
    for index in 1..array.len() {
        repeated[index] = is_same(&array[kept], &array[index])?;
        if !repeated[index] {
            kept = index;
        }
    }
    let mut repeated = repeated.into_iter();
    array.retain(|_| !repeated.next().unwrap_or(false));
    Ok(())
}

/// Functions of arrays.
#[export_module(manifest)]
pub mod functions {

    /// Returns the elements of which the function says true.
    ///
    /// It gets an element, and the index if it takes two arguments.
    #[rhai_fn(return_raw, pure)]
    pub fn filter(context: NativeCallContext, array: &mut Array, predicate: FnPtr) -> RhaiResultOf<Array> {
        let mut found = Array::new();
        for (index, element) in array.iter_mut().enumerate() {
            if says(&context, "filter", &predicate, element, index)? {
                found.push(element.clone());
            }
        }
        Ok(found)
    }

    /// Returns whether the value is among the elements, by `==`.
    #[rhai_fn(return_raw, pure)]
    pub fn contains(context: NativeCallContext, array: &mut Array, value: Dynamic) -> RhaiResultOf<bool> {
        Ok(position(array, 0, |element, _| equal(&context, element, &value))?.is_some())
    }

    /// Returns the index of the first element that equals the value, or -1.
    #[rhai_fn(name = "index_of", return_raw, pure)]
    pub fn index_of(context: NativeCallContext, array: &mut Array, value: Dynamic) -> RhaiResultOf<i64> {
        index_of_from(context, array, value, 0)
    }

    /// Returns the index of the first element from `start` on that equals the value, or -1. A negative `start` counts
    /// from the end.
    #[rhai_fn(name = "index_of", return_raw, pure)]
    pub fn index_of_from(
        context: NativeCallContext,
        array: &mut Array,
        value: Dynamic,
        start: i64,
    ) -> RhaiResultOf<i64> {
        position(array, start, |element, _| equal(&context, element, &value)).map(index_or_minus_one)
    }

    /// Returns the index of the first element of which the function says true, or -1.
    #[rhai_fn(name = "index_of", return_raw, pure)]
    pub fn index_where(context: NativeCallContext, array: &mut Array, predicate: FnPtr) -> RhaiResultOf<i64> {
        index_where_from(context, array, predicate, 0)
    }

    /// Returns the index of the first element from `start` on of which the function says true, or -1.
    #[rhai_fn(name = "index_of", return_raw, pure)]
    pub fn index_where_from(
        context: NativeCallContext,
        array: &mut Array,
        predicate: FnPtr,
        start: i64,
    ) -> RhaiResultOf<i64> {
        let is_it = |element: &mut Dynamic, index| says(&context, "index_of", &predicate, element, index);
        position(array, start, is_it).map(index_or_minus_one)
    }

    /// Returns the first element of which the function says true, or `()`.
    #[rhai_fn(name = "find", return_raw, pure)]
    pub fn find(context: NativeCallContext, array: &mut Array, predicate: FnPtr) -> RhaiResultOf<Dynamic> {
        find_from(context, array, predicate, 0)
    }

    /// Returns the first element from `start` on of which the function says true, or `()`.
    #[rhai_fn(name = "find", return_raw, pure)]
    pub fn find_from(
        context: NativeCallContext,
        array: &mut Array,
        predicate: FnPtr,
        start: i64,
    ) -> RhaiResultOf<Dynamic> {
        let is_it = |element: &mut Dynamic, index| says(&context, "find", &predicate, element, index);
        let found = position(array, start, is_it)?;
        Ok(found.map_or(Dynamic::UNIT, |index| array[index].clone()))
    }

    /// Returns whether the function says true of any element.
    #[rhai_fn(return_raw, pure)]
    pub fn some(context: NativeCallContext, array: &mut Array, predicate: FnPtr) -> RhaiResultOf<bool> {
        let is_it = |element: &mut Dynamic, index| says(&context, "some", &predicate, element, index);
        Ok(position(array, 0, is_it)?.is_some())
    }

    /// Returns whether the function says true of every element.
    #[rhai_fn(return_raw, pure)]
    pub fn all(context: NativeCallContext, array: &mut Array, predicate: FnPtr) -> RhaiResultOf<bool> {
        let fails = |element: &mut Dynamic, index| Ok(!says(&context, "all", &predicate, element, index)?);
        Ok(position(array, 0, fails)?.is_none())
    }

    /// Removes the elements of which the function says true, and returns them.
    #[rhai_fn(return_raw)]
    pub fn drain(context: NativeCallContext, array: &mut Array, predicate: FnPtr) -> RhaiResultOf<Array> {
        take_out(&context, "drain", array, &predicate, true)
    }

    /// Keeps the elements of which the function says true, and returns the others.
    #[rhai_fn(return_raw)]
    pub fn retain(context: NativeCallContext, array: &mut Array, predicate: FnPtr) -> RhaiResultOf<Array> {
        take_out(&context, "retain", array, &predicate, false)
    }

    /// Removes elements that equal the one before them.
    #[rhai_fn(name = "dedup", return_raw)]
    pub fn dedup(context: NativeCallContext, array: &mut Array) -> RhaiResultOf<()> {
        without_repetitions(array, |a, b| equal(&context, a, b))
    }

    /// Removes elements of which the function, given the one before and the element, says true.
    #[rhai_fn(name = "dedup", return_raw)]
    pub fn dedup_by(context: NativeCallContext, array: &mut Array, is_same: FnPtr) -> RhaiResultOf<()> {
        without_repetitions(array, |a, b| {
            let answer = is_same.call_raw(&context, None, [a.clone(), b.clone()])?;
            truth(&context, "dedup", &answer)
        })
    }
}
