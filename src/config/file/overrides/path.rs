//! The key path of an override: its parts, where they stand, and what they lead to.

use std::ops::Range;

use crate::config::{Map, Value};
use crate::error::{Error, Result, a, counted};

/// A part of a key path, and where it stands in the text of the option.
pub(super) struct Segment {
    /// A name, or an index as `[0]`.
    pub name: String,
    pub span: Range<usize>,
}

/// Returns the key and the value: at the first `=` outside quotes.
pub(super) fn split_assignment(assignment: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let at = assignment.char_indices().find_map(|(at, letter)| {
        quoted ^= letter == '"';
        (letter == '=' && !quoted).then_some(at)
    });
    let at = at.or_else(|| assignment.find('='))?;
    Some((&assignment[..at], &assignment[at + 1..]))
}

/// Splits `a.b[0].c` and `a."b c".d` into segments, indices like `[0]`; the path begins after `before` bytes of the
/// option's text.
///
/// # Errors
/// A quotation mark that is not closed; an index that is no number.
pub(super) fn split_path(path: &str, before: usize) -> Result<Vec<Segment>> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut quoted = false;
    let mut new = true;
    for (at, letter) in path.char_indices() {
        let (start, end) = (before + at, before + at + letter.len_utf8());
        match letter {
            '"' => quoted = !quoted,
            '.' if !quoted => new = true,
            ' ' | '\t' if !quoted => (),
            _ => {
                if new || (letter == '[' && !quoted) {
                    let (name, span) = (String::new(), start..end);
                    segments.push(Segment { name, span });
                    new = false;
                }
                if let Some(segment) = segments.last_mut() {
                    segment.name.push(letter);
                    segment.span.end = end;
                }
            }
        }
    }
    if quoted {
        return Err(Error::input("a quotation mark in the key is never closed"));
    }
    match segments
        .iter()
        .find(|segment| segment.name.starts_with('[') && index(&segment.name).is_none())
    {
        Some(wrong) => Err(Error::input(format!("`{}` is no index", wrong.name))
            .hint("items of a list are counted from 0: `activation_factory.sources[0].name`")),
        None => Ok(segments),
    }
}

/// The number in `[0]`.
fn index(name: &str) -> Option<usize> {
    name.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// Returns the place for a value at `path`, with tables made on the way.
///
/// # Errors
/// What cannot hold the next segment, and where that stands.
pub(super) fn slot<'v>(
    value: &'v mut Value,
    path: &[Segment],
) -> std::result::Result<&'v mut Value, (Error, Range<usize>)> {
    let mut here = value;
    for (at, segment) in path.iter().enumerate() {
        let index = index(&segment.name);
        if index.is_none() && here.is_null() {
            *here = Value::Object(Map::new());
        }
        let refused =
            |sentence: String, hint: &str| Err((Error::input(sentence).hint(hint), segment.span.clone()));
        let before: String = written(&path[..at]);
        here = match (index, here) {
            (Some(index), Value::Array(items)) => {
                let length = items.len();
                match items.get_mut(index) {
                    Some(item) => item,
                    None => {
                        let items = counted(length, "item");
                        return refused(
                            format!("there is no item {index}: the list `{before}` has {items}"),
                            "items are counted from 0; a longer list is set as a whole",
                        );
                    }
                }
            }
            (None, Value::Object(map)) => map.entry(segment.name.clone()).or_insert(Value::Null),
            (None, Value::Array(_)) => {
                return refused(
                    format!(
                        "`{before}` is a list, which has items but no key `{}`",
                        segment.name
                    ),
                    &format!("say which item: `{before}[0].{}`", segment.name),
                );
            }
            (Some(_), Value::Object(_)) => {
                return refused(
                    format!("`{before}` is a table, which has keys but no items"),
                    "name a key of it",
                );
            }
            (_, other) => {
                let kind = kind_of(other);
                return refused(
                    format!(
                        "`{before}` is {kind}, not a table or list that `{}` could be in",
                        segment.name
                    ),
                    &format!("set `{before}` itself"),
                );
            }
        };
    }
    Ok(here)
}

/// What a value that is no table or list is.
fn kind_of(value: &Value) -> String {
    match value {
        Value::Null => "nothing yet".to_string(),
        Value::Bool(_) => a("truth value"),
        Value::Number(_) => a("number"),
        _ => a("string"),
    }
}

/// A path as it is written.
fn written(path: &[Segment]) -> String {
    path.iter().fold(String::new(), |path, segment| {
        let dot = if path.is_empty() || segment.name.starts_with('[') {
            ""
        } else {
            "."
        };
        format!("{path}{dot}{}", segment.name)
    })
}
