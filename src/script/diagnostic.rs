//! The engine's errors → the crate's [`Error`]: sentence, place, key, callers, advice.

mod parsing;
mod words;

use rhai::{Dynamic, Engine, EvalAltResult, ParseErrorType};

use self::parsing::parse_problem;
use self::words::{previous_word, uncapitalised};
use super::bridge;
use super::hints::Hints;
use super::python;
use super::source::{Part, SourceMap, find_key, is_closure};
use crate::error::{Error, Place, a, counted};

/// Explains `failure`, which came out of the script called `source`.
pub fn explain(failure: &EvalAltResult, source: &str, engine: &Engine, sources: &SourceMap) -> Error {
    let mut frames: Vec<(String, Option<Place>)> = Vec::new();
    let mut inner = failure;
    let mut file = source.to_string();
    loop {
        match inner {
            EvalAltResult::ErrorInFunctionCall(function, of, next, position) => {
                frames.push((function_name(function), sources.place(&file, *position)));
                let entry = sources.session_entry_of(function).filter(|_| of == source);
                // A closure that another file's function calls is in its own file all the same.
                match entry.or_else(|| sources.file_of_closure(function)) {
                    Some(own) => file = own,
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
    let place = sources
        .place(&file, inner.position())
        .or_else(|| only_call(inner, &file, sources));
    let error = describe(inner, place.as_ref(), &file, engine, sources);
    let error = match place {
        Some(place) if error.place().is_some() && is_thrown_again(&place) => error,
        // It came from another script or from a closure that was called later.
        Some(place) if error.place().is_some_and(|own| is_elsewhere(own, &place, inner)) => {
            error.called_from(calling(&place), place)
        }
        Some(place) => error.at(pinpoint(inner, place)),
        None => error,
    };
    let error = match inner {
        EvalAltResult::ErrorParsing(..) | EvalAltResult::ErrorVariableNotFound(..) => python::advise(error),
        _ => error,
    };
    frames
        .into_iter()
        .rev()
        .fold(error, |error, (function, place)| match place {
            Some(place) => error.called_from(function, place),
            None => error,
        })
}

/// The engine does not say where the value is in use; if the function is called once in the text, it is there.
fn only_call(failure: &EvalAltResult, file: &str, sources: &SourceMap) -> Option<Place> {
    let EvalAltResult::ErrorDataRace(what, _) = failure else {
        return None;
    };
    let text = sources.text(file)?;
    let call = format!(".{}(", function_in_use(what)?);
    let mut calls = text.match_indices(&call).map(|(at, _)| at + 1);
    let start = calls.next().filter(|_| calls.next().is_none())?;
    Some(Place {
        file: file.to_string(),
        span: start..start + call.len() - 2,
        text,
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
    let part = if error.is_about_key() {
        Part::Key
    } else {
        Part::Value
    };
    Some((error.key().to_vec(), part))
}

/// What stands at the place of a call: the function's name, or an import.
fn calling(place: &Place) -> String {
    let at = &place.text[place.span.clone()];
    let before = place.text[..place.span.start].trim_end();
    if before
        .strip_suffix('(')
        .is_some_and(|before| before.trim_end().ends_with("eval"))
    {
        return "a text that is evaluated".into();
    }
    if at.starts_with(['"', '`']) {
        "an import".into()
    } else {
        at.to_string()
    }
}

/// Does the place throw an error that was caught before?
fn is_thrown_again(place: &Place) -> bool {
    &place.text[place.span.clone()] == "throw" || previous_word(place) == "throw"
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
    let hints = || Hints::new(engine, file, sources);
    match failure {
        E::ErrorRuntime(value, _) => match value.clone().try_cast::<Error>() {
            Some(error) => error,
            None if value.is_unit() => Error::input("an error was thrown"),
            None => Error::input(thrown(value)),
        },
        E::ErrorParsing(ParseErrorType::VariableUndefined(name), _) | E::ErrorVariableNotFound(name, _)
            if sources.session_entry_of(name).is_some() =>
        {
            Error::input(format!("unknown variable `{name}`")).hint(format!(
                "`{name}` is a function: as a value it is written `|x| {name}(x)`"
            ))
        }
        E::ErrorParsing(problem, _) => parse_problem(problem, place, &hints),
        E::ErrorFunctionNotFound(signature, _) => hints().no_such_call(signature, place),
        E::ErrorVariableNotFound(name, _) => hints().no_such_variable(name, place),
        E::ErrorModuleNotFound(name, _) => hints().no_such_module(name),
        E::ErrorPropertyNotFound(name, _) => hints().no_such_key(name),
        E::ErrorDotExpr(text, _) => match (text.split('\'').nth(1), text.split('\'').nth(3)) {
            (Some(property), Some(kind)) => hints().no_such_property(property, kind),
            _ => Error::input(text.clone()),
        },
        E::ErrorIndexingType(kinds, _) => no_index(kinds),
        E::ErrorIndexNotFound(index, _) => Error::input(format!("there is nothing at the index {index}")),
        E::ErrorArrayBounds(length, index, _) | E::ErrorStringBounds(length, index, _) => Error::input(
            format!("the index {index} is out of range: there {}", are(*length)),
        ),
        E::ErrorMismatchDataType(wanted, given, _) | E::ErrorMismatchOutputType(wanted, given, _) => {
            hints().another_type(engine.map_type_name(wanted), engine.map_type_name(given), place)
        }
        E::ErrorFor(_) => Error::input("`for` needs something to iterate over: an array, a range, a stream")
            .hint("of a map it is `for key in m.keys() { m[key] }`, or `for pair in m.items() { pair[0] }`"),
        E::ErrorUnboundThis(_) => Error::input("`this` has no value here"),
        E::ErrorDataRace(what, _) => in_use(what, place),
        E::ErrorAssignmentToConstant(name, _) => Error::input(format!("`{name}` is a constant")),
        E::ErrorArithmetic(text, _) => arithmetic(text),
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

/// What a script threw, in words: plain data as it is written, other things by what they are.
fn thrown(value: &Dynamic) -> String {
    match bridge::to_value(value) {
        Ok(_) if bridge::is_plain(value) => value.to_string(),
        _ => format!("{} was thrown", a(&bridge::kind_of(value))),
    }
}

/// A value that is indexed by what it has no index of: `type [type of the index]`.
fn no_index(kinds: &str) -> Error {
    match kinds.trim_end_matches(']').split_once(" [") {
        Some(("Tensor", _)) => Error::input("this is no index of a Tensor").hint(
            "in a text stand numbers, slices, `...` and `None`, as in Python: `x[\":, 0\"]`, `x[\"..., ::2\"]`",
        ),
        Some((kind, index)) => Error::input(format!("{} cannot be indexed by {}", a(kind), a(index))),
        None => Error::input(format!("{} cannot be indexed", a(kinds))),
    }
}

fn are(length: usize) -> String {
    let verb = if length == 1 { "is" } else { "are" };
    format!("{verb} {}", counted(length, "element"))
}

/// The function of which the engine says that its first argument is used elsewhere: `argument #1 of function 'map'`.
fn function_in_use(what: &str) -> Option<&str> {
    what.split_once("of function '")?.1.strip_suffix('\'')
}

fn in_use(what: &str, place: Option<&Place>) -> Error {
    let chained = place.and_then(|place| words::calls_before(place));
    match function_in_use(what) {
        Some(function) if let Some((value, calls)) = chained => Error::input(format!(
            "`{value}` is in use by the line of calls that `{function}` stands in, so its closure cannot use it"
        ))
        .hint(format!(
            "give what comes before a name of its own: `let items = {value}{calls};`, then `items.{function}(…)`"
        )),
        Some(function) => Error::input(format!(
            "`{function}` cannot work on a value that is in use: by its own closure, or by a call that is running"
        ))
        .hint("use what the closure is given, or a copy that is made before: `let copy = a;`"),
        None => Error::input(format!("`{what}` is in use by the call that is running"))
            .hint("a callback that changes the object it was given to: use the callback's argument instead"),
    }
}

fn arithmetic(text: &str) -> Error {
    let quoted = text.split('\'').nth(1).unwrap_or_default();
    if text.starts_with("Error parsing integer") {
        Error::input(format!("{quoted:?} is not an integer"))
    } else if text.starts_with("Error parsing floating-point") {
        Error::input(format!("{quoted:?} is not a number"))
    } else if text.contains("raised to a negative power") {
        Error::input(uncapitalised(text)).hint("of floats it is a number: `2.0 ** -1`")
    } else {
        Error::input(uncapitalised(text))
    }
}

/// The engine's own sentence without its position.
fn plain(failure: &EvalAltResult) -> String {
    let text = failure.to_string();
    let text = text.split(" (line ").next().unwrap_or(&text);
    uncapitalised(text)
}

/// Names of closures are numbers that mean nothing to anyone.
fn function_name(name: &str) -> String {
    if is_closure(name) {
        "a closure".into()
    } else {
        name.into()
    }
}
