//! Texts that the parser cannot read, with advice for those who come from other languages.

use rhai::{LexError, ParseErrorType};

use super::words::{previous_word, uncapitalised};
use crate::error::{Error, Place, Subject};
use crate::script::hints::Hints;
use crate::script::source::open_bracket;

/// Says what is wrong with a text at `place`, and how it is written.
pub(super) fn parse_problem(
    problem: &ParseErrorType,
    place: Option<&Place>,
    hints: &dyn Fn() -> Hints,
) -> Error {
    if let Some(python) = place.and_then(python_statement) {
        return python;
    }
    let error = match problem {
        ParseErrorType::VariableUndefined(name) => return hints().no_such_variable(name, place),
        ParseErrorType::ModuleUndefined(name) => return hints().no_such_module(name),
        ParseErrorType::UnexpectedEOF => return unclosed(place),
        ParseErrorType::MissingToken(..) if place.is_some_and(is_at_end) => return unclosed(place),
        ParseErrorType::Reserved(_) if place.is_some_and(|place| open_bracket(&place.text).is_some()) => {
            return unclosed(place);
        }
        ParseErrorType::Reserved(word) => reserved(word, place),
        ParseErrorType::BadInput(LexError::MalformedChar(text)) => text_in_single_quotes(text),
        ParseErrorType::UnknownOperator(symbol) => {
            let error = Error::input(format!("`{symbol}` is no operator of the language"));
            match symbol.as_str() {
                "++" | "--" => error.hint("write `a += 1` or `a -= 1`"),
                "?" => error.hint("write `if condition { a } else { b }`"),
                _ => error,
            }
        }
        ParseErrorType::MissingToken(token, why) => missing(token, why, place.map(at).unwrap_or_default()),
        ParseErrorType::MismatchedType(wanted, given)
            if wanted.contains("iterable") && given.contains("map") =>
        {
            Error::input("`for` needs something to iterate over, and this is a map")
                .hint("go through its keys: `for key in map.keys() { map[key] }`")
        }
        other => Error::input(uncapitalised(&other.to_string().replace("Expecting", "expected"))),
    };
    match place.and_then(|place| Some((place, open_bracket(&place.text)?))) {
        Some((place, span)) => {
            let open = Place {
                span,
                ..place.clone()
            };
            let (line, column) = open.line_column();
            let bracket = &open.text[open.span.clone()];
            error.hint(format!(
                "the `{bracket}` of line {line}, column {column} is never closed"
            ))
        }
        None => error,
    }
}

/// A word of the language where it does not belong.
fn reserved(word: &str, place: Option<&Place>) -> Error {
    let error = Error::input(format!("`{word}` is a word that the language keeps for itself"));
    let before = place.map(previous_word).unwrap_or_default();
    if ["let", "const", "fn", "as", "for", "|"].contains(&before.as_str()) {
        return error.hint(format!("choose another name, e.g. `{word}_`"));
    }
    match word {
        "var" => error.hint("variables begin with `let`; a tensor's variance is `x.var()`"),
        "null" | "nil" | "void" => error.hint("write `()` for no value"),
        "match" | "case" => error.hint("write `switch x { 1 => …, _ => … }`"),
        "new" => error.hint("objects are made without it: `Trainer(…)`"),
        "exit" => error.hint("write `exit(0)`"),
        "use" | "module" | "package" => error.hint("write `import \"file\" as name;`"),
        _ => error.hint("choose another name; after a dot and as a key of a map it is one like any other"),
    }
}

/// `token` is missing where `there` stands instead.
fn missing(token: &str, why: &str, there: &str) -> Error {
    let error = Error::input(format!("expected `{token}` {why}")).about(Subject::MissingToken(token.into()));
    match (token, there) {
        ("]", ":") => Error::input("an index holds one value").hint(
            "a slice is written with a range or in a text: `x[0..2]`, `x[\"1:\"]` of a Tensor, `a.extract(0..2)` of an \
             array, `s.sub_string(0..2)` of a string",
        ),
        ("]", ",") => Error::input("an index holds one value").hint(
            "several dimensions of a Tensor are indexed by a text or an array: `x[\"0, :\"]`, `x.at([0, mask])`",
        ),
        ("{", ":") => error.hint("what belongs together stands between braces: `if x { … }`"),
        (";", ":") => error.hint("a map is written `#{ a: 1 }`"),
        (";", "if") => error.hint("write `if c { a } else { b }`"),
        _ => error,
    }
}

/// `'hello'`: single quotes are for one letter.
fn text_in_single_quotes(text: &str) -> Error {
    let inside = text.trim_matches('\'');
    Error::input("a string stands between double quotes; single quotes are for one letter")
        .hint(format!("write {inside:?}"))
}

/// What stands at the place.
fn at(place: &Place) -> &str {
    &place.text[place.span.clone()]
}

fn is_at_end(place: &Place) -> bool {
    place.text[place.span.start..].trim().is_empty()
}

/// For people who come from Python: the form here of the word at the place or before it.
fn python_statement(place: &Place) -> Option<Error> {
    let before = word_before(place);
    let form_of = |place: &Place| match at(place) {
        "def" => Some("write `fn name(a, b) { … }`"),
        "from" => Some(
            "saescript's own classes need no import; for a file of yours, write `import \"file\" as name;`",
        ),
        "lambda" => Some("write `|x| x + 1`"),
        "and" => Some("write `a && b`, between tensors `a & b`"),
        "or" => Some("write `a || b`, between tensors `a | b`"),
        "not" => Some("write `!a`"),
        "elif" => Some("write `else if`"),
        "is" => Some("write `a == b`"),
        _ => None,
    };
    let of_python = |place: &Place| {
        let form = form_of(place)?;
        let error = Error::input(format!("`{}` is not part of the language", at(place)));
        Some(error.hint(form))
    };
    of_python(place).or_else(|| Some(of_python(&before)?.at(before.clone())))
}

/// The word before the place, in the same line.
fn word_before(place: &Place) -> Place {
    let word = previous_word(place);
    let end = place.text[..place.span.start].trim_end().len();
    Place {
        span: end.saturating_sub(word.len())..end,
        ..place.clone()
    }
}

/// The script ends inside a bracket: names the one that was never closed.
fn unclosed(place: Option<&Place>) -> Error {
    match place.and_then(|place| Some((place, open_bracket(&place.text)?))) {
        Some((place, span)) => {
            let error = Error::input(format!("this `{}` is never closed", &place.text[span.clone()]));
            error.at(Place {
                span,
                ..place.clone()
            })
        }
        None => Error::input("the script ends before it is complete"),
    }
}
