//! The six comparisons for every pair of types, `min` and `max`.

use std::any::TypeId;
use std::cmp::Ordering;
use std::ops::{Range, RangeInclusive};

use rhai::{
    Array, Dynamic, FuncRegistration, ImmutableString, Map, Module, NativeCallContext, RhaiFunc, Shared,
};

use super::order::{Number, equal, no_such, order};
use crate::error::{Error, a as article};
use crate::script::failure::{RhaiResultOf, raise};

/// A comparison: its name, how strongly it binds, and what it says of an order. No order: a NaN is among them.
pub(super) struct Comparison {
    pub(super) name: &'static str,
    pub(super) precedence: u8,
    holds: fn(Option<Ordering>) -> bool,
}

/// All of them, with the precedences that the language gives them.
pub(super) const COMPARISONS: [Comparison; 6] = [
    comparison("<", 130, |order| order == Some(Ordering::Less)),
    comparison("<=", 130, |order| order.is_some_and(Ordering::is_le)),
    comparison(">", 130, |order| order == Some(Ordering::Greater)),
    comparison(">=", 130, |order| order.is_some_and(Ordering::is_ge)),
    comparison("==", 90, |order| order == Some(Ordering::Equal)),
    comparison("!=", 90, |order| order != Some(Ordering::Equal)),
];

const fn comparison(name: &'static str, precedence: u8, holds: fn(Option<Ordering>) -> bool) -> Comparison {
    Comparison {
        name,
        precedence,
        holds,
    }
}

/// Puts the comparisons, `min` and `max` into `module`.
pub(super) fn register(module: &mut Module) {
    for comparison in &COMPARISONS {
        let holds = comparison.holds;
        for types in ordered_pairs() {
            add(module, comparison.name, types, move |_, a, b| {
                Ok(holds(order(a, b).flatten()))
            });
        }
        let any = TypeId::of::<Dynamic>();
        let name = comparison.name;
        let rest: fn(&NativeCallContext, &str, &Dynamic, &Dynamic) -> RhaiResultOf<bool> = match name {
            "==" => |context, name, a, b| same(context, name, a, b),
            "!=" => |context, name, a, b| same(context, name, a, b).map(|same| !same),
            _ => |context, name, a, b| Err(unordered(context, name, a, b)),
        };
        add_with_context(module, name, [any, any], move |context, a, b| {
            rest(context, name, a, b)
        });
    }
    for (name, negated) in [("==", false), ("!=", true)] {
        for kind in [TypeId::of::<Array>(), TypeId::of::<Map>()] {
            add_with_context(module, name, [kind, kind], move |context, a, b| {
                equal(context, a, b).map(|same| same != negated)
            });
        }
    }
    extrema(module);
}

/// Pairs of types whose values have an order.
fn ordered_pairs() -> Vec<[TypeId; 2]> {
    let crosswise = |kinds: [TypeId; 2]| kinds.into_iter().flat_map(move |a| kinds.map(|b| [a, b]));
    crosswise([TypeId::of::<i64>(), TypeId::of::<f64>()])
        .chain(crosswise([TypeId::of::<ImmutableString>(), TypeId::of::<char>()]))
        .chain([TypeId::of::<bool>(), TypeId::of::<()>()].map(|kind| [kind, kind]))
        .collect()
}

/// Equality of what has no order: ranges; values of different types differ.
fn same(context: &NativeCallContext, name: &str, a: &Dynamic, b: &Dynamic) -> RhaiResultOf<bool> {
    if a.type_id() != b.type_id() {
        return Ok(false);
    }
    if let (Some(a), Some(b)) = (a.read_lock::<Range<i64>>(), b.read_lock::<Range<i64>>()) {
        return Ok(*a == *b);
    }
    if let (Some(a), Some(b)) = (
        a.read_lock::<RangeInclusive<i64>>(),
        b.read_lock::<RangeInclusive<i64>>(),
    ) {
        return Ok(*a == *b);
    }
    Err(no_such(context, name, a, b))
}

/// Rhai says false when values of two types are put in order, so that `() < 1` is false and `() >= 1` too.
fn unordered(context: &NativeCallContext, name: &str, a: &Dynamic, b: &Dynamic) -> Box<rhai::EvalAltResult> {
    if a.type_id() == b.type_id() {
        return no_such(context, name, a, b);
    }
    let type_of = |x: &Dynamic| context.engine().map_type_name(x.type_name()).to_string();
    raise(Error::input(format!(
        "`{name}` cannot put {} and {} in order",
        article(&type_of(a)),
        article(&type_of(b))
    )))
}

/// `min` and `max` where a float is among the two. Both are NaN if one of them is, as in PyTorch.
fn extrema(module: &mut Module) {
    for types in ordered_pairs() {
        let [int, float] = [TypeId::of::<i64>(), TypeId::of::<f64>()];
        if types == [int, int] || !types.iter().all(|kind| [int, float].contains(kind)) {
            continue;
        }
        for (name, wanted) in [("min", Ordering::Less), ("max", Ordering::Greater)] {
            let function = move |arguments: &mut [&mut Dynamic]| {
                let pair = (Number::of(arguments[0]), Number::of(arguments[1]));
                let (Some(a), Some(b)) = pair else { return f64::NAN };
                match a.partial_cmp(&b) {
                    None => f64::NAN,
                    Some(order) if order == wanted.reverse() => b.to_float(),
                    Some(_) => a.to_float(),
                }
            };
            let names = types.map(|kind| if kind == int { "int" } else { "float" });
            FuncRegistration::new(name)
                .with_params_info([
                    format!("x: {}", names[0]),
                    format!("y: {}", names[1]),
                    "float".into(),
                ])
                .with_comments([match name {
                    "min" => "/// Returns the smaller of the two, as a float; NaN if one of them is NaN.",
                    _ => "/// Returns the larger of the two, as a float; NaN if one of them is NaN.",
                }])
                .set_into_module_raw(module, types, native(false, move |_, x| Ok(function(x).into())));
        }
    }
}

fn add(
    module: &mut Module,
    name: &str,
    types: [TypeId; 2],
    holds: impl Fn(Option<&NativeCallContext>, &Dynamic, &Dynamic) -> RhaiResultOf<bool> + 'static,
) {
    let function = native(false, move |_, arguments| {
        holds(None, arguments[0], arguments[1]).map(Dynamic::from_bool)
    });
    FuncRegistration::new(name).set_into_module_raw(module, types, function);
}

fn add_with_context(
    module: &mut Module,
    name: &str,
    types: [TypeId; 2],
    holds: impl Fn(&NativeCallContext, &Dynamic, &Dynamic) -> RhaiResultOf<bool> + 'static,
) {
    let function = native(true, move |context, arguments| {
        let Some(context) = context else {
            return Ok(Dynamic::FALSE);
        };
        holds(&context, arguments[0], arguments[1]).map(Dynamic::from_bool)
    });
    FuncRegistration::new(name).set_into_module_raw(module, types, function);
}

/// A native function that changes nothing: it may be called on constants.
fn native(
    has_context: bool,
    function: impl Fn(Option<NativeCallContext>, &mut [&mut Dynamic]) -> RhaiResultOf<Dynamic> + 'static,
) -> RhaiFunc {
    RhaiFunc::Method {
        func: Shared::new(function),
        has_context,
        is_pure: true,
        is_volatile: false,
    }
}
