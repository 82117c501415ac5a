//! What is said of all elements of an array at once, and arrays made of its elements.

use std::cmp::Ordering;

use rhai::plugin::*;
use rhai::{Array, Dynamic};

use super::with_article;
use crate::error::{Error, Result};
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::numbers::{equal, total_order};

/// The sum of ints, or of numbers of which some are floats.
fn total(array: &Array, name: &str, kind_of: impl Fn(&Dynamic) -> String) -> Result<Dynamic> {
    let (mut whole, mut sum, mut is_whole) = (0i64, 0.0, true);
    for (index, element) in array.iter().enumerate() {
        if let Ok(number) = element.as_int() {
            let next = whole.checked_add(number);
            if is_whole && next.is_none() {
                return Err(Error::input(
                    "the sum does not fit an int: ints go from -2^63 to 2^63 - 1",
                ));
            }
            whole = next.unwrap_or(whole);
            sum += number as f64;
        } else if let Ok(number) = element.as_float() {
            is_whole = false;
            sum += number;
        } else {
            let sentence = format!(
                "`{name}` is of numbers, but element {index} is {}",
                kind_of(element)
            );
            return Err(Error::input(sentence)
                .hint("arithmetic on more is done by tensors: `torch::tensor(a)`, `torch::stack(tensors)`"));
        }
    }
    Ok(if is_whole {
        Dynamic::from_int(whole)
    } else {
        Dynamic::from_float(sum)
    })
}

/// The first element before which none of the others comes; NaN if there is one.
fn outermost(
    array: &Array,
    name: &str,
    first: Ordering,
    kind_of: impl Fn(&Dynamic) -> String,
) -> Result<Dynamic> {
    let Some((mut best, rest)) = array.split_first() else {
        return Err(Error::input(format!("an empty array has no `{name}`")));
    };
    let is_nan = |x: &Dynamic| x.as_float().is_ok_and(f64::is_nan);
    for element in rest {
        let Some(order) = total_order(element, best) else {
            let kinds = format!("{} and {}", kind_of(best), kind_of(element));
            return Err(Error::input(format!("{kinds} have no order")));
        };
        if !is_nan(best) && (is_nan(element) || order == first) {
            best = element;
        }
    }
    let is_plain = best.is_int() || best.is_float() || best.is_string() || best.is_char() || best.is_bool();
    if is_plain {
        return Ok(best.clone());
    }
    let sentence = format!(
        "`{name}` is of numbers and texts, but was given {}",
        kind_of(best)
    );
    Err(Error::input(sentence))
}

/// What the element is, with its article.
fn kind_of<'c>(context: &'c NativeCallContext<'_>) -> impl Fn(&Dynamic) -> String + use<'c> {
    let engine = context.engine();
    move |element| with_article(engine.map_type_name(element.type_name()))
}

/// Functions of whole arrays.
#[export_module(manifest)]
pub mod functions {
    /// Returns the sum of the numbers, an int if all are ints; 0 of none. Tensors do more: `torch::tensor(a).sum()`.
    #[rhai_fn(name = "sum", return_raw, pure)]
    pub fn sum(context: NativeCallContext, array: &mut Array) -> RhaiResultOf<Dynamic> {
        total(array, "sum", kind_of(&context)).raise()
    }

    /// Returns the mean of the numbers, a float.
    #[rhai_fn(name = "mean", return_raw, pure)]
    pub fn mean(context: NativeCallContext, array: &mut Array) -> RhaiResultOf<f64> {
        let count = array.len() as f64;
        let floats = array.iter().map(|element| match element.as_int() {
            Ok(number) => Dynamic::from_float(number as f64),
            Err(_) => element.clone(),
        });
        let floats: Array = floats.collect();
        if floats.is_empty() {
            return Err(Error::input("an empty array has no mean")).raise();
        }
        let sum = total(&floats, "mean", kind_of(&context)).raise()?;
        Ok(sum.as_float().unwrap_or_default() / count)
    }

    /// Returns the largest of the numbers or texts; NaN if one is NaN.
    #[rhai_fn(name = "max", return_raw, pure)]
    pub fn max(context: NativeCallContext, array: &mut Array) -> RhaiResultOf<Dynamic> {
        outermost(array, "max", Ordering::Greater, kind_of(&context)).raise()
    }

    /// Returns the smallest of the numbers or texts; NaN if one is NaN.
    #[rhai_fn(name = "min", return_raw, pure)]
    pub fn min(context: NativeCallContext, array: &mut Array) -> RhaiResultOf<Dynamic> {
        outermost(array, "min", Ordering::Less, kind_of(&context)).raise()
    }

    /// Returns how many elements equal the value, by `==`.
    #[rhai_fn(name = "count", return_raw, pure)]
    pub fn count(context: NativeCallContext, array: &mut Array, value: Dynamic) -> RhaiResultOf<i64> {
        let mut found = 0;
        for element in array.iter() {
            found += i64::from(equal(&context, element, &value)?);
        }
        Ok(found)
    }

    /// Returns the elements without those that equal an earlier one, by `==`, in their order.
    #[rhai_fn(name = "unique", return_raw, pure)]
    pub fn unique(context: NativeCallContext, array: &mut Array) -> RhaiResultOf<Array> {
        let mut kept = Array::new();
        'elements: for element in array.iter() {
            for known in &kept {
                if equal(&context, known, element)? {
                    continue 'elements;
                }
            }
            kept.push(element.clone());
        }
        Ok(kept)
    }

    /// Returns the elements of the arrays that are its elements, and its other elements, one level deep.
    #[rhai_fn(name = "flatten", pure)]
    pub fn flatten(array: &mut Array) -> Array {
        let parts = array.iter().map(|element| match element.read_lock::<Array>() {
            Some(inner) => inner.clone(),
            None => vec![element.clone()],
        });
        parts.collect::<Vec<Array>>().concat()
    }

    /// Returns pairs of the elements of two arrays, as many as the shorter has: `[[a0, b0], [a1, b1], …]`.
    #[rhai_fn(name = "zip", pure)]
    pub fn zip(array: &mut Array, other: Array) -> Array {
        let pairs = array.iter().zip(other);
        pairs
            .map(|(one, other)| vec![one.clone(), other].into())
            .collect()
    }
}
