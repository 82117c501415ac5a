//! What people expect of ranges: their numbers as an array, how many there are, and functions of each.

use std::ops::{Range, RangeInclusive};

use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, Module};

use crate::memory;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;

/// Puts the functions into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "ranges", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// The range up to and without its end.
fn exclusive(range: &RangeInclusive<i64>) -> Range<i64> {
    *range.start()..range.end().saturating_add(1)
}

fn length(range: &Range<i64>) -> i64 {
    range.end.saturating_sub(range.start).max(0)
}

fn array(range: &Range<i64>) -> RhaiResultOf<Array> {
    let bytes = (length(range) as u64).saturating_mul(size_of::<Dynamic>() as u64);
    memory::admit_value(bytes, &format!("an array of {} elements", length(range))).raise()?;
    Ok(range.clone().map(Dynamic::from_int).collect())
}

fn mapped(context: &NativeCallContext, range: &Range<i64>, function: &FnPtr) -> RhaiResultOf<Array> {
    let numbers = range.clone();
    numbers
        .map(|number| function.call_within_context(context, (number,)))
        .collect()
}

/// Functions of ranges.
#[export_module(manifest)]
mod functions {
    /// Returns the numbers of the range as an array.
    #[rhai_fn(name = "to_array", return_raw, pure)]
    pub fn to_array(range: &mut Range<i64>) -> RhaiResultOf<Array> {
        array(range)
    }

    /// Returns the numbers of the range as an array.
    #[rhai_fn(name = "to_array", return_raw, pure)]
    pub fn to_array_inclusive(range: &mut RangeInclusive<i64>) -> RhaiResultOf<Array> {
        array(&exclusive(range))
    }

    /// Returns how many numbers the range has.
    #[rhai_fn(name = "len", get = "len", pure)]
    pub fn len(range: &mut Range<i64>) -> i64 {
        length(range)
    }

    /// Returns how many numbers the range has.
    #[rhai_fn(name = "len", get = "len", pure)]
    pub fn len_inclusive(range: &mut RangeInclusive<i64>) -> i64 {
        length(&exclusive(range))
    }

    /// Returns what the function makes of each number of the range: `(0..3).map(|i| i * i)` is `[0, 1, 4]`.
    #[rhai_fn(name = "map", return_raw, pure)]
    pub fn map(context: NativeCallContext, range: &mut Range<i64>, function: FnPtr) -> RhaiResultOf<Array> {
        mapped(&context, range, &function)
    }

    /// Returns what the function makes of each number of the range.
    #[rhai_fn(name = "map", return_raw, pure)]
    pub fn map_inclusive(
        context: NativeCallContext,
        range: &mut RangeInclusive<i64>,
        function: FnPtr,
    ) -> RhaiResultOf<Array> {
        mapped(&context, &exclusive(range), &function)
    }
}
