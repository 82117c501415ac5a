//! Splits script text into tokens, only as finely as finding places needs.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Identifier or keyword.
    Name,
    /// Number.
    Number,
    /// String or character literal of any form, quotes included.
    Text,
    /// `#{`
    OpenMap,
    /// `{`
    OpenCurly,
    /// `(`
    OpenRound,
    /// `[`
    OpenSquare,
    /// `}`, `)` or `]`
    Close,
    /// `,`
    Comma,
    /// `:`
    Colon,
    /// `::`
    PathSeparator,
    /// Any other operator or symbol.
    Symbol,
}

/// One token and where it stands.
#[derive(Clone, Debug)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Byte range in the text.
    pub span: Range<usize>,
}

/// Iterates over the tokens from a byte offset on; comments and white space are left out.
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

/// Operators of more than one character, longest first.
const OPERATORS: &[&str] = &[
    "**=", "..=", "<<=", ">>=", "===", "!==", "::", "**", "..", "<<", ">>", "==", "!=", "<=", ">=", "&&",
    "||", "??", "?.", "?[", "=>", "->", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=",
];

impl<'a> Lexer<'a> {
    /// Starts at byte `at` of `text`.
    pub fn new(text: &'a str, at: usize) -> Self {
        Lexer { text, at }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_blank(&mut self) {
        loop {
            let trimmed = self.rest().trim_start();
            self.at = self.text.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                self.at += trimmed.find("*/").map_or(trimmed.len(), |end| end + 2);
            } else {
                return;
            }
        }
    }

    /// Length of the literal that ends with `quote`, whose first character is a quote too.
    fn quoted_length(&self, quote: char) -> usize {
        let mut escaped = false;
        for (at, letter) in self.rest().char_indices().skip(1) {
            match letter {
                _ if escaped => escaped = false,
                '\\' if quote != '`' => escaped = true,
                _ if letter == quote => return at + letter.len_utf8(),
                _ => (),
            }
        }
        self.rest().len()
    }

    fn length_while(&self, keep: impl Fn(char) -> bool) -> usize {
        self.rest()
            .find(|letter| !keep(letter))
            .unwrap_or(self.rest().len())
    }

    fn number_length(&self) -> usize {
        let bytes = self.rest().as_bytes();
        let mut length = 0;
        while length < bytes.len() {
            let sign = matches!(bytes[length], b'+' | b'-') && matches!(bytes[length - 1], b'e' | b'E');
            let point = bytes[length] == b'.' && bytes.get(length + 1).is_some_and(u8::is_ascii_digit);
            if !(bytes[length].is_ascii_alphanumeric() || bytes[length] == b'_' || point || sign) {
                break;
            }
            length += 1;
        }
        length
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blank();
        let rest = self.rest();
        let first = rest.chars().next()?;
        let (kind, length) = match first {
            '"' | '`' => (Kind::Text, self.quoted_length(first)),
            '\'' => (Kind::Text, self.quoted_length('\'')),
            '#' if rest.starts_with("#{") => (Kind::OpenMap, 2),
            '{' => (Kind::OpenCurly, 1),
            '(' => (Kind::OpenRound, 1),
            '[' => (Kind::OpenSquare, 1),
            '}' | ')' | ']' => (Kind::Close, 1),
            ',' => (Kind::Comma, 1),
            '0'..='9' => (Kind::Number, self.number_length()),
            _ if first.is_alphabetic() || first == '_' => (
                Kind::Name,
                self.length_while(|letter| letter.is_alphanumeric() || letter == '_'),
            ),
            _ => match OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
                Some(&"::") => (Kind::PathSeparator, 2),
                Some(operator) => (Kind::Symbol, operator.len()),
                None if first == ':' => (Kind::Colon, 1),
                None => (Kind::Symbol, first.len_utf8()),
            },
        };
        let start = self.at;
        self.at += length;
        Some(Token {
            kind,
            span: start..self.at,
        })
    }
}
