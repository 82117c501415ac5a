//! What is known while a text is parsed: where a word of it may be a keyword, and what came before.

use std::cell::RefCell;

use rhai::{LexError, Position, Token};

use super::formats::{FORMAT, Formats};
use super::names::{self, Names};
use super::switch::{self, Bodies};

/// Stands for a keyword; elsewhere it is the operator of the matrix product.
pub(super) const KEYWORD: &str = "@";

/// A keyword that is handed to the parser as symbols.
pub(super) struct Word {
    pub text: &'static str,
    /// In place of the keyword.
    pub symbols: &'static str,
    /// At which of the symbols [`KEYWORD`] stands.
    pub at: usize,
    token: Token,
}

pub(super) static WORDS: [Word; 3] = [
    Word {
        text: "switch",
        symbols: "@$    ",
        at: 0,
        token: Token::Switch,
    },
    // `try { … } catch` becomes `try {~ { … } } catch`.
    Word {
        text: "try",
        symbols: "@{~",
        at: 0,
        token: Token::Try,
    },
    Word {
        text: "catch",
        symbols: "}@   ",
        at: 1,
        token: Token::Catch,
    },
];

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Run by itself.
    Script,
    /// Imported, or read while another runs.
    Module,
}

/// What stands in place of a part of the text.
pub(super) type Replacement = (std::ops::Range<usize>, String);

/// Line and column, from 1.
pub(super) type Spot = (usize, usize);

/// Line and column of the byte `at`.
pub(super) fn spot_of(text: &str, at: usize) -> Spot {
    let line_start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let line = text[..at].matches('\n').count() + 1;
    (line, text[line_start..at].chars().count() + 1)
}

/// A word in a text: at which byte, and where its [`KEYWORD`] will stand.
pub(super) type Occurrence = (usize, Spot, &'static Word);

/// What is known while a text is parsed.
#[derive(Default)]
pub struct Reading(pub(super) RefCell<Option<Marks>>);

#[derive(Default)]
pub(super) struct Marks {
    /// Where a word stands that may be a keyword.
    pub words: Vec<(Spot, &'static Word)>,
    /// Where one is.
    pub keywords: Vec<Spot>,
    pub bodies: Bodies,
    pub formats: Formats,
    /// Where [`APART`] stands.
    pub apart: Vec<Spot>,
    /// The text's number.
    pub text: i64,
    pub names: Names,
}

/// The symbols mean nothing where no keyword was.
pub(super) fn refused(token: Token) -> Token {
    match token {
        Token::Custom(symbol) if [switch::CANONICAL, BODY, FORMAT, APART].contains(&symbol.as_str()) => {
            Token::LexError(Box::new(LexError::UnexpectedInput(symbol.to_string())))
        }
        other => other,
    }
}

impl Marks {
    pub(super) fn read(&mut self, token: Token, position: Position) -> Token {
        let spot = (position.line().unwrap_or(0), position.position().unwrap_or(0));
        let token = names::called(self.names.read(token));
        let token = self.formats.read(token, spot);
        match token {
            Token::Custom(symbol) if *symbol == KEYWORD => match self.word_at(spot) {
                Some(word) => {
                    self.keywords.push(spot);
                    self.bodies.follow(&word.token);
                    word.token.clone()
                }
                // The operator between matrices.
                None => Token::Custom(symbol),
            },
            Token::Custom(symbol) => {
                if *symbol == FORMAT || self.is_apart(&symbol, spot) || self.is_mark(&symbol, spot) {
                    Token::Custom(symbol)
                } else {
                    refused(Token::Custom(symbol))
                }
            }
            other => {
                self.bodies.follow(&other);
                let token = self.bodies.label_literal(other);
                self.names.blank(token, self.bodies.in_label())
            }
        }
    }

    fn word_at(&self, spot: Spot) -> Option<&'static Word> {
        let mut known = self.words.iter();
        known.find(|(known, _)| *known == spot).map(|(_, word)| *word)
    }

    fn is_apart(&self, symbol: &str, spot: Spot) -> bool {
        symbol == APART && self.apart.contains(&spot)
    }

    /// Is the symbol one of those of the keyword that was read last?
    fn is_mark(&self, symbol: &str, (line, column): Spot) -> bool {
        self.keywords.last().is_some_and(|keyword| {
            let (known_line, start) = *keyword;
            let symbols = self.word_at(*keyword).map_or("", |word| word.symbols);
            known_line == line && symbols.find(symbol).is_some_and(|at| start + at == column)
        })
    }
}

/// Stands before the body of a `try`.
pub(super) const BODY: &str = "~";

/// Stands at the beginning of what is kept apart: `?;` in a block, `?` before an expression.
pub(super) const APART: &str = "?";
