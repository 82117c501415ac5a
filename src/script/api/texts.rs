//! Texts: numbers and values put into them, and what is taken from them and put together: `fmt`, `format`, `join`,
//! `strip`, `lines`.

use rhai::plugin::*;
use rhai::{Array, Dynamic, FuncRegistration, ImmutableString, Map, Module};

use super::tensor::{TensorHandle, item};
use crate::error::{Error, Result, a};
use crate::report::{FormatSpec, format};
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard::{self, SetGuarded};
use crate::script::reading::FORMAT;

/// Puts the functions into `module`.
pub fn register(module: &mut Module) {
    // What stands between backquotes with a format.
    FuncRegistration::new(FORMAT).set_guarded(
        module,
        |context: NativeCallContext, value: Dynamic, format: &str| {
            formatted(&context, &value, format).raise()
        },
    );
    combine_with_exported_module!(module, "texts", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// The number in a tensor of one element; other values as they are.
fn unwrapped(value: &Dynamic) -> Result<Dynamic> {
    match value.read_lock::<TensorHandle>() {
        Some(tensor) if tensor.tensor().numel() == 1 => item(tensor.tensor()),
        _ => Ok(value.clone()),
    }
}

/// The value as `print` shows it.
fn shown(context: &NativeCallContext, value: &Dynamic) -> String {
    context
        .call_fn::<ImmutableString>("to_string", (value.clone(),))
        .map_or_else(|_| value.to_string(), Into::into)
}

/// Writes `value` as `specification` says: numbers as numbers, everything else as the text that `print` shows.
fn formatted(context: &NativeCallContext, value: &Dynamic, specification: &str) -> Result<String> {
    let spec = FormatSpec::parse(specification)?;
    let value = unwrapped(value)?;
    if let Ok(number) = value.as_float() {
        return spec.float(number);
    }
    if let Ok(number) = value.as_int() {
        return spec.integer(number);
    }
    let is_text = value.is_string() || value.is_char() || value.is_bool();
    spec.text(&shown(context, &value)).map_err(|error| {
        if is_text {
            return error;
        }
        let kind = context.engine().map_type_name(value.type_name());
        Error::input(format!(
            "`{specification}` writes numbers and texts, but was given {}",
            a(kind)
        ))
        .hint("a width alone writes any value: `>20`")
    })
}

/// Where the values of a template come from.
enum Values<'a> {
    InOrder(&'a [Dynamic]),
    ByName(&'a Map),
}

/// Python's `template.format(…)`: `{}`, `{2}`, `{name}`, each with `:specification` if wanted; `{{` is a bracket.
fn filled(context: &NativeCallContext, template: &str, values: &Values) -> Result<String> {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    let mut next = 0;
    while let Some(at) = rest.find(['{', '}']) {
        text += &rest[..at];
        let (bracket, after) = rest[at..].split_at(1);
        rest = after;
        if let Some(after) = rest.strip_prefix(bracket) {
            text += bracket;
            rest = after;
            continue;
        }
        let Some((field, after)) = rest.split_once('}').filter(|_| bracket == "{") else {
            let sentence = format!("the template has a `{bracket}` alone: {template:?}");
            return Err(
                Error::input(sentence).hint("a bracket that is to be seen is written twice: `{{`, `}}`")
            );
        };
        let (name, specification) = field.split_once(':').unwrap_or((field, ""));
        let value = found(values, name.trim(), &mut next)?;
        text += &formatted(context, &value, specification)?;
        rest = after;
    }
    Ok(text + rest)
}

/// The value that a field of a template names; without a name the next one.
fn found(values: &Values, name: &str, next: &mut usize) -> Result<Dynamic> {
    match (values, name.parse::<usize>()) {
        (Values::ByName(map), _) if !name.is_empty() => map.get(name).cloned().ok_or_else(|| {
            let names: Vec<String> = map.keys().map(ToString::to_string).collect();
            Error::unknown("name", name, &names)
        }),
        (Values::ByName(_), _) => Err(Error::input(
            "a template that is given a map names its values: `{key}`",
        )),
        (Values::InOrder(values), number) if number.is_ok() || name.is_empty() => {
            let index = number.unwrap_or(*next);
            *next += usize::from(name.is_empty());
            values.get(index).cloned().ok_or_else(|| {
                let given = format::amount(values.len() as u64, None, "values");
                Error::input(format!(
                    "the template asks for value {index}, counted from 0, but was given {given}"
                ))
            })
        }
        (Values::InOrder(_), _) => Err(Error::input(format!(
            "the template names `{name}`, but was given no names"
        ))
        .hint(format!(
            "write `text.format(#{{ {name}: … }})`, or `` `${{{name}:.2f}}` `` between backquotes"
        ))),
    }
}

/// The items as texts with `separator` between them.
fn joined(context: &NativeCallContext, items: &Array, separator: &str) -> String {
    let texts: Vec<String> = items.iter().map(|item| shown(context, item)).collect();
    texts.join(separator)
}

/// Functions of texts.
#[export_module(manifest)]
mod functions {
    /// Returns a number or another value as Python's `format` writes it: `fmt(x, ".2f")`, `fmt(n, ",")`,
    /// `fmt(share, ".1%")`, `fmt(name, ">12")`. A tensor of one element counts as its number. Between backquotes the same
    /// is `${x:.2f}`.
    #[rhai_fn(return_raw)]
    pub fn fmt(context: NativeCallContext, value: Dynamic, format: &str) -> RhaiResultOf<String> {
        formatted(&context, &value, format).raise()
    }

    /// Returns a number in about five significant digits, as the tables of figures show it: `fmt(0.858912)` is
    /// `0.8589`.
    #[rhai_fn(name = "fmt", return_raw)]
    pub fn fmt_short(context: NativeCallContext, value: Dynamic) -> RhaiResultOf<String> {
        let value = unwrapped(&value).raise()?;
        match value.as_float() {
            Ok(number) => Ok(format::metric(number)),
            Err(_) => formatted(&context, &value, "").raise(),
        }
    }

    /// Returns the text with values put in place of its `{}`, as in Python: `"{} has {:.1%}".format(name, share)`. `{1}`
    /// takes a value by its number from 0, `{key}` from a map: `"{k:>4}".format(#{ k: 32 })`. An array gives its items.
    #[rhai_fn(name = "format", return_raw, pure)]
    pub fn format_one(
        context: NativeCallContext,
        text: &mut ImmutableString,
        value: Dynamic,
    ) -> RhaiResultOf<String> {
        if let Some(map) = value.read_lock::<Map>() {
            return filled(&context, text, &Values::ByName(&map)).raise();
        }
        if let Some(items) = value.read_lock::<Array>() {
            return filled(&context, text, &Values::InOrder(&items)).raise();
        }
        filled(&context, text, &Values::InOrder(std::slice::from_ref(&value))).raise()
    }

    /// Returns the text with two values put in place of its `{}`.
    #[rhai_fn(name = "format", return_raw, pure)]
    pub fn format_two(
        context: NativeCallContext,
        text: &mut ImmutableString,
        first: Dynamic,
        second: Dynamic,
    ) -> RhaiResultOf<String> {
        filled(&context, text, &Values::InOrder(&[first, second])).raise()
    }

    /// Returns the text with three values put in place of its `{}`; more are given as an array.
    #[rhai_fn(name = "format", return_raw, pure)]
    pub fn format_three(
        context: NativeCallContext,
        text: &mut ImmutableString,
        first: Dynamic,
        second: Dynamic,
        third: Dynamic,
    ) -> RhaiResultOf<String> {
        filled(&context, text, &Values::InOrder(&[first, second, third])).raise()
    }

    /// Returns the items as one text, with `separator` between them: `[1, 2].join(", ")` is `"1, 2"`.
    #[rhai_fn(name = "join", pure)]
    pub fn join(context: NativeCallContext, items: &mut Array, separator: &str) -> String {
        joined(&context, items, separator)
    }

    /// Returns the items as one text, with this one between them, as in Python: `", ".join([1, 2])` is `"1, 2"`.
    #[rhai_fn(name = "join", pure)]
    pub fn join_with(context: NativeCallContext, separator: &mut ImmutableString, items: Array) -> String {
        joined(&context, &items, separator)
    }

    /// Returns the text without white space at its ends. `trim` changes a text where it is.
    #[rhai_fn(name = "strip", pure)]
    pub fn strip(text: &mut ImmutableString) -> ImmutableString {
        text.trim().into()
    }

    /// Returns the text without any of these letters at its ends.
    #[rhai_fn(name = "strip", pure)]
    pub fn strip_letters(text: &mut ImmutableString, letters: &str) -> ImmutableString {
        text.trim_matches(|letter| letters.contains(letter)).into()
    }

    /// Returns the lines of the text, without their ends.
    #[rhai_fn(name = "lines", pure)]
    pub fn lines(text: &mut ImmutableString) -> Array {
        text.lines().map(|line| line.to_string().into()).collect()
    }

    /// Returns how often `part` stands in the text, without overlaps.
    #[rhai_fn(name = "count", pure)]
    pub fn count(text: &mut ImmutableString, part: &str) -> i64 {
        text.matches(part).count() as i64
    }

    /// Returns the text `count` times.
    #[rhai_fn(name = "repeat", return_raw, pure)]
    pub fn repeat(text: &mut ImmutableString, count: i64) -> RhaiResultOf<String> {
        let count = usize::try_from(count).unwrap_or(0);
        let bytes = text.len().saturating_mul(count);
        crate::memory::admit_value(bytes as u64, "a string").raise()?;
        Ok(text.repeat(count))
    }
}
