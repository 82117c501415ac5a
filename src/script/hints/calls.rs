//! Calls that fit no function: another number of arguments, arguments of other types, names that nothing has.

use super::{Hints, Member, is_after_dot, list_members, module_before, tidy_types};
use crate::error::{Error, Place, a, counted, either, nearest};
use crate::script::docs::{Entry, Kind};
use crate::script::source::is_closure;
use crate::script::source::lexer::{Kind as TokenKind, Lexer};

/// So many signatures are shown.
const MOST: usize = 6;

/// A call as the engine tells of it: `name (type, type)`.
struct Call {
    name: String,
    /// The types of the arguments, in the words of scripts.
    given: Vec<String>,
    /// The type of the object whose method it is.
    receiver: Option<String>,
}

impl Call {
    fn read(signature: &str, place: Option<&Place>) -> Call {
        let (name, arguments) = signature.split_once(" (").unwrap_or((signature, ")"));
        let arguments = tidy_types(arguments.strip_suffix(')').unwrap_or(arguments));
        let mut given: Vec<String> = arguments
            .split(", ")
            .filter(|text| !text.is_empty())
            .map(str::to_string)
            .collect();
        // A function that is called by its name in a text stands elsewhere than the call.
        let is_method = place
            .is_some_and(|place| is_after_dot(place) && place.text.get(place.span.clone()) == Some(name));
        let receiver = (is_method && !given.is_empty()).then(|| given.remove(0));
        Call {
            name: name.to_string(),
            given,
            receiver,
        }
    }
}

impl Hints {
    /// Says that a call fits no function. `signature` is the engine's: `name (type, type)`.
    pub fn no_such_call(&self, signature: &str, place: Option<&Place>) -> Error {
        let call = Call::read(signature, place);
        if is_closure(&call.name) {
            return self.another_closure(&call);
        }
        if is_operator(&call.name) {
            return super::operators::undefined(&call.name, &call.given);
        }
        let own = match call.receiver {
            Some(_) => Vec::new(),
            None => self.own_functions(&call.name),
        };
        if !own.is_empty() {
            return another_own(&call, &own);
        }
        let mut known = self.signatures(&call);
        known.sort_by_key(|signature| (parameter_count(signature), signature.len(), signature.clone()));
        known.dedup();
        if known.is_empty() {
            self.unknown_function(&call, place)
        } else {
            another_call(&call, &known)
        }
    }

    /// A closure that takes another number of arguments than it is called with.
    fn another_closure(&self, call: &Call) -> Error {
        let hint = "the names between its `|…|` are what it takes";
        let Some(closure) = self.closures.get(&call.name) else {
            return Error::input("a closure takes another number of arguments than it is called with")
                .hint(hint);
        };
        let captured = closure.all - closure.own.len();
        let given = call.given.len().saturating_sub(captured);
        if given == closure.own.len() {
            return Error::input("the module that made this closure is not imported here")
                .hint("import it where the closure is called");
        }
        let names = if closure.own.is_empty() {
            String::new()
        } else {
            format!(" ({})", closure.own.join(", "))
        };
        Error::input(format!(
            "the closure takes {}{names}, but {}",
            counted(closure.own.len(), "argument"),
            were_given(given)
        ))
        .hint(hint)
    }

    fn unknown_function(&self, call: &Call, place: Option<&Place>) -> Error {
        let name = call.name.as_str();
        if let Some(kind) = &call.receiver {
            if !self.own_functions(name).is_empty() {
                return Error::input(format!("{kind} has no method `{name}`")).hint(format!(
                    "`{name}` is a function of this script: write `{name}(x, …)`"
                ));
            }
            return self.unknown_method(kind, name);
        }
        let error = Error::input(format!("unknown function `{name}`"));
        if self.names.iter().any(|known| known == name) {
            return error.hint(format!(
                "`{name}` is a variable: what holds a closure is called as `{name}.call(…)`, a model, a dictionary or a \
                 layer as `{name}.forward(…)`"
            ));
        }
        if let Some(path) = self.module_member(name).filter(|path| path != name) {
            return error.hint(format!("did you mean `{path}`?"));
        }
        if let Some(near) = self.nearest_in_import(name) {
            return error.hint(format!("did you mean `{near}`?"));
        }
        if let Some(advice) = super::elsewhere::function(name) {
            return error.hint(advice);
        }
        let callable = |entry: &Entry| matches!(entry.kind, Kind::Function | Kind::Constructor);
        let own = nearest(name, self.names.iter().map(String::as_str)).map(str::to_string);
        let near = own.or_else(|| self.catalog.nearest(name, callable));
        let methods = self
            .catalog
            .entries()
            .iter()
            .filter(|entry| entry.kind == Kind::Method);
        if let Some(entry) = methods.into_iter().find(|entry| entry.name == name) {
            let owner = entry.owner.as_deref().unwrap_or("object");
            return error.hint(format!(
                "`{name}` is a method of {}: write `x.{name}(…)`",
                a(owner)
            ));
        }
        match near {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => match place.and_then(module_before) {
                Some(module) => list_members(error, &module, &Member::of_all(&self.catalog.module(&module))),
                None => error,
            },
        }
    }

    fn unknown_method(&self, kind: &str, name: &str) -> Error {
        let members = self.members(kind);
        let error = Error::input(format!("{kind} has no method `{name}`"));
        if kind == "()" {
            return error.hint(super::NO_VALUE);
        }
        if members.iter().any(|member| member.name == name) {
            return error.hint(format!("`{name}` is a field: write it without parentheses"));
        }
        if let Some(advice) = super::elsewhere::member(kind, name, &members) {
            return error.hint(advice);
        }
        let near = nearest(name, members.iter().map(|member| member.name.as_str()));
        let near = near.and_then(|near| members.iter().find(|member| member.name == near));
        match near {
            Some(near) if !near.is_called => error.hint(format!(
                "`{}` is a field: write it without parentheses",
                near.name
            )),
            Some(near) => error.hint(format!("did you mean `{}`?", near.name)),
            None => list_members(error, "methods", &members),
        }
    }

    /// `zeros` alone → `torch::zeros`; `torch::zeross` → `torch::zeros`.
    fn module_member(&self, name: &str) -> Option<String> {
        let bare = name.rsplit("::").next().unwrap_or(name);
        let inside = self.catalog.entries().iter().filter(|entry| {
            entry.owner.is_some() && matches!(entry.kind, Kind::Function | Kind::Constructor)
        });
        inside.filter(|entry| entry.name == bare).map(Entry::path).next()
    }

    /// Signatures of functions of that name.
    fn signatures(&self, call: &Call) -> Vec<String> {
        match &call.receiver {
            Some(kind) => {
                let members = self.members(kind).into_iter();
                let same = members.filter(|member| member.name == call.name && member.is_called);
                same.flat_map(|member| member.signatures).collect()
            }
            None => {
                // What is in a module is called by its path only.
                let is_called = |entry: &&Entry| match entry.kind {
                    Kind::Method => true,
                    Kind::Function | Kind::Constructor => entry.owner.is_none() || call.name.contains("::"),
                    _ => false,
                };
                let entries = self.catalog.find(&call.name).into_iter().filter(is_called);
                entries.flat_map(|entry| entry.signatures.clone()).collect()
            }
        }
    }

    /// The function of an imported module that `alias::name` was probably meant to be.
    fn nearest_in_import(&self, name: &str) -> Option<String> {
        let (alias, bare) = name.split_once("::")?;
        let text = self.modules.get(alias)?;
        let near = nearest(bare, functions_of(text))?;
        Some(format!("{alias}::{near}"))
    }

    /// `(a, b)` of each `fn name(a, b)` of the script, or of the module that is imported under the name before `::`.
    fn own_functions(&self, name: &str) -> Vec<Vec<String>> {
        match name.split_once("::") {
            Some((alias, bare)) => match self.modules.get(alias) {
                Some(text) => parameters_of(text, bare),
                None => Vec::new(),
            },
            None => parameters_of(&self.text, name),
        }
    }
}

/// The names of the functions in `text` that those who import it can call.
fn functions_of(text: &str) -> Vec<&str> {
    let words: Vec<&str> = Lexer::new(text, 0).map(|token| &text[token.span]).collect();
    let is_public = |at: &usize| words[*at] == "fn" && (*at == 0 || words[at - 1] != "private");
    let named = (0..words.len().saturating_sub(1)).filter(is_public);
    named.map(|at| words[at + 1]).collect()
}

/// The parameters of each `fn name(…)` in `text`.
fn parameters_of(text: &str, name: &str) -> Vec<Vec<String>> {
    let tokens: Vec<_> = Lexer::new(text, 0).collect();
    let word = |index: usize| tokens.get(index).map_or("", |token| &text[token.span.clone()]);
    let parameters = |start: usize| {
        let inside = tokens[start..]
            .iter()
            .take_while(|token| token.kind != TokenKind::Close);
        let names = inside.filter(|token| token.kind == TokenKind::Name);
        names.map(|token| text[token.span.clone()].to_string()).collect()
    };
    (0..tokens.len())
        .filter(|index| word(*index) == "fn" && word(index + 1) == name && word(index + 2) == "(")
        .map(|index| parameters(index + 3))
        .collect()
}

/// A function of the script's own with another number of arguments.
fn another_own(call: &Call, own: &[Vec<String>]) -> Error {
    let forms: Vec<String> = own
        .iter()
        .map(|parameters| {
            if parameters.is_empty() {
                "no arguments".to_string()
            } else {
                format!(
                    "{} ({})",
                    counted(parameters.len(), "argument"),
                    parameters.join(", ")
                )
            }
        })
        .collect();
    Error::input(format!(
        "`{}` takes {}, but {}",
        call.name,
        either(&forms),
        were_given(call.given.len())
    ))
}

/// A function of saescript's or of the language with other arguments than it is called with.
fn another_call(call: &Call, known: &[String]) -> Error {
    let whose = call
        .receiver
        .as_ref()
        .map_or(String::new(), |kind| format!(" of {}", a(kind)));
    let counts: Option<Vec<usize>> = known.iter().map(|signature| parameter_count(signature)).collect();
    let error = match counts {
        Some(mut counts) if !counts.contains(&call.given.len()) => {
            counts.sort_unstable();
            counts.dedup();
            let last = counts.pop().unwrap_or_default();
            let taken: Vec<String> = counts
                .iter()
                .map(usize::to_string)
                .chain([counted(last, "argument")])
                .collect();
            Error::input(format!(
                "`{}`{whose} takes {}, but {}",
                call.name,
                either(&taken),
                were_given(call.given.len())
            ))
        }
        _ => {
            let given = match call.given.as_slice() {
                [] => "no arguments".to_string(),
                given => format!("({})", given.join(", ")),
            };
            Error::input(format!("`{}`{whose} cannot be called with {given}", call.name))
        }
    };
    if let Some(advice) = advice_on(call) {
        return error.hint(advice);
    }
    let error = match (call.given.as_slice(), config_class(known)) {
        ([given], Some(class)) if given == "map" => error.hint(format!(
            "make the configuration first: `{}({class}(#{{ … }}))`",
            call.name
        )),
        _ => error,
    };
    known.iter().take(MOST).fold(error, |error, signature| {
        error.hint(format!("it can be called as `{signature}`"))
    })
}

/// What is written in place of calls that many people try.
fn advice_on(call: &Call) -> Option<String> {
    let (name, given) = (call.name.as_str(), call.given.as_slice());
    let is_float = given == ["float"];
    match name {
        "print" | "debug" => Some("put several values into one text: `print(`${a} ${b}`)`".into()),
        "append" if call.receiver.as_deref() == Some("array") => {
            Some("`a.push(x)` adds one element, `a.append([x, y])` those of another array".into())
        }
        "isnan" | "isinf" | "isfinite" if is_float => {
            let bare = name.trim_start_matches("is");
            Some(format!(
                "of a number it is `x.is_{bare}`, and of a tensor `x.{name}()`"
            ))
        }
        "range" if given.len() == 1 => Some("from 0 on it is written `0..n`".into()),
        "int" | "float" if given == ["string"] => Some(format!("write `parse_{name}(text)`")),
        _ => None,
    }
}

/// The configuration class that is the only argument of one of the signatures.
fn config_class(known: &[String]) -> Option<&str> {
    known.iter().find_map(|signature| {
        let (_, inside) = signature.split_once("(config: ")?;
        let (class, _) = inside.split_once(')')?;
        (class != "map" && !class.contains(',')).then_some(class)
    })
}

/// How many arguments a signature has, if it is a number.
fn parameter_count(signature: &str) -> Option<usize> {
    let (_, inside) = signature.split_once('(')?;
    let inside = inside
        .split(") ->")
        .next()
        .unwrap_or(inside)
        .trim_end_matches(')');
    match inside {
        "" => Some(0),
        _ if inside.contains(['*', '=']) || inside.contains("...") => None,
        _ => Some(inside.split(", ").count()),
    }
}

fn were_given(count: usize) -> String {
    match count {
        0 => "none was given".to_string(),
        1 => "1 was given".to_string(),
        _ => format!("{count} were given"),
    }
}

fn is_operator(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_alphabetic() || first == '_')
}
