//! JSON values as Python's `json` writes and reads them.
//!
//! `serde_json` keeps to the standard and refuses what `json.dumps` writes without being asked: `NaN`, `Infinity`, and
//! `\ud800` for a half of a surrogate pair. Numbers beyond what a float holds become infinite, as in Python; halves of
//! surrogate pairs, which no UTF-8 text can hold, become U+FFFD. Grammar: <https://www.rfc-editor.org/rfc/rfc8259>.

use crate::text::cell::{Cell, Row};

/// Lists and objects within each other.
const DEEPEST: usize = 128;

/// What Python writes where JSON has no word, and what other writers do.
const WORDS: &[(&str, Cell)] = &[
    ("null", Cell::Null),
    ("true", Cell::Bool(true)),
    ("false", Cell::Bool(false)),
    ("NaN", Cell::Float(f64::NAN)),
    ("Infinity", Cell::Float(f64::INFINITY)),
    ("-Infinity", Cell::Float(f64::NEG_INFINITY)),
];

/// Why a text is no JSON value.
#[derive(Debug, PartialEq)]
pub(super) struct Broken {
    pub what: &'static str,
    /// The byte at which it shows, from 0.
    pub at: usize,
}

/// Returns the one value that `text` holds.
pub(super) fn parse(text: &str) -> Result<Cell, Broken> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.pass_blanks();
    if reader.at < text.len() {
        return Err(reader.broken("something follows the value"));
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn broken(&self, what: &'static str) -> Broken {
        let what = if self.at < self.text.len() {
            what
        } else {
            "the text ends in the middle of a value"
        };
        Broken { what, at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn pass_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Passes over `byte` if it comes next, after blanks.
    fn passes(&mut self, byte: u8) -> bool {
        self.pass_blanks();
        let comes = self.peek() == Some(byte);
        self.at += usize::from(comes);
        comes
    }

    fn value(&mut self, depth: usize) -> Result<Cell, Broken> {
        self.pass_blanks();
        match self.peek() {
            Some(b'"') => self.string().map(Cell::Text),
            Some(b'{' | b'[') if depth == DEEPEST => Err(self.broken("values are nested too deeply")),
            Some(b'{') => self.object(depth).map(Cell::Map),
            Some(b'[') => self.list(depth).map(Cell::List),
            _ => self.word_or_number(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Row, Broken> {
        let mut row = Row::new();
        self.at += 1;
        if self.passes(b'}') {
            return Ok(row);
        }
        loop {
            self.pass_blanks();
            if self.peek() != Some(b'"') {
                return Err(self.broken("expected a key in quotes"));
            }
            let key = self.string()?;
            if !self.passes(b':') {
                return Err(self.broken("expected `:`"));
            }
            // Of two values for one key the last counts, as in Python.
            row.insert(key, self.value(depth + 1)?);
            if self.passes(b'}') {
                return Ok(row);
            }
            if !self.passes(b',') {
                return Err(self.broken("expected `,` or `}`"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Cell>, Broken> {
        let mut items = Vec::new();
        self.at += 1;
        if self.passes(b']') {
            return Ok(items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.passes(b']') {
                return Ok(items);
            }
            if !self.passes(b',') {
                return Err(self.broken("expected `,` or `]`"));
            }
        }
    }

    fn string(&mut self) -> Result<String, Broken> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest
                .bytes()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            let plain = plain.unwrap_or(rest.len());
            text.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err(self.broken("a control character within a string")),
            }
        }
    }

    /// The character that a backslash and what follows it stand for.
    fn escape(&mut self) -> Result<char, Broken> {
        self.at += 1;
        let letter = match self.peek() {
            Some(letter @ (b'"' | b'\\' | b'/')) => letter.into(),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.broken("an unknown escape within a string")),
        };
        self.at += 1;
        Ok(letter)
    }

    /// `u` and four digits, or two of them with a backslash between for a character beyond U+FFFF.
    fn unicode(&mut self) -> Result<char, Broken> {
        let first = self.unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let behind = self.at;
        if self.text[self.at..].starts_with("\\u") {
            self.at += 1;
            let second = self.unit()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = behind;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    /// The four hexadecimal digits after `u`.
    fn unit(&mut self) -> Result<u32, Broken> {
        let digits = self.text.get(self.at + 1..self.at + 5);
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.broken("expected four hexadecimal digits"))?;
        self.at += 5;
        Ok(unit)
    }

    fn word_or_number(&mut self) -> Result<Cell, Broken> {
        let rest = &self.text[self.at..];
        let end = rest
            .bytes()
            .position(|byte| !(byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)));
        let word = &rest[..end.unwrap_or(rest.len())];
        let known = WORDS.iter().find(|(known, _)| *known == word);
        let cell = match known {
            Some((_, cell)) => Some(cell.clone()),
            None => number(word),
        };
        let cell = cell.ok_or_else(|| self.broken("expected a value"))?;
        self.at += word.len();
        Ok(cell)
    }
}

/// The number that `word` is in JSON: whole ones of 64 bits as such, others as the nearest float.
fn number(word: &str) -> Option<Cell> {
    let digits = |text: &str| {
        text.len()
            - text
                .trim_start_matches(|letter: char| letter.is_ascii_digit())
                .len()
    };
    let mut rest = word.strip_prefix('-').unwrap_or(word);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest.starts_with('0')) {
        return None;
    }
    rest = &rest[whole..];
    let is_whole = rest.is_empty();
    if let Some(fraction) = rest.strip_prefix('.') {
        let count = digits(fraction);
        rest = (count > 0).then(|| &fraction[count..])?;
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        rest = (!exponent.is_empty()).then(|| &exponent[digits(exponent)..])?;
    }
    match (rest.is_empty(), is_whole, word.parse::<i64>()) {
        (false, ..) => None,
        (true, true, Ok(number)) => Some(Cell::Int(number)),
        (true, ..) => word.parse().ok().map(Cell::Float),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Value;

    #[test]
    fn what_python_writes_is_read() {
        for (text, wanted) in [
            ("Infinity", f64::INFINITY.into()),
            ("-Infinity", f64::NEG_INFINITY.into()),
            ("1e400", f64::INFINITY.into()),
            ("-1e400", f64::NEG_INFINITY.into()),
            ("9007199254740993", 9_007_199_254_740_993i64.into()),
            (
                "123456789012345678901234567890",
                123_456_789_012_345_678_901_234_567_890f64.into(),
            ),
            ("-0", 0i64.into()),
            (r#""a\ud800b""#, "a\u{fffd}b".into()),
            (r#""\udc00\ud83d""#, "\u{fffd}\u{fffd}".into()),
            (r#""\ud83d\ude00\ud83d\n""#, "😀\u{fffd}\n".into()),
            (r#""\ud83d\u0041""#, "\u{fffd}A".into()),
        ] {
            assert_eq!(parse(text), Ok(wanted), "{text}");
        }
        let Ok(Cell::List(items)) = parse("[NaN, [NaN]]") else {
            panic!("a list")
        };
        assert!(matches!(items[0], Cell::Float(number) if number.is_nan()));
    }

    /// Whatever is JSON, and whatever is not, is so for serde_json too.
    #[test]
    fn everything_else_is_read_as_the_standard_has_it() {
        let texts = [
            "{}",
            "[]",
            " { \"a\" : [ 1 , -2.5e+3, true,false , null ] , \"b\":{\"a\":\"\"}}\n",
            "\"\\u00e9\\/\\\"\\b\"",
            "1",
            "-1.5",
            "0.1",
            "1E5",
            "0",
            "\"é日本\"",
            "{\"a\":1,\"a\":2}",
            "",
            "{",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "01",
            "1.",
            ".5",
            "+1",
            "-",
            "1e",
            "1e+",
            "tru",
            "truee",
            "nan",
            "\"\\x\"",
            "\"\\u12\"",
            "\"a",
            "\"a\nb\"",
            "[1] 2",
            "[1 2]",
            "{\"a\":1,}",
            "'a'",
            "\u{feff}1",
            "\"\\u12é4\"",
            "[1}",
            "\u{a0}1",
        ];
        for text in texts {
            let wanted = serde_json::from_str::<Value>(text).ok().map(Cell::from);
            assert_eq!(parse(text).ok(), wanted, "{text}");
        }
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&deep(DEEPEST)).is_ok());
        assert!(parse(&deep(DEEPEST + 1)).is_err_and(|broken| broken.what.contains("too deeply")));
        assert_eq!(parse("[1, x]").map_err(|broken| broken.at), Err(4));
    }
}
