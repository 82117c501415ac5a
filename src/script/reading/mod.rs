//! How a text is read: by the engine's parser, which is told a few things that it has no hook for.
//!
//! ```text
//! switch         the cases of a `switch` are found by the same equality as `==`
//! apart          functions of different texts stay apart
//! attempt        `catch` gets the error that is shown where nobody catches it
//! literal_maps   what the optimiser would take for `()`
//! names          `x.var()`, `#{ default: 1 }`: words that the language keeps are names after a dot and before a colon
//! formats        `${loss:.4f}` between backquotes
//! constants      a `const` of a script is known in its functions
//! ```
//!
//! For the first two, a keyword is handed to the parser as symbols of the same length altogether, which leaves every
//! position as it is: one of them is read as the keyword, and the others stand around what follows it.

mod apart;
mod attempt;
pub mod constants;
mod formats;
mod literal_maps;
mod marks;
mod names;
mod switch;

use std::ops::Range;

use rhai::{AST, Engine, OptimizationLevel, ParseError, Scope};

pub use self::constants::constants_of;
pub use self::formats::FORMAT;
use self::formats::{Formats, formats};
use self::marks::{Marks, Occurrence, Replacement, WORDS, Word, refused, spot_of};
pub use self::marks::{Reading, Role};
pub use self::names::{EVAL, is_blank};
use super::numbers;
use super::state::State;

/// Parses `text`, which knows the variables of `scope`.
///
/// # Errors
/// The text is not a script.
pub fn compile(
    engine: &Engine,
    state: &State,
    scope: &Scope,
    (text, role): (&str, Role),
) -> Result<AST, ParseError> {
    let known = constants::with_constants_of(text, scope);
    // What is wrong is said of the text as it was written, where `try` brings no brackets.
    let ast = read(
        engine,
        state,
        &known,
        (text, role, &apart::places(text, role)),
        &WORDS,
    )
    .or_else(|_| read(engine, state, &known, (text, role, &[]), &WORDS))
    .or_else(|_| read(engine, state, &known, (text, role, &[]), &WORDS[..1]))?;
    if let Some(error) = constants::changed_in_function(text, &ast) {
        return Err(error);
    }
    if literal_maps::lacks_a_key(&ast) {
        return Ok(ast);
    }
    Ok(engine.optimize_ast(scope, ast, OptimizationLevel::Simple))
}

fn read(
    engine: &Engine,
    state: &State,
    scope: &Scope,
    (text, role, apart): (&str, Role, &[Replacement]),
    words: &'static [Word],
) -> Result<AST, ParseError> {
    let mut words: Vec<Occurrence> = words.iter().flat_map(|word| occurrences(text, word)).collect();
    let formats = formats(text);
    loop {
        *state.reading().0.borrow_mut() = Some(Marks {
            words: words.iter().map(|(_, spot, word)| (*spot, *word)).collect(),
            formats: Formats::of(text, &formats, |at| spot_of(text, at)),
            apart: apart.iter().map(|place| apart::spot(text, place)).collect(),
            text: apart::number_of(text, role),
            ..Marks::default()
        });
        let parsed = engine.compile_with_scope(scope, marked(text, (&words, &formats, apart)));
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
    let (state, known) = (state.clone(), state.clone());
    #[allow(deprecated)] // the engine's name for what may change in its later versions
    engine.on_parse_token(move |token, position, _| {
        let mut reading = state.reading().0.borrow_mut();
        numbers::checked_literal(match reading.as_mut() {
            Some(marks) => marks.read(token, position),
            None => refused(names::called(token)),
        })
    });
    switch::install(engine);
    apart::install(engine, &known);
    attempt::install(engine);
    formats::install(engine);
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
    let places = text.match_indices(word.text).map(|(at, _)| at);
    places.filter(stands_alone).map(move |at| {
        let (line, column) = spot_of(text, at);
        (at, (line, column + word.at), word)
    })
}

/// `text` with the symbols in place of the words and the formats, and those that keep functions apart.
fn marked(text: &str, (words, formats, apart): (&[Occurrence], &[Range<usize>], &[Replacement])) -> String {
    let mut marked = text.to_string();
    for (at, _, word) in words {
        marked.replace_range(*at..at + word.text.len(), word.symbols);
    }
    formats::mark(&mut marked, formats);
    // From the end, as these may be longer than what they replace.
    let mut apart: Vec<_> = apart.iter().collect();
    apart.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    for (range, symbols) in apart {
        marked.replace_range(range.clone(), symbols);
    }
    marked
}
