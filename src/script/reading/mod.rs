//! How a text is read: by the engine's parser, which is told a few things that it has no hook for.
//!
//! ```text
//! switch         the cases of a `switch` are found by the same equality as `==`
//! attempt        `catch` gets the error that is shown where nobody catches it
//! literal_maps   what the optimiser would take for `()`
//! names          `x.var()`, `#{ default: 1 }`: words that the language keeps are names after a dot and before a colon
//! ```
//!
//! For the first two, a keyword is handed to the parser as symbols of the same length altogether, which leaves every
//! position as it is: [`KEYWORD`] is read as the keyword, and the others stand around what follows it.

mod attempt;
mod literal_maps;
mod names;
mod switch;

use std::cell::RefCell;

use rhai::{AST, Engine, LexError, OptimizationLevel, ParseError, Position, Scope, Token};

use self::names::Names;
use self::switch::Bodies;
use super::numbers;
use super::state::State;

/// Stands for a keyword.
const KEYWORD: &str = "@";

/// A keyword that is handed to the parser as symbols.
struct Word {
    text: &'static str,
    /// In place of the keyword.
    symbols: &'static str,
    /// At which of the symbols [`KEYWORD`] stands.
    at: usize,
    token: Token,
}

static WORDS: [Word; 3] = [
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

/// Line and column, from 1.
type Spot = (usize, usize);

/// A word in a text: at which byte, and where its [`KEYWORD`] will stand.
type Occurrence = (usize, Spot, &'static Word);

/// What is known while a text is parsed.
#[derive(Default)]
pub struct Reading(RefCell<Option<Marks>>);

#[derive(Default)]
struct Marks {
    /// Where a word stands that may be a keyword.
    words: Vec<(Spot, &'static Word)>,
    /// Where one is.
    keywords: Vec<Spot>,
    bodies: Bodies,
    names: Names,
}

/// Parses `text`, which knows the variables of `scope`.
///
/// # Errors
/// The text is not a script.
pub fn compile(engine: &Engine, state: &State, scope: &Scope, text: &str) -> Result<AST, ParseError> {
    // What is wrong is said of the text as it was written, where `try` brings no brackets.
    let ast = read(engine, state, scope, text, &WORDS)
        .or_else(|_| read(engine, state, scope, text, &WORDS[..1]))?;
    if literal_maps::lacks_a_key(&ast) {
        return Ok(ast);
    }
    Ok(engine.optimize_ast(scope, ast, OptimizationLevel::Simple))
}

fn read(
    engine: &Engine,
    state: &State,
    scope: &Scope,
    text: &str,
    words: &'static [Word],
) -> Result<AST, ParseError> {
    let mut words: Vec<Occurrence> = words.iter().flat_map(|word| occurrences(text, word)).collect();
    loop {
        *state.reading().0.borrow_mut() = Some(Marks {
            words: words.iter().map(|(_, spot, word)| (*spot, *word)).collect(),
            ..Marks::default()
        });
        let parsed = engine.compile_with_scope(scope, marked(text, &words));
        let marks = state.reading().0.borrow_mut().take().unwrap_or_default();
        // A word also stands in strings and comments, which must keep it.
        if marks.keywords.len() == words.len() {
            return parsed;
        }
        words.retain(|(_, spot, _)| marks.keywords.contains(spot));
    }
}

/// Tells the engine how to read the symbols.
pub fn install(engine: &mut Engine, state: &State) {
    let state = state.clone();
    #[allow(deprecated)] // the engine's name for what may change in its later versions
    engine.on_parse_token(move |token, position, _| {
        let mut reading = state.reading().0.borrow_mut();
        numbers::checked_literal(match reading.as_mut() {
            Some(marks) => marks.read(token, position),
            None => refused(names::called(token)),
        })
    });
    switch::install(engine);
    attempt::install(engine);
}

/// Where the word stands in `text`, but for names (`m.catch`) and keys (`catch: 1`).
fn occurrences<'a>(text: &'a str, word: &'static Word) -> impl Iterator<Item = Occurrence> + 'a {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let stands_alone = move |at: &usize| {
        let (before, after) = (&text[..*at], &text[at + word.text.len()..]);
        let is_name = before.ends_with('.') && !before.ends_with("..");
        let is_key = after.trim_start().starts_with(':');
        !is_name && !is_key && !before.ends_with(is_part) && !after.starts_with(is_part)
    };
    let spot = |at: usize| {
        let line_start = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let line = text[..at].matches('\n').count() + 1;
        (line, text[line_start..at].chars().count() + 1)
    };
    let places = text.match_indices(word.text).map(|(at, _)| at);
    places.filter(stands_alone).map(move |at| {
        let (line, column) = spot(at);
        (at, (line, column + word.at), word)
    })
}

/// `text` with the symbols in place of the words.
fn marked(text: &str, words: &[Occurrence]) -> String {
    let mut marked = text.to_string();
    for (at, _, word) in words {
        marked.replace_range(*at..at + word.text.len(), word.symbols);
    }
    marked
}

/// The symbols mean nothing where no keyword was.
fn refused(token: Token) -> Token {
    match token {
        Token::Custom(symbol) if [switch::CANONICAL, attempt::BODY].contains(&symbol.as_str()) => {
            Token::LexError(Box::new(LexError::UnexpectedInput(symbol.to_string())))
        }
        other => other,
    }
}

impl Marks {
    fn read(&mut self, token: Token, position: Position) -> Token {
        let spot = (position.line().unwrap_or(0), position.position().unwrap_or(0));
        let token = names::called(self.names.read(token));
        match token {
            Token::Reserved(symbol) if *symbol == KEYWORD => match self.word_at(spot) {
                Some(word) => {
                    self.keywords.push(spot);
                    self.bodies.follow(&word.token);
                    word.token.clone()
                }
                None => Token::Reserved(symbol),
            },
            Token::Custom(symbol) => {
                if self.is_mark(&symbol, spot) {
                    Token::Custom(symbol)
                } else {
                    refused(Token::Custom(symbol))
                }
            }
            other => {
                self.bodies.follow(&other);
                self.bodies.label_literal(other)
            }
        }
    }

    fn word_at(&self, spot: Spot) -> Option<&'static Word> {
        let mut known = self.words.iter();
        known.find(|(known, _)| *known == spot).map(|(_, word)| *word)
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
