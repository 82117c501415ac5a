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

/// Returns the variable and the calls that stand before the place in the same chain: `m` and `.keys()` of
/// `m.keys().map(…)` at `map`.
pub(super) fn calls_before(place: &Place) -> Option<(&str, &str)> {
    let before = place.text[..place.span.start].trim_end().strip_suffix('.')?;
    let mut depth = 0usize;
    let mut is_outside = |letter: char| match letter {
        ')' | ']' => {
            depth += 1;
            false
        }
        '(' | '[' if depth == 0 => true,
        '(' | '[' => {
            depth -= 1;
            false
        }
        _ => depth == 0 && !(letter.is_alphanumeric() || "_.".contains(letter)),
    };
    let mut letters = before.char_indices().rev();
    let start = letters
        .find(|(_, letter)| is_outside(*letter))
        .map_or(0, |(at, letter)| at + letter.len_utf8());
    let chain = &before[start..];
    let (value, calls) = chain.split_at(chain.find('.')?);
    (!value.is_empty() && calls.contains('(')).then_some((value, calls))
}

pub(super) fn uncapitalised(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}
