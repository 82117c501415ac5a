//! What a value takes in memory.

use rhai::{Array, Blob, Dynamic, ImmutableString, Map};

/// Bytes of a value itself: a number lies in it, what is larger beside it.
pub(super) const SLOT: u64 = 16;

/// Bytes of what lies beside a value of a size that varies, its own administration and the allocator's.
pub(super) const BLOCK: u64 = 48;

/// Returns the bytes that a copy of `value` takes.
pub(super) fn bytes(value: &Dynamic) -> u64 {
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return SLOT + BLOCK + text.len() as u64;
    }
    if let Some(items) = value.read_lock::<Array>() {
        return SLOT + BLOCK + items.iter().map(bytes).sum::<u64>();
    }
    if let Some(map) = value.read_lock::<Map>() {
        let entries = map
            .iter()
            .map(|(key, item)| BLOCK + key.len() as u64 + bytes(item));
        return SLOT + BLOCK + entries.sum::<u64>();
    }
    match value.read_lock::<Blob>() {
        Some(blob) => SLOT + BLOCK + blob.len() as u64,
        None => SLOT,
    }
}

/// Returns the text, if `value` is one.
pub(super) fn text(value: &Dynamic) -> Option<ImmutableString> {
    match value.as_char() {
        Ok(letter) => Some(ImmutableString::from(letter.to_string())),
        Err(_) => value.read_lock::<ImmutableString>().map(|text| text.clone()),
    }
}
