//! Long texts, tokenised a window at a time.
//!
//! A tokenizer keeps a hundred bytes and more for each byte that it works on. A long text is therefore tokenised in
//! windows that overlap, and only ids and places are kept. The tokens of two windows are joined where both begin a token
//! and agree on every token for a stretch before and after. Where a text has a boundary that no merge crosses, what is
//! right of it does not depend on what is left of it; agreement on both sides is how such a boundary is known without
//! knowing the tokenizer. Where windows do not agree (one word of megabytes may be cut differently from elsewhere), the
//! text is tokenised anew in windows four times as long, and in the end as a whole.
//!
//! Where only the first tokens are wanted, no more of the text is looked at than they take.

use std::ops::Range;

use tokenizers::{Encoding, Tokenizer as Inner};

use super::failure::unusable;
use crate::error::{Error, Result};
use crate::event::StopFlag;
use crate::{guard, memory};

/// Bytes that tokenising takes for each byte of a text, at most, as measured.
const BYTES_A_BYTE: u64 = 200;

/// A token of a text: its id, and the bytes that it stands for.
pub(super) type Piece = (u32, Range<usize>);

/// Bytes of text that a token stands for, on average, in most texts at most.
const BYTES_OF_A_TOKEN: usize = 6;

/// How texts are cut.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    /// Bytes that are looked at behind those of the first tokens, where more are not wanted, and not relied on.
    pub behind: usize,
    /// Bytes in a window; a text that is no longer is tokenised as a whole.
    pub window: usize,
    /// Bytes at each end of a window that are not relied on.
    pub margin: usize,
    /// Bytes on both sides of a join on which the windows must agree.
    pub agreement: usize,
}

impl Default for Cut {
    fn default() -> Self {
        Cut {
            behind: 2 << 10,
            window: 128 << 10,
            margin: 8 << 10,
            agreement: 2 << 10,
        }
    }
}

/// Returns the tokens of `text` without any that the tokenizer's template adds: all of them, or at least `wanted` where
/// there are as many.
///
/// # Errors
/// The tokenizer fails; there is not enough memory; `stop` is set.
pub(super) fn tokens(
    inner: &Inner,
    text: &str,
    wanted: Option<usize>,
    cut: Cut,
    stop: &StopFlag,
) -> Result<Vec<Piece>> {
    if let Some(pieces) = first(inner, text, wanted, cut, stop)? {
        return Ok(pieces);
    }
    let mut cut = cut;
    while cut.window < text.len() {
        if let Some(pieces) = joined(inner, text, wanted, cut, stop)? {
            return Ok(pieces);
        }
        cut.window = cut.window.saturating_mul(4);
        cut.margin = cut.margin.saturating_mul(4);
    }
    whole(inner, text, 0..text.len(), stop)
}

/// Returns the ids of the tokens that [`tokens`] returns; without their places a text takes less time.
///
/// # Errors
/// As [`tokens`].
pub(super) fn ids(
    inner: &Inner,
    text: &str,
    wanted: Option<usize>,
    cut: Cut,
    stop: &StopFlag,
) -> Result<Vec<u32>> {
    let shortest = wanted.map_or(cut.window, |wanted| cut.for_first(wanted));
    if text.len() <= shortest.min(cut.window) {
        let encoding = encoded(text, stop, |text| inner.encode_fast(text, false))?;
        return Ok(encoding.get_ids().to_vec());
    }
    let pieces = tokens(inner, text, wanted, cut, stop)?;
    Ok(pieces.into_iter().map(|(id, _)| id).collect())
}

impl Cut {
    /// Bytes that most likely have the first `wanted` tokens.
    fn for_first(self, wanted: usize) -> usize {
        wanted
            .saturating_mul(BYTES_OF_A_TOKEN)
            .saturating_add(self.behind)
    }
}

/// More than `wanted` tokens from the beginning of a text that is no window; `None` where all of it has to be looked at.
fn first(
    inner: &Inner,
    text: &str,
    wanted: Option<usize>,
    cut: Cut,
    stop: &StopFlag,
) -> Result<Option<Vec<Piece>>> {
    let Some(wanted) = wanted else {
        return Ok(None);
    };
    let mut length = cut.for_first(wanted);
    while length < text.len().min(cut.window) {
        let end = boundary(text, length);
        let mut pieces = whole(inner, text, 0..end, stop)?;
        // Places are too small behind characters that a tokenizer leaves out, but never too far from each other.
        let last = pieces.last().map_or(0, |(_, place)| place.end);
        let relied_on = last.saturating_sub(cut.behind);
        pieces.truncate(pieces.partition_point(|(_, place)| place.end <= relied_on));
        if pieces.len() > wanted {
            return Ok(Some(pieces));
        }
        length = length.saturating_mul(4);
    }
    Ok(None)
}

/// What `encode` makes of a stretch of text.
fn encoded(
    stretch: &str,
    stop: &StopFlag,
    encode: impl FnOnce(&str) -> tokenizers::Result<Encoding>,
) -> Result<Encoding> {
    if stop.is_set() {
        return Err(Error::interrupted("tokenising was interrupted"));
    }
    memory::admit(
        (stretch.len() as u64).saturating_mul(BYTES_A_BYTE),
        "tokenising a text without a place to cut it",
    )?;
    guard::caught("tokenising a text", || encode(stretch).map_err(unusable))
}

/// The tokens of a stretch of the text on its own.
fn whole(inner: &Inner, text: &str, stretch: Range<usize>, stop: &StopFlag) -> Result<Vec<Piece>> {
    let encoding = encoded(&text[stretch.clone()], stop, |text| inner.encode(text, false))?;
    let ids = encoding.get_ids().iter().copied();
    let places = encoding.get_offsets().iter();
    let places = places.map(|(start, end)| stretch.start + start..stretch.start + end);
    Ok(ids.zip(places).collect())
}

/// The tokens of the text, in windows; `None` where two of them do not agree.
fn joined(
    inner: &Inner,
    text: &str,
    wanted: Option<usize>,
    cut: Cut,
    stop: &StopFlag,
) -> Result<Option<Vec<Piece>>> {
    // The tokens up to where the last window is relied on.
    let mut pieces: Vec<Piece> = Vec::new();
    let mut start = 0usize;
    loop {
        let end = boundary(text, start.saturating_add(cut.window));
        let window = whole(inner, text, start..end, stop)?;
        let relied_on = if end == text.len() {
            usize::MAX
        } else {
            end.saturating_sub(cut.margin)
        };
        if pieces.is_empty() {
            pieces = window;
        } else if !join(&mut pieces, window, start, cut) {
            return Ok(None);
        }
        pieces.truncate(pieces.partition_point(|(_, place)| place.end <= relied_on));
        if end == text.len() || wanted.is_some_and(|wanted| pieces.len() > wanted) {
            return Ok(Some(pieces));
        }
        // The next window begins with a token, so far back that its own beginning need not be relied on.
        let back = relied_on.saturating_sub(cut.margin + 2 * cut.agreement);
        let first = pieces.partition_point(|(_, place)| place.start < back);
        match pieces.get(first) {
            Some((_, place)) if place.start > start && text.is_char_boundary(place.start) => {
                start = place.start;
            }
            _ => return Ok(None),
        }
    }
}

/// Puts `window`, which begins at byte `start`, behind `pieces` if they agree.
fn join(pieces: &mut Vec<Piece>, window: Vec<Piece>, start: usize, cut: Cut) -> bool {
    let from = start + cut.margin;
    let first = pieces.partition_point(|(_, place)| place.start < from);
    let Some(at) = pieces.get(first).map(|(_, place)| place.start) else {
        return false;
    };
    let same = window.partition_point(|(_, place)| place.start < at);
    // Several tokens of one character begin at the same place; they are compared with the rest.
    let (ours, theirs) = (&pieces[first..], &window[same..]);
    let reach = ours.last().map_or(at, |(_, place)| place.end);
    let agree = ours.len() <= theirs.len() && ours == &theirs[..ours.len()];
    if !agree || reach < at + cut.agreement {
        return false;
    }
    pieces.truncate(first);
    pieces.extend_from_slice(theirs);
    true
}

/// The last boundary between characters at or before byte `at`, after a blank if there is one nearby.
fn boundary(text: &str, at: usize) -> usize {
    const NEARBY: usize = 256;
    if at >= text.len() {
        return text.len();
    }
    let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let near = (at.saturating_sub(NEARBY)..=at)
        .find(|near| text.is_char_boundary(*near))
        .unwrap_or(at);
    match text[near..at].rfind(char::is_whitespace) {
        Some(blank) => near + blank,
        None => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Generator;

    /// Windows so small that a few kilobytes have many.
    const SMALL: Cut = Cut {
        behind: 128,
        window: 1024,
        margin: 128,
        agreement: 64,
    };

    fn tokenizer(change: impl FnOnce(&mut serde_json::Value)) -> Inner {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-pythia/tokenizer.json");
        let text = std::fs::read(path).expect("a tokenizer");
        let mut value = serde_json::from_slice(&text).expect("JSON");
        change(&mut value);
        Inner::from_bytes(serde_json::to_vec(&value).expect("JSON")).expect("a tokenizer")
    }

    /// A tokenizer without a word of its own: blanks become marks, one of them before each text, and merges may cross
    /// them, as in Llama's.
    fn marked() -> Inner {
        tokenizer(|value| {
            value["normalizer"] = serde_json::json!({"type": "Sequence", "normalizers": [
                {"type": "Prepend", "prepend": "Ġ"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "Ġ"}
            ]});
            value["pre_tokenizer"] = serde_json::Value::Null;
            value["post_processor"] = serde_json::Value::Null;
        })
    }

    /// A text of `length` bytes or a little more, of what tokenizers treat in ways of their own.
    fn text(generator: &mut Generator, length: usize) -> String {
        const PARTS: &[&str] = &[
            "the",
            " the",
            " quick",
            "fox",
            "'s",
            "'ll",
            ", ",
            ".",
            "\n",
            "\n\n",
            "  ",
            "    ",
            "\t",
            "1",
            "2024",
            "é",
            "e\u{301}",
            "🙂",
            "日本語",
            "<|endoftext|>",
            "Ġ",
            "-",
            "__",
            "aaaa",
            "A",
            " a",
        ];
        let mut text = String::new();
        while text.len() < length {
            let mut below = |n: u64| (generator.next_u64() % n) as usize;
            let part = below(PARTS.len() as u64);
            let times = 1 + below(3) * below(2) * below(20);
            text += &PARTS[part].repeat(times);
        }
        text
    }

    #[test]
    fn windows_give_the_tokens_of_the_whole() {
        let stop = StopFlag::new();
        let mut generator = Generator::new(7);
        for inner in [tokenizer(|_| ()), marked()] {
            for length in [10, 1000, 1025, 5000, 20_000, 20_000, 20_000] {
                let text = text(&mut generator, length);
                let whole = whole(&inner, &text, 0..text.len(), &stop).expect("tokens");
                let all = tokens(&inner, &text, None, SMALL, &stop).expect("tokens");
                assert!(all == whole, "{} tokens of {text:?}", all.len());
                let whole_ids: Vec<u32> = whole.iter().map(|(id, _)| *id).collect();
                let all = ids(&inner, &text, None, SMALL, &stop).expect("ids");
                assert!(all == whole_ids, "{} ids of {text:?}", all.len());
                for wanted in [1, 30, 100, 3000] {
                    let some = tokens(&inner, &text, Some(wanted), SMALL, &stop).expect("tokens");
                    assert!(some.len() > wanted || some.len() == whole.len());
                    assert!(some[..] == whole[..some.len()], "{wanted} tokens of {text:?}");
                    let some = ids(&inner, &text, Some(wanted), SMALL, &stop).expect("ids");
                    assert!(some.len() > wanted || some.len() == whole.len());
                    assert!(some[..] == whole_ids[..some.len()], "{wanted} ids of {text:?}");
                }
            }
        }
    }

    #[test]
    fn texts_without_a_place_to_cut_are_tokenised_all_the_same() {
        let stop = StopFlag::new();
        let inner = tokenizer(|_| ());
        for part in ["a", " ", "ab", "1", "é", "\n", "🙂", "a ", "<|endoftext|>"] {
            let text = part.repeat(9_999);
            let whole = whole(&inner, &text, 0..text.len(), &stop).expect("tokens");
            let all = tokens(&inner, &text, None, SMALL, &stop).expect("tokens");
            assert!(all == whole, "{part:?}");
        }
    }

    #[test]
    fn little_of_a_long_text_is_tokenised_where_little_is_wanted() {
        let text = "Once upon a time ".repeat(200_000);
        let stop = StopFlag::new();
        let some = tokens(&tokenizer(|_| ()), &text, Some(64), Cut::default(), &stop).expect("tokens");
        assert!(
            some.len() > 64 && some.len() < Cut::default().for_first(64),
            "{} tokens",
            some.len()
        );
        stop.set();
        assert!(tokens(&tokenizer(|_| ()), &text, None, Cut::default(), &stop).is_err());
    }
}
