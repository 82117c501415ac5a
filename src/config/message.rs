//! Turns serde's errors, which are nothing but texts, into sentences about key paths. No other place reads them.

use std::cell::Cell;

use serde::de;
use serde_path_to_error::Segment;

use crate::error::{Error, Subject, Wanted};

/// Returns an error with the key path, what was given, what is allowed and the nearest valid key.
pub(super) fn explain(error: serde_path_to_error::Error<serde_json::Error>) -> Error {
    let text = error.inner().to_string();
    let mut key: Vec<String> = error
        .path()
        .iter()
        .filter_map(|segment| match segment {
            Segment::Map { key } => Some(key.clone()),
            Segment::Seq { index } => Some(format!("[{index}]")),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    let refused = REFUSAL.take().filter(|error| error.to_string() == text);
    let plain = refused.unwrap_or_else(|| translate(&text, &mut key));
    key.into_iter().rev().fold(plain, Error::under)
}

thread_local! {
    /// The error that a deserialiser last refused a value with.
    static REFUSAL: Cell<Option<Error>> = const { Cell::new(None) };
}

/// Returns the error of a deserialiser that refuses a value. Serde keeps its text only; `explain` finds the rest
/// again.
pub fn refuse<E: de::Error>(error: Error) -> E {
    let text = E::custom(&error);
    REFUSAL.set(Some(error));
    text
}

/// The sentence alone; an unknown key is kept as the last segment of `key`.
fn translate(text: &str, key: &mut Vec<String>) -> Error {
    if let Some(rest) = text.strip_prefix("unknown field ") {
        let (given, allowed) = split_expected(rest);
        if key.last().is_none_or(|last| *last != given) {
            key.push(given.clone());
        }
        return Error::unknown_key("key", &given, &allowed);
    }
    if let Some(rest) = text.strip_prefix("unknown variant ") {
        let (given, allowed) = split_expected(rest);
        return Error::unknown("value", &given, &allowed);
    }
    if let Some(rest) = text.strip_prefix("missing field ") {
        let name = quoted(rest).next().unwrap_or_default();
        return Error::input(format!("the key `{name}` is missing, and it has no default"))
            .about(Subject::MissingKey(name.into()));
    }
    for prefix in ["invalid type: ", "invalid value: "] {
        let Some(rest) = text.strip_prefix(prefix) else {
            continue;
        };
        if let Some((given, expected)) = rest.split_once(", expected ") {
            return wrong_type(expected, given);
        }
    }
    if let Some((given, expected)) = text
        .strip_prefix("invalid length ")
        .and_then(|rest| rest.split_once(", expected "))
    {
        return wrong_type(expected, given);
    }
    Error::input(text)
}

/// "`x`, expected one of `a`, `b`" → ("x", ["a", "b"]).
fn split_expected(text: &str) -> (String, Vec<String>) {
    let mut names = quoted(text).map(str::to_string);
    let given = names.next().unwrap_or_default();
    (given, names.collect())
}

/// The parts of `text` between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn wrong_type(expected: &str, given: &str) -> Error {
    let (name, wanted) = name_type(expected);
    Error::input(format!("expected {name}, but was given {given}")).about(Subject::WrongType(wanted))
}

/// Rust's type names in words.
fn name_type(expected: &str) -> (String, Wanted) {
    let (name, wanted) = match expected {
        "f64" | "f32" => ("a number", Wanted::Number),
        "i64" | "i32" => ("an integer", Wanted::Integer),
        "u64" | "u32" | "usize" | "u8" => ("a non-negative integer", Wanted::Integer),
        "a boolean" => ("true or false", Wanted::Flag),
        "a string" | "string" | "str" => ("a string", Wanted::Text),
        "a sequence" => ("a list", Wanted::List),
        other if other.starts_with("struct ") => ("a map", Wanted::Table),
        other => {
            let name = match other.strip_prefix("a tuple of size ") {
                Some(size) => format!("a list of {size} values"),
                None => other.to_string(),
            };
            return (name, Wanted::Other);
        }
    };
    (name.into(), wanted)
}
