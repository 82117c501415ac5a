//! Which of two values comes first, and whether two values are equal, in depth.

use std::cmp::Ordering;

use rhai::{Array, Dynamic, ImmutableString, Map, NativeCallContext, Position};

use crate::error::{Error, a as article};
use crate::memory;
use crate::script::failure::{RhaiResultOf, raise};

/// How deep values inside values are compared. What is deeper is refused rather than followed for ever: a closure can
/// put an array into itself.
const DEEPEST: usize = 4000;

/// 2^63 as a float: the first whole number that is no `int`.
pub const INTEGERS_END: f64 = 9_223_372_036_854_775_808.0;

/// Returns the order of two numbers, texts, truth values or units. `Some(None)` is the answer of IEEE 754 for a pair
/// with a NaN; `None` says that values of these types have no order.
pub fn order(a: &Dynamic, b: &Dynamic) -> Option<Option<Ordering>> {
    if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
        return Some(Some(a.cmp(&b)));
    }
    if let (Some(a), Some(b)) = (Number::of(a), Number::of(b)) {
        return Some(a.partial_cmp(&b));
    }
    if let (Some(a), Some(b)) = (text(a), text(b)) {
        return Some(Some(a.cmp(&b)));
    }
    if let (Ok(a), Ok(b)) = (a.as_bool(), b.as_bool()) {
        return Some(Some(a.cmp(&b)));
    }
    (a.is_unit() && b.is_unit()).then_some(Some(Ordering::Equal))
}

/// Returns the order by which values are sorted: as [`order`], with every NaN after every number and equal to other
/// NaNs. `None` if values of these types have no order.
pub fn total_order(a: &Dynamic, b: &Dynamic) -> Option<Ordering> {
    let is_nan = |x: &Dynamic| x.as_float().is_ok_and(f64::is_nan);
    order(a, b).map(|known| known.unwrap_or_else(|| is_nan(a).cmp(&is_nan(b))))
}

/// Returns whether `a` and `b` are equal. Numbers by IEEE 754 across int and float, arrays and maps by what is in them,
/// everything else by the `==` of its type; values of types that cannot be compared differ.
///
/// # Errors
/// What `==` throws; an `==` that does not say true or false, as that of tensors; nesting deeper than 4000.
pub fn equal(context: &NativeCallContext, a: &Dynamic, b: &Dynamic) -> RhaiResultOf<bool> {
    memory::at_any_depth(|| equal_within(context, a, b, DEEPEST))
}

fn equal_within(context: &NativeCallContext, a: &Dynamic, b: &Dynamic, depth: usize) -> RhaiResultOf<bool> {
    if let Some(known) = order(a, b) {
        return Ok(known == Some(Ordering::Equal));
    }
    let Some(below) = depth.checked_sub(1) else {
        let error = Error::input(format!("these values are nested more than {DEEPEST} deep"));
        return Err(raise(error.hint("only values of less depth can be compared")));
    };
    if let (Some(a), Some(b)) = (a.read_lock::<Array>(), b.read_lock::<Array>()) {
        if a.len() != b.len() {
            return Ok(false);
        }
        for (x, y) in a.iter().zip(b.iter()) {
            if !equal_within(context, x, y, below)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    if let (Some(a), Some(b)) = (a.read_lock::<Map>(), b.read_lock::<Map>()) {
        if a.len() != b.len() {
            return Ok(false);
        }
        for ((key, x), (other, y)) in a.iter().zip(b.iter()) {
            if key != other || !equal_within(context, x, y, below)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    if a.is_array() || b.is_array() || a.is_map() || b.is_map() {
        return Ok(false);
    }
    by_their_type(context, a, b)
}

/// What the `==` of the values' type says.
fn by_their_type(context: &NativeCallContext, a: &Dynamic, b: &Dynamic) -> RhaiResultOf<bool> {
    let (mut first, mut second) = (a.clone(), b.clone());
    let answer = context.call_native_fn_raw("==", true, &mut [&mut first, &mut second])?;
    answer.as_bool().map_err(|_| {
        let name = |x: &Dynamic| context.engine().map_type_name(x.type_name()).to_string();
        let error = Error::input(format!(
            "whether {} equals {} has no one answer: `==` gives {}",
            article(&name(a)),
            article(&name(b)),
            article(&name(&answer))
        ));
        raise(error.hint("for tensors, use `torch::equal(a, b)`, in a closure where one is taken"))
    })
}

/// A number of a script.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Integer(i64),
    Float(f64),
}

impl Number {
    /// Returns the number that `value` is, if it is one.
    pub(super) fn of(value: &Dynamic) -> Option<Number> {
        let float = || value.as_float().ok().map(Number::Float);
        value.as_int().ok().map(Number::Integer).or_else(float)
    }

    /// Returns it as a float, rounded if need be.
    pub(super) fn to_float(self) -> f64 {
        match self {
            Number::Integer(number) => number as f64,
            Number::Float(number) => number,
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (*self, *other) {
            (Number::Integer(a), Number::Integer(b)) => Some(a.cmp(&b)),
            (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b),
            (Number::Integer(a), Number::Float(b)) => integer_and_float(a, b),
            (Number::Float(a), Number::Integer(b)) => integer_and_float(b, a).map(Ordering::reverse),
        }
    }
}

/// Compares exactly, as Python does: 2^53 + 1 is more than 2.0^53, though it rounds to it.
fn integer_and_float(integer: i64, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        None
    } else if float >= INTEGERS_END {
        Some(Ordering::Less)
    } else if float < -INTEGERS_END {
        Some(Ordering::Greater)
    } else {
        let whole = float.trunc();
        let rest = 0.0f64.partial_cmp(&(float - whole));
        rest.map(|rest| integer.cmp(&(whole as i64)).then(rest))
    }
}

/// A text or a single character.
fn text(value: &Dynamic) -> Option<ImmutableString> {
    let character = || value.as_char().ok().map(|c| ImmutableString::from(c.to_string()));
    value.clone().try_cast::<ImmutableString>().or_else(character)
}

/// Returns the error of an operator that no pair of these types has.
pub(super) fn no_such(
    context: &NativeCallContext,
    name: &str,
    a: &Dynamic,
    b: &Dynamic,
) -> Box<rhai::EvalAltResult> {
    let type_of = |x: &Dynamic| context.engine().map_type_name(x.type_name()).to_string();
    let signature = format!("{name} ({}, {})", type_of(a), type_of(b));
    rhai::EvalAltResult::ErrorFunctionNotFound(signature, Position::NONE).into()
}
