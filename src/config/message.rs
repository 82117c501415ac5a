//! Turns serde's messages into sentences about key paths.

use serde_path_to_error::Segment;

use super::carried::carried;
use crate::error::Error;

/// An error with the key path, what was given, what is allowed and the nearest valid key.
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
    let plain = match carried(&text) {
        Some(error) => error,
        None => translate(&text, &mut key),
    };
    key.into_iter().rev().fold(plain, Error::under)
}

/// The key that an error says is missing from the table at its key path.
pub(super) fn missing_key(error: &Error) -> Option<String> {
    let text = error.message().strip_suffix(MISSING)?;
    quoted(text).next().map(str::to_string)
}

/// For an error about an unknown key: the path of the table it is in, and the key that was probably meant.
pub(super) fn near_key(error: &Error) -> Option<(&[String], Option<String>)> {
    let is_unknown = error.message().starts_with("unknown key ");
    let (_, parent) = error.key().split_last().filter(|_| is_unknown)?;
    let mut hints = error.hints().iter();
    let near = hints.find_map(|hint| hint.strip_prefix("did you mean "));
    Some((
        parent,
        near.and_then(|hint| quoted(hint).next()).map(str::to_string),
    ))
}

/// The values that an error about an unknown one lists.
pub(super) fn allowed_values(error: &Error) -> Vec<String> {
    let is_value = error.message().starts_with("unknown value ");
    let mut hints = error.hints().iter().filter(|_| is_value);
    let listed = hints.find_map(|hint| hint.strip_prefix("allowed: "));
    listed.into_iter().flat_map(quoted).map(str::to_string).collect()
}

/// How the sentence about a missing key ends.
const MISSING: &str = "is missing, and it has no default";

/// The sentence alone; an unknown key is kept as the last segment of `key`.
fn translate(text: &str, key: &mut Vec<String>) -> Error {
    if let Some(rest) = text.strip_prefix("unknown field ") {
        let (given, allowed) = split_expected(rest);
        if key.last().is_none_or(|last| *last != given) {
            key.push(given.clone());
        }
        return Error::unknown("key", &given, &allowed);
    }
    if let Some(rest) = text.strip_prefix("unknown variant ") {
        let (given, allowed) = split_expected(rest);
        return Error::unknown("value", &given, &allowed);
    }
    if let Some(rest) = text.strip_prefix("missing field ") {
        let name = quoted(rest).next().unwrap_or_default();
        return Error::input(format!("the key `{name}` {MISSING}"));
    }
    for prefix in ["invalid type: ", "invalid value: "] {
        let Some(rest) = text.strip_prefix(prefix) else {
            continue;
        };
        if let Some((given, expected)) = rest.split_once(", expected ") {
            return Error::input(format!("expected {}, but was given {given}", name_type(expected)));
        }
    }
    if let Some((given, expected)) = text
        .strip_prefix("invalid length ")
        .and_then(|rest| rest.split_once(", expected "))
    {
        return Error::input(format!("expected {}, but was given {given}", name_type(expected)));
    }
    // What a value's own parser said: a sentence, then hints after semicolons.
    let mut parts = text.split("; ");
    let sentence = Error::input(parts.next().unwrap_or(text));
    parts.fold(sentence, Error::hint)
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

/// Rust's type names in words.
fn name_type(expected: &str) -> String {
    match expected {
        "f64" | "f32" => "a number".into(),
        "i64" | "i32" => "an integer".into(),
        "u64" | "u32" | "usize" | "u8" => "a non-negative integer".into(),
        "a boolean" => "true or false".into(),
        "a string" | "string" | "str" => "a string".into(),
        "a sequence" => "a list".into(),
        other => match (
            other.strip_prefix("a tuple of size "),
            other.strip_prefix("struct "),
        ) {
            (Some(size), _) => format!("a list of {size} values"),
            (_, Some(_)) => "a map".into(),
            _ => other.to_string(),
        },
    }
}
