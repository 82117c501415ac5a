//! What functions of the language are asked before they begin: those that multiply their arguments, what they are about
//! to take. The others take no more than a copy of what there is, for which room is always kept.

use std::any::TypeId;

use rhai::{Array, Blob, Dynamic, FuncMetadata, ImmutableString};

use super::values::{BLOCK, SLOT, bytes, text};
use crate::error::{Error, Result};
use crate::memory;

/// Refuses a call whose result does not fit into the budget, or would be no result.
pub(super) type Door = fn(&[&mut Dynamic]) -> Result<()>;

/// Bytes of a value for each byte of its JSON text, at most: `[` makes an array.
const PARSED: u64 = 64;

/// Returns the door of a function of the language's library, if it needs one.
pub(super) fn of(function: &FuncMetadata) -> Option<Door> {
    let kind = *function.param_types.first()?;
    let is_text = kind == TypeId::of::<ImmutableString>();
    let is_array = kind == TypeId::of::<Array>();
    let is_blob = kind == TypeId::of::<Blob>();
    let is_number = kind == TypeId::of::<i64>();
    let is_float = kind == TypeId::of::<f64>();
    let door: Door = match function.name.as_str() {
        "pad" if is_array => pad_array,
        "pad" if is_text => pad_text,
        "pad" if is_blob => pad_blob,
        "blob" if is_number => blob,
        "replace" if is_text => replace,
        "split" | "split_rev" if is_text => split,
        "to_chars" if is_text => to_chars,
        "to_array" if is_blob => to_array,
        "to_int" if is_float => to_int,
        "parse_json" if is_text => parse_json,
        "to_debug" | "debug" if is_text => quoted,
        _ => return None,
    };
    Some(door)
}

/// How many more there will be, of the number asked for as the second argument.
fn missing(arguments: &[&mut Dynamic], have: usize) -> u64 {
    let wanted = arguments[1].as_int().unwrap_or(0);
    u64::try_from(wanted).unwrap_or(0).saturating_sub(have as u64)
}

fn length(value: &Dynamic) -> usize {
    value.read_lock::<ImmutableString>().map_or(0, |text| text.len())
}

fn pad_array(arguments: &[&mut Dynamic]) -> Result<()> {
    let have = arguments[0].read_lock::<Array>().map_or(0, |array| array.len());
    let count = missing(arguments, have);
    memory::admit_value(
        count.saturating_mul(bytes(arguments[2])),
        &format!("an array padded to {} elements", arguments[1]),
    )
}

fn pad_text(arguments: &[&mut Dynamic]) -> Result<()> {
    let have = arguments[0]
        .read_lock::<ImmutableString>()
        .map_or(0, |text| text.chars().count());
    let padding = text(arguments[2]).map_or(1, |padding| padding.len() as u64);
    memory::admit_value(
        missing(arguments, have).saturating_mul(padding),
        &format!("a string padded to {} characters", arguments[1]),
    )
}

fn pad_blob(arguments: &[&mut Dynamic]) -> Result<()> {
    let have = arguments[0].read_lock::<Blob>().map_or(0, |blob| blob.len());
    memory::admit_value(
        missing(arguments, have),
        &format!("a blob padded to {} bytes", arguments[1]),
    )
}

fn blob(arguments: &[&mut Dynamic]) -> Result<()> {
    let length = u64::try_from(arguments[0].as_int().unwrap_or(0)).unwrap_or(0);
    memory::admit_value(length, &format!("a blob of {length} bytes"))
}

fn replace(arguments: &[&mut Dynamic]) -> Result<()> {
    let found = parts(arguments).saturating_sub(1);
    let by = text(arguments[2]).map_or(0, |by| by.len() as u64);
    let bytes = found
        .saturating_mul(by)
        .saturating_add(length(arguments[0]) as u64);
    memory::admit_value(bytes, &format!("a string with {found} replacements"))
}

fn split(arguments: &[&mut Dynamic]) -> Result<()> {
    let parts = if arguments.get(1).is_some_and(|by| by.is_int()) {
        2
    } else {
        parts(arguments)
    };
    let bytes = parts.saturating_mul(SLOT + BLOCK) + length(arguments[0]) as u64;
    memory::admit_value(bytes, &format!("an array of {parts} strings"))
}

/// Into how many parts the second argument, or blanks, divide the first.
fn parts(arguments: &[&mut Dynamic]) -> u64 {
    let Some(whole) = arguments[0].read_lock::<ImmutableString>() else {
        return 1;
    };
    let parts = match arguments.get(1).and_then(|by| text(by)) {
        Some(by) => whole.matches(by.as_str()).count() + 1,
        None => whole.split_whitespace().count(),
    };
    parts as u64
}

fn to_chars(arguments: &[&mut Dynamic]) -> Result<()> {
    let count = arguments[0]
        .read_lock::<ImmutableString>()
        .map_or(0, |text| text.chars().count()) as u64;
    memory::admit_value(
        count.saturating_mul(SLOT),
        &format!("an array of {count} characters"),
    )
}

fn to_array(arguments: &[&mut Dynamic]) -> Result<()> {
    let count = arguments[0].read_lock::<Blob>().map_or(0, |blob| blob.len()) as u64;
    memory::admit_value(
        count.saturating_mul(SLOT),
        &format!("an array of {count} numbers"),
    )
}

/// The language makes 0 of what is no number.
fn to_int(arguments: &[&mut Dynamic]) -> Result<()> {
    if !arguments[0].as_float().is_ok_and(f64::is_nan) {
        Ok(())
    } else {
        Err(Error::input("NaN is no whole number"))
    }
}

fn parse_json(arguments: &[&mut Dynamic]) -> Result<()> {
    let length = length(arguments[0]) as u64;
    memory::admit_value(
        length.saturating_mul(PARSED),
        &format!("what a JSON text of {length} bytes may hold"),
    )
}

fn quoted(arguments: &[&mut Dynamic]) -> Result<()> {
    /// Bytes of a letter that is written as `\u{10ffff}`, for each byte that it takes itself.
    const ESCAPED: u64 = 6;
    let length = length(arguments[0]) as u64;
    memory::admit_value(
        length.saturating_mul(ESCAPED),
        &format!("a string of {length} bytes, quoted"),
    )
}
