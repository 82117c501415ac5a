//! The engine's errors → the crate's [`Error`]: sentence, place, key, callers, advice.

use rhai::{Engine, EvalAltResult, ParseErrorType};

use super::hints::Hints;
use super::source::{Part, SourceMap, find_key, open_bracket};
use crate::error::{Error, Place};

/// Explains `failure`, which came out of the script called `source`.
pub fn explain(failure: &EvalAltResult, source: &str, engine: &Engine, sources: &SourceMap) -> Error {
    let mut frames: Vec<(String, Option<Place>)> = Vec::new();
    let mut inner = failure;
    let mut file = source.to_string();
    loop {
        match inner {
            EvalAltResult::ErrorInFunctionCall(function, of, next, position) => {
                frames.push((function_name(function), sources.place(&file, *position)));
                match sources.session_entry_of(function).filter(|_| of == source) {
                    Some(entry) => file = entry,
                    None if sources.text(of).is_some() => file.clone_from(of),
                    None => (),
                }
                inner = next;
            }
            EvalAltResult::ErrorInModule(module, next, position) => {
                frames.push((format!("import of {module}"), sources.place(&file, *position)));
                if sources.text(module).is_some() {
                    file.clone_from(module);
                }
                inner = next;
            }
            _ => break,
        }
    }
    let place = sources.place(&file, inner.position());
    let error = describe(inner, place.as_ref(), &file, engine, sources);
    let error = match place {
        // It came from another script or from a closure that was called later.
        Some(place) if error.place().is_some_and(|own| is_elsewhere(own, &place, inner)) => {
            error.called_from(calling(&place), place)
        }
        Some(place) => error.at(pinpoint(inner, place)),
        None => error,
    };
    frames
        .into_iter()
        .rev()
        .fold(error, |error, (function, place)| match place {
            Some(place) => error.called_from(function, place),
            None => error,
        })
}

/// Does the error's own place tell more than the place where `failure` came up?
fn is_elsewhere(own: &Place, place: &Place, failure: &EvalAltResult) -> bool {
    own.file != place.file || (own != place && matches!(failure, EvalAltResult::ErrorRuntime(..)))
}

/// Explains why the text called `source` cannot be parsed.
pub fn explain_parse(
    failure: &rhai::ParseError,
    source: &str,
    engine: &Engine,
    sources: &SourceMap,
) -> Error {
    let failure = EvalAltResult::ErrorParsing(failure.err_type().clone(), failure.position());
    explain(&failure, source, engine, sources)
}

/// The key path an error of ours is about, and whether the key itself is wrong or its value.
fn error_key(failure: &EvalAltResult) -> Option<(Vec<String>, Part)> {
    let EvalAltResult::ErrorRuntime(value, _) = failure else {
        return None;
    };
    let error = value.read_lock::<Error>()?;
    if error.key().is_empty() {
        return None;
    }
    let part =
        match error.message().starts_with("unknown key") || error.message().starts_with("unknown argument") {
            true => Part::Key,
            false => Part::Value,
        };
    Some((error.key().to_vec(), part))
}

/// What stands at the place of a call: the function's name, or an import.
fn calling(place: &Place) -> String {
    match place.text[place.span.clone()].starts_with(['"', '`']) {
        true => "an import".into(),
        false => place.text[place.span.clone()].to_string(),
    }
}

/// Narrows or widens the place of an error to the stretch that it is about.
fn pinpoint(failure: &EvalAltResult, place: Place) -> Place {
    let found = match failure {
        EvalAltResult::ErrorVariableNotFound(name, _) => {
            let end = place.span.start + name.len();
            (place.text.get(place.span.start..end) == Some(name.as_str())).then_some(place.span.start..end)
        }
        _ => error_key(failure).and_then(|(path, part)| find_key(&place.text, place.span.start, &path, part)),
    };
    match found {
        Some(span) => Place { span, ..place },
        None => place,
    }
}

fn describe(
    failure: &EvalAltResult,
    place: Option<&Place>,
    file: &str,
    engine: &Engine,
    sources: &SourceMap,
) -> Error {
    use EvalAltResult as E;
    let hints = || {
        let text = sources.text(file).unwrap_or_else(|| "".into());
        Hints::new(engine, &text, sources.defined_names(file))
    };
    match failure {
        E::ErrorRuntime(value, _) => match value.clone().try_cast::<Error>() {
            Some(error) => error,
            None if value.is_unit() => Error::input("an error was thrown"),
            None => Error::input(value.to_string()),
        },
        E::ErrorParsing(problem, _) => parse_problem(problem, place, &hints),
        E::ErrorFunctionNotFound(signature, _) => hints().no_such_call(signature, place),
        E::ErrorVariableNotFound(name, _) => hints().no_such_variable(name, place),
        E::ErrorModuleNotFound(name, _) => hints().no_such_module(name),
        E::ErrorPropertyNotFound(name, _) => Error::input(format!("the map has no key `{name}`")).hint(
            format!("ask first with `\"{name}\" in map`, or read it as `map.get(\"{name}\")`"),
        ),
        E::ErrorDotExpr(text, _) => match (text.split('\'').nth(1), text.split('\'').nth(3)) {
            (Some(property), Some(kind)) => hints().no_such_property(property, kind),
            _ => Error::input(text.clone()),
        },
        E::ErrorIndexingType(kind, _) => Error::input(format!("values of type {kind} cannot be indexed so")),
        E::ErrorIndexNotFound(index, _) => Error::input(format!("there is nothing at the index {index}")),
        E::ErrorArrayBounds(length, index, _) | E::ErrorStringBounds(length, index, _) => Error::input(
            format!("the index {index} is out of range: there are {length} elements"),
        ),
        E::ErrorMismatchDataType(wanted, given, _) | E::ErrorMismatchOutputType(wanted, given, _) => {
            type_mismatch(engine.map_type_name(wanted), engine.map_type_name(given))
        }
        E::ErrorFor(_) => Error::input("`for` needs something to iterate over: an array, a range, a stream"),
        E::ErrorUnboundThis(_) => Error::input("`this` has no value here"),
        E::ErrorDataRace(name, _) => Error::input(format!("`{name}` is in use by the call that is running"))
            .hint("a callback that changes the object it was given to: use the callback's argument instead"),
        E::ErrorAssignmentToConstant(name, _) => Error::input(format!("`{name}` is a constant")),
        E::ErrorArithmetic(text, _) => Error::input(uncapitalised(text)),
        E::ErrorTerminated(token, _) => match token.clone().try_cast::<Error>() {
            Some(error) => error,
            None => Error::interrupted("interrupted"),
        },
        E::ErrorStackOverflow(_) => Error::input("functions call each other too deeply")
            .hint("a function that calls itself needs a case in which it stops"),
        E::ErrorTooManyOperations(_) => Error::run("the script used up the operations it was allowed"),
        E::ErrorDataTooLarge(what, _) => Error::run(format!("a value of type {what} grew beyond its limit")),
        E::ErrorSystem(text, error) if text.is_empty() => Error::run(error.to_string()),
        other => Error::input(plain(other)),
    }
}

fn type_mismatch(wanted: &str, given: &str) -> Error {
    let error = Error::input(format!("expected {wanted}, but this is {given}"));
    match (wanted, given) {
        ("bool", "Tensor") => error.hint(
            "comparing tensors gives a tensor: use `.all()` or `.any()`, or compare numbers with `.item()`",
        ),
        _ => error,
    }
}

fn parse_problem(problem: &ParseErrorType, place: Option<&Place>, hints: &dyn Fn() -> Hints) -> Error {
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
        ParseErrorType::Reserved(word) => {
            Error::input(format!("`{word}` is a word that the language keeps for itself"))
        }
        ParseErrorType::MissingToken(token, why) => Error::input(format!("expected `{token}` {why}")),
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

fn is_at_end(place: &Place) -> bool {
    place.text[place.span.start..].trim().is_empty()
}

/// For people who come from Python: the form here of the word at the place or before it.
fn python_statement(place: &Place) -> Option<Error> {
    let words = [place.text[place.span.clone()].to_string(), previous_word(place)];
    let form_of = |word: &String| match word.as_str() {
        "def" => Some("write `fn name(a, b) { … }`"),
        "from" => Some(
            "saescript's own classes need no import; for a file of yours, write `import \"file\" as name;`",
        ),
        "lambda" => Some("write `|x| x + 1`"),
        "and" => Some("write `a && b`"),
        "or" => Some("write `a || b`"),
        "not" => Some("write `!a`"),
        "elif" => Some("write `else if`"),
        "is" => Some("write `a == b`"),
        _ => None,
    };
    let (word, form) = words.iter().find_map(|word| Some((word, form_of(word)?)))?;
    Some(Error::input(format!("`{word}` is not part of the language")).hint(form))
}

/// The word before the place on the same line.
fn previous_word(place: &Place) -> String {
    let before = &place.text[..place.span.start];
    let line = before[before.rfind('\n').map_or(0, |at| at + 1)..].trim_end();
    let start = line
        .rfind(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .map_or(0, |at| at + 1);
    line[start..].to_string()
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

/// The engine's own sentence without its position.
fn plain(failure: &EvalAltResult) -> String {
    let text = failure.to_string();
    let text = text.split(" (line ").next().unwrap_or(&text);
    uncapitalised(text)
}

fn uncapitalised(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// Names of closures are numbers that mean nothing to anyone.
fn function_name(name: &str) -> String {
    match name.starts_with("anon$") {
        true => "a closure".into(),
        false => name.into(),
    }
}
