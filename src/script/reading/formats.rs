//! `${loss:.4f}` between backquotes: a colon and a format after what is put into a text, as in Python.
//!
//! For the parser the colon is an operator that binds less than any other, and the format a string. Both are told to it
//! in as many letters as are written, so that every position stays as it is.

use std::collections::HashMap;
use std::ops::Range;

use rhai::{Engine, LexError, Token};

use crate::script::source::lexer::{Kind, Lexer};

/// What the colon is read as; it calls the function of this name with the value and the format.
pub const FORMAT: &str = "#";
/// Lower than that of every operator of the language; at 1 the engine reads no operator.
const LOWEST: u8 = 2;
/// In place of each letter of a format.
const LETTER: &str = "x";

/// Line and column, from 1.
type Spot = (usize, usize);

/// The formats of a text: at which spot each colon stands, and what follows it.
#[derive(Default)]
pub(super) struct Formats(HashMap<Spot, String>);

impl Formats {
    /// Notes the formats at `ranges` of `text`, from the colon to the closing bracket.
    pub(super) fn of(text: &str, ranges: &[Range<usize>], spot: impl Fn(usize) -> Spot) -> Self {
        let known = ranges.iter();
        Formats(
            known
                .map(|range| (spot(range.start), text[range.start + 1..range.end].to_string()))
                .collect(),
        )
    }

    /// Returns `token`, or what it stands for here.
    pub(super) fn read(&self, token: Token, (line, column): Spot) -> Token {
        let is_operator = matches!(&token, Token::Custom(symbol) if **symbol == FORMAT);
        if is_operator {
            return if self.0.contains_key(&(line, column)) {
                token
            } else {
                Token::LexError(Box::new(LexError::UnexpectedInput(FORMAT.into())))
            };
        }
        let format = self.0.get(&(line, column.wrapping_sub(1)));
        match (format, &token) {
            (Some(format), Token::Identifier(_)) => Token::StringConstant(Box::new(format.as_str().into())),
            _ => token,
        }
    }
}

/// Lets the parser take the colon for an operator.
pub(super) fn install(engine: &mut Engine) {
    let registered = engine.register_custom_operator(FORMAT, LOWEST);
    debug_assert!(registered.is_ok(), "a reserved symbol");
}

/// Where formats stand in `text`: from the colon to the bracket that closes `${`.
pub(super) fn formats(text: &str) -> Vec<Range<usize>> {
    let texts = Lexer::new(text, 0).filter(|token| token.kind == Kind::Text);
    let quoted = texts.filter(|token| text[token.span.clone()].starts_with('`'));
    let mut found = Vec::new();
    for token in quoted {
        let inside = &text[..token.span.end];
        let openings = inside[token.span.start..].match_indices("${");
        found.extend(openings.filter_map(|(at, _)| format_after(inside, token.span.start + at + 2)));
    }
    found
}

/// The format of the expression that begins at `start`, if it has one.
fn format_after(text: &str, start: usize) -> Option<Range<usize>> {
    let (mut depth, mut colon) = (0usize, None);
    for token in Lexer::new(text, start) {
        match token.kind {
            Kind::Close if depth == 0 => {
                let range = colon?..token.span.start;
                let format = &text[range.clone()][1..];
                return (!format.trim().is_empty() && !format.contains('\n')).then_some(range);
            }
            Kind::Close => depth -= 1,
            Kind::OpenMap | Kind::OpenCurly | Kind::OpenRound | Kind::OpenSquare => depth += 1,
            Kind::Colon if depth == 0 && colon.is_none() && token.span.start > start => {
                colon = Some(token.span.start);
            }
            _ => (),
        }
    }
    None
}

/// Puts the symbols in the place of the formats at `ranges`.
pub(super) fn mark(text: &mut String, ranges: &[Range<usize>]) {
    for range in ranges.iter().rev() {
        let letters = text[range.start + 1..range.end].chars().count();
        text.replace_range(range.clone(), &format!("{FORMAT}{}", LETTER.repeat(letters)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_stand_at_the_end_of_what_is_put_in() {
        let text = "let a = `x ${loss:.3f} y ${f(#{ k: 1 }):>8} ${m.a} ${torch::pi} ${x: ,}`; \"${a:b}\"";
        let found: Vec<&str> = formats(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, [":.3f", ":>8", ": ,"]);
        let mut marked = text.to_string();
        mark(&mut marked, &formats(text));
        assert!(marked.starts_with("let a = `x ${loss#xxx} y"), "{marked}");
        assert_eq!(marked.chars().count(), text.chars().count());
    }
}
