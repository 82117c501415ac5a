//! Which part of a text each of its tokens stands for.

use std::collections::VecDeque;
use std::ops::Range;

use super::tokenizer::{Bos, Tokenizer};
use crate::error::Result;

/// A token and the part of the text that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedToken {
    /// Its id.
    pub token: i64,
    /// The part of the text in characters; `None` for tokens that were added to it, such as BOS. A token that is
    /// only a part of a character stands for the whole character.
    pub characters: Option<Range<usize>>,
    /// The same in bytes; a range to slice the text with.
    pub bytes: Option<Range<usize>>,
}

impl Tokenizer {
    /// Returns the tokens of `text`, as [`encode`](Self::encode) gives them, each with the part of `text` that it
    /// stands for.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn trace(
        &self,
        text: &str,
        prepend_bos: bool,
        max_length: Option<usize>,
    ) -> Result<Vec<TracedToken>> {
        let bos = self.bos_for(prepend_bos)?;
        let pieces = self.pieces(text, max_length)?;
        let ids = self.with_template(pieces.iter().map(|(id, _)| *id));
        let adds = bos.adds_to(&ids).is_some();
        let tokens = self.finish(ids, bos, max_length);
        let (before, after) = self.template_lengths();
        let places = pieces.into_iter().map(|(id, place)| {
            let piece = self.inner.id_to_token(id).unwrap_or_default();
            Some(without_mark(text, &piece, whole_characters(text, place)))
        });
        let added = |count| std::iter::repeat_n(None, count);
        let mut ranges: VecDeque<Option<Range<usize>>> =
            added(before).chain(places).chain(added(after)).collect();
        close_gaps(text, ranges.make_contiguous());
        if adds {
            ranges.push_front(None);
        } else if bos == Bos::Remove {
            ranges.pop_front();
        }
        let mut counted = CharacterCount::default();
        let traced = tokens.into_iter().zip(ranges).map(|(token, bytes)| TracedToken {
            token,
            characters: bytes.as_ref().map(|bytes| counted.range(text, bytes)),
            bytes,
        });
        Ok(traced.collect())
    }
}

/// `range` of bytes widened to whole characters of `text`.
fn whole_characters(text: &str, range: Range<usize>) -> Range<usize> {
    let (mut start, mut end) = (range.start.min(text.len()), range.end.min(text.len()));
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// `range`, emptied where `piece` is only the mark of a word's beginning that the tokenizer put before a word itself:
/// that stands for nothing in the text, though it counts as a part of the character behind it.
fn without_mark(text: &str, piece: &str, range: Range<usize>) -> Range<usize> {
    let part = text.get(range.clone()).unwrap_or_default();
    let is_mark = matches!(piece, "▁" | "Ġ") && part != piece;
    if is_mark && !part.starts_with(char::is_whitespace) {
        range.start..range.start
    } else {
        range
    }
}

/// Gives characters that no token stands for to the token before them: composing normalizers (NFC) make one character
/// of a letter and its accent, and count only the letter. Blanks that a tokenizer leaves out stay left out.
fn close_gaps(text: &str, ranges: &mut [Option<Range<usize>>]) {
    let mut next = text.len();
    for range in ranges.iter_mut().rev().flatten() {
        let between = text.get(range.end..next).unwrap_or_default();
        let merged = between.find(char::is_whitespace).unwrap_or(between.len());
        range.end += merged;
        next = next.min(range.start);
    }
}

/// Turns byte positions that mostly grow into character positions without counting from the start each time.
#[derive(Default)]
struct CharacterCount {
    byte: usize,
    characters: usize,
}

impl CharacterCount {
    fn range(&mut self, text: &str, bytes: &Range<usize>) -> Range<usize> {
        if bytes.start < self.byte {
            *self = CharacterCount::default();
        }
        let start = self.characters + text[self.byte..bytes.start].chars().count();
        *self = CharacterCount {
            byte: bytes.start,
            characters: start,
        };
        start..start + text[bytes.clone()].chars().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_composed_accent_belongs_to_its_letter_and_a_blank_to_nobody() {
        let text = "e\u{301} b";
        let mut ranges = [None, Some(0..1), Some(4..5)];
        close_gaps(text, &mut ranges);
        assert_eq!(ranges, [None, Some(0..3), Some(4..5)]);
    }

    #[test]
    fn ranges_are_widened_to_characters_and_counted_in_them() {
        let text = "aé🙂b";
        assert_eq!(whole_characters(text, 2..3), 1..3);
        assert_eq!(whole_characters(text, 4..5), 3..7);
        let mut count = CharacterCount::default();
        assert_eq!(count.range(text, &(3..7)), 2..3);
        assert_eq!(count.range(text, &(7..8)), 3..4);
        assert_eq!(count.range(text, &(1..3)), 1..2, "going back is allowed");
    }
}
