//! Characters that a terminal would obey, made visible.
//!
//! Data, names and what servers say may hold escape sequences that recolour, rename or rewrite a terminal, or marks that
//! reverse the order in which text is read. Whoever prints such text shows these characters instead.

use std::borrow::Cow;

/// Returns `text` with its control characters shown: `␛` for ESC, `␇` for BEL and so on for the first 32 and DEL,
/// `\u{9b}` for the others and for the marks that change the direction of reading. Line ends and tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    // Most text has none, and is not copied.
    if text
        .bytes()
        .all(|byte| matches!(byte, b'\t' | b'\n' | 0x20..=0x7e))
        || !text.chars().any(is_obeyed)
    {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\r' if letters.peek() == Some(&'\n') => shown.push(letter),
            '\0'..='\x1f' if is_obeyed(letter) => {
                shown.extend(char::from_u32(u32::from('␀') + u32::from(letter)));
            }
            '\x7f' => shown.push('␡'),
            letter if is_obeyed(letter) => shown.extend(letter.escape_unicode()),
            letter => shown.push(letter),
        }
    }
    Cow::Owned(shown)
}

/// Returns `json`, one JSON document, with the same characters written as JSON's own escapes.
#[cfg(feature = "terminal")]
pub(super) fn visible_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for letter in json.chars() {
        if is_obeyed(letter) {
            // All of them are below U+10000.
            shown.push_str(&format!("\\u{:04x}", u32::from(letter)))
        } else {
            shown.push(letter)
        }
    }
    shown
}

/// Does a terminal do something at this character beside drawing it, other than for line ends and tabs?
fn is_obeyed(letter: char) -> bool {
    match letter {
        '\n' | '\t' => false,
        // Unicode's bidirectional formatting characters (UAX #9, table 4) and marks, and its line separators.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        letter => letter.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        for (text, shown) in [
            ("plain text, é and 🙂\n\tnext", "plain text, é and 🙂\n\tnext"),
            ("\x1b]0;owned\x07", "␛]0;owned␇"),
            ("\x1b[31mred", "␛[31mred"),
            ("safe\rSAFE\r\n", "safe␍SAFE\r\n"),
            ("\u{9b}31m\u{7f}\0", "\\u{9b}31m␡␀"),
            ("a\u{202e}b\u{2066}c\u{200f}", "a\\u{202e}b\\u{2066}c\\u{200f}"),
        ] {
            assert_eq!(visible(text), shown);
            assert_eq!(visible(shown), shown, "what is shown stays");
        }
    }

    #[cfg(feature = "terminal")]
    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({"a\u{9b}": "b\u{202e}\u{7f}\x1b"});
        let shown = visible_json(&value.to_string());
        assert!(shown.is_ascii(), "{shown}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).expect("JSON"),
            value
        );
    }
}
