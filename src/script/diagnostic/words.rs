//! Words around a place, and of the engine.

use crate::error::Place;

/// Returns the word before the place on the same line.
pub(super) fn previous_word(place: &Place) -> String {
    let before = &place.text[..place.span.start];
    let line = before[before.rfind('\n').map_or(0, |at| at + 1)..].trim_end();
    let start = line
        .rfind(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .map_or(0, |at| at + 1);
    line[start..].to_string()
}

pub(super) fn uncapitalised(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}
