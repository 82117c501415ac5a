//! Texts of scripts by name, and what stands where in them.
//!
//! The engine reports a start position only. Here it becomes a byte range: the whole token, or, for an error about
//! a key of a configuration, that key's stretch of the map literal in the call.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use rhai::{AST, Position};

use self::closures::closures_of;
pub use self::closures::{Closure, is_closure};
use self::lexer::{Kind, Lexer, Token};
pub use self::position::offset;
use crate::error::Place;

mod closures;
pub mod lexer;
mod position;

/// The texts of all scripts, modules and session entries, by the name that errors show.
#[derive(Default)]
pub struct SourceMap {
    texts: RefCell<HashMap<String, Arc<str>>>,
    session: RefCell<SessionNames>,
    closures: RefCell<HashMap<String, Closure>>,
    /// The texts that imports lead to, by the text that imports and what it writes.
    imported: RefCell<HashMap<(String, String), String>>,
}

/// What the entries of a session have defined so far.
#[derive(Default)]
pub struct SessionNames {
    /// Variables, functions and imports.
    pub all: Vec<String>,
    /// Functions, with the name of the entry that defined each.
    pub functions: HashMap<String, String>,
}

impl SourceMap {
    /// Remembers `text` under `name`.
    pub fn insert(&self, name: impl Into<String>, text: impl Into<Arc<str>>) {
        self.texts.borrow_mut().insert(name.into(), text.into());
    }

    /// Returns the text of that name.
    pub fn text(&self, name: &str) -> Option<Arc<str>> {
        self.texts.borrow().get(name).cloned()
    }

    /// Returns the token at `position` of the text called `name`.
    pub fn place(&self, name: &str, position: Position) -> Option<Place> {
        let text = self.text(name)?;
        let start = offset(&text, position)?;
        let span = token_at(&text, start);
        Some(Place {
            file: name.to_string(),
            text,
            span,
        })
    }

    /// Returns every identifier that the text of that name defines (variables, functions, parameters, imports), and
    /// what the session around it does.
    pub fn defined_names(&self, name: &str) -> Vec<String> {
        let mut names = self
            .text(name)
            .map(|text| defined_names(&text))
            .unwrap_or_default();
        names.extend(self.session.borrow().all.iter().cloned());
        names
    }

    /// Returns the texts of the modules that the text called `file` imports, as far as they were read, by their names
    /// there.
    pub fn imported_texts(&self, file: &str) -> HashMap<String, Arc<str>> {
        let Some(text) = self.text(file) else {
            return HashMap::new();
        };
        let (texts, imported) = (self.texts.borrow(), self.imported.borrow());
        let of_path = |path: String| texts.get(imported.get(&(file.to_string(), path))?).cloned();
        let known = imports(&text).into_iter();
        known
            .filter_map(|import| Some((import.alias, of_path(import.path)?)))
            .collect()
    }

    /// Remembers that `path`, which the text called `importer` imports, is the text called `name`.
    pub fn note_import(&self, importer: &str, path: &str, name: &str) {
        let key = (importer.to_string(), path.to_string());
        self.imported.borrow_mut().insert(key, name.to_string());
    }

    /// Remembers the closures of `ast`, which was read from `text` in `file`.
    pub fn add_closures(&self, file: Option<&str>, text: &str, ast: &AST) {
        self.closures.borrow_mut().extend(closures_of(file, text, ast));
    }

    /// Returns the file in which the closure stands that the engine calls `name`.
    pub fn file_of_closure(&self, name: &str) -> Option<String> {
        self.closures.borrow().get(name)?.file.clone()
    }

    /// Returns how many arguments the closure takes that the engine calls `name`, without what it takes from around it.
    pub fn closure_takes(&self, name: &str) -> Option<usize> {
        Some(self.closures.borrow().get(name)?.own.len())
    }

    /// Returns the closures of all texts, by the engine's names for them.
    pub fn closures(&self) -> HashMap<String, Closure> {
        self.closures.borrow().clone()
    }

    /// Remembers what a session has defined so far.
    pub fn set_session(&self, names: SessionNames) {
        *self.session.borrow_mut() = names;
    }

    /// Returns the entry of the session that defined a function. The engine believes it to be part of the running
    /// entry.
    pub fn session_entry_of(&self, function: &str) -> Option<String> {
        self.session.borrow().functions.get(function).cloned()
    }
}

/// The token that begins at `start`, or one character, or nothing at the end of the text. A dot stands for the name
/// after it, an opening bracket for all of its index.
fn token_at(text: &str, start: usize) -> Range<usize> {
    let mut tokens = Lexer::new(text, start).peekable();
    if text[start..].starts_with('.') {
        if let Some(name) = tokens.nth(1).filter(|token| token.kind == Kind::Name) {
            return name.span;
        }
    } else if text[start..].starts_with('[') {
        let mut rest = Lexer::new(text, start + 1)
            .collect::<Vec<Token>>()
            .into_iter()
            .peekable();
        while let Some(end) = skip_value(&mut rest) {
            if rest.next_if(|token| token.kind == Kind::Comma).is_none() {
                return start..rest.next().map_or(end, |close| close.span.end);
            }
        }
    }
    match Lexer::new(text, start).next() {
        Some(token) if token.span.start == start => token.span,
        _ => start..start + text[start..].chars().next().map_or(0, char::len_utf8),
    }
}

/// Which part of a map entry an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The key itself, for keys that do not exist.
    Key,
    /// What is written after the colon.
    Value,
}

/// Returns the stretch of `text` that the key path is about, in the map literal of the call whose name begins at
/// `call`.
///
/// Follows `path` through nested maps, lists and constructor calls for as long as they are written in place; `None`
/// if the argument is a variable or the key is not written.
pub fn find_key(text: &str, call: usize, path: &[String], part: Part) -> Option<Range<usize>> {
    let mut tokens = Lexer::new(text, call)
        .collect::<Vec<Token>>()
        .into_iter()
        .peekable();
    let mut here: Option<Range<usize>> = None;
    'segments: for (depth, segment) in path.iter().enumerate() {
        if !enter(&mut tokens) {
            break;
        }
        let last = depth + 1 == path.len();
        let wanted_index = segment
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .and_then(|index| index.parse::<usize>().ok());
        for index in 0.. {
            let first = tokens.peek()?.clone();
            if matches!(first.kind, Kind::Close) {
                return here;
            }
            let found = match wanted_index {
                Some(wanted) => wanted == index,
                None => {
                    tokens.next();
                    tokens.next_if(|token| token.kind == Kind::Colon);
                    key_text(text, &first) == segment.as_str()
                }
            };
            if found {
                let value_start = tokens.peek()?.span.start;
                let mut ahead = tokens.clone();
                let value_end = skip_value(&mut ahead).unwrap_or(value_start);
                here = Some(match part {
                    Part::Key if last && wanted_index.is_none() => first.span,
                    _ => value_start..value_end,
                });
                continue 'segments;
            }
            skip_value(&mut tokens);
            tokens.next_if(|token| token.kind == Kind::Comma);
        }
    }
    here
}

type Tokens = std::iter::Peekable<std::vec::IntoIter<Token>>;

/// Goes past `Name::Name(` and into the map or list literal; false if none stands there.
fn enter(tokens: &mut Tokens) -> bool {
    for token in tokens.by_ref() {
        match token.kind {
            Kind::Name | Kind::PathSeparator | Kind::OpenRound => continue,
            // Arguments before the map are passed by.
            Kind::Text | Kind::Number | Kind::Comma => continue,
            Kind::OpenMap | Kind::OpenSquare => return true,
            _ => return false,
        }
    }
    false
}

/// Goes to the comma or bracket after a value; the end of the value.
fn skip_value(tokens: &mut Tokens) -> Option<usize> {
    let mut depth = 0usize;
    let mut end = None;
    while let Some(token) = tokens.peek() {
        match token.kind {
            Kind::Comma if depth == 0 => break,
            Kind::Close if depth == 0 => break,
            Kind::Close => depth -= 1,
            Kind::OpenMap | Kind::OpenRound | Kind::OpenSquare | Kind::OpenCurly => depth += 1,
            _ => (),
        }
        end = Some(token.span.end);
        tokens.next();
    }
    end
}

fn key_text<'a>(text: &'a str, token: &Token) -> &'a str {
    text[token.span.clone()].trim_matches(['"', '`'])
}

/// Returns the names that the text gives to something, in order of appearance.
pub fn defined_names(text: &str) -> Vec<String> {
    let tokens: Vec<Token> = Lexer::new(text, 0).collect();
    let word = |index: usize| tokens.get(index).map_or("", |token| &text[token.span.clone()]);
    let mut names: Vec<String> = Vec::new();
    let mut add = |index: usize| {
        let is_name = tokens.get(index).is_some_and(|token| token.kind == Kind::Name);
        if is_name && !names.iter().any(|known| known == word(index)) {
            names.push(word(index).to_string());
        }
    };
    for index in 0..tokens.len() {
        match word(index) {
            "let" | "const" | "as" => add(index + 1),
            "fn" => {
                add(index + 1);
                (index + 3..tokens.len())
                    .take_while(|at| word(*at) != ")")
                    .for_each(&mut add);
            }
            "for" => (index + 1..tokens.len())
                .take_while(|at| word(*at) != "in")
                .for_each(&mut add),
            "catch" => add(index + 2),
            "|" if begins_closure(index.checked_sub(1).map_or("", word)) => {
                (index + 1..tokens.len())
                    .take_while(|at| word(*at) != "|")
                    .for_each(&mut add);
            }
            _ => (),
        }
    }
    names
}

/// `|` opens a closure's parameters where no value stands before it.
fn begins_closure(before: &str) -> bool {
    matches!(
        before,
        "" | "(" | "," | "=" | ":" | "{" | ";" | "return" | "=>" | "["
    )
}

/// Returns the call that begins at `start`, up to its closing bracket, with one blank between any two tokens.
pub fn call_text(text: &str, start: usize) -> Option<String> {
    let (mut depth, mut parts) = (0usize, Vec::new());
    for token in Lexer::new(text, start) {
        parts.push(text.get(token.span.clone())?);
        match token.kind {
            Kind::OpenMap | Kind::OpenCurly | Kind::OpenRound | Kind::OpenSquare => depth += 1,
            Kind::Close => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(parts.join(" "));
                }
            }
            _ => (),
        }
    }
    None
}

/// Returns the last bracket of `text` that is never closed.
pub fn open_bracket(text: &str) -> Option<Range<usize>> {
    let mut open = Vec::new();
    for token in Lexer::new(text, 0) {
        match token.kind {
            Kind::OpenMap | Kind::OpenCurly | Kind::OpenRound | Kind::OpenSquare => open.push(token.span),
            Kind::Close => drop(open.pop()),
            _ => (),
        }
    }
    open.pop()
}

/// One `import "module" as alias`.
#[derive(Clone, Debug)]
pub struct Import {
    /// The module, as it is written.
    pub path: String,
    /// The name under which it is known.
    pub alias: String,
    /// Where the module is written, quotes included.
    pub span: Range<usize>,
}

/// Returns each `import "module" as alias` in `text`.
pub fn imports(text: &str) -> Vec<Import> {
    let tokens: Vec<Token> = Lexer::new(text, 0).collect();
    let word = |index: usize| tokens.get(index).map_or("", |token| &text[token.span.clone()]);
    (0..tokens.len())
        .filter(|at| word(*at) == "import" && word(*at + 2) == "as")
        .map(|at| Import {
            path: word(at + 1).trim_matches(['"', '`']).to_string(),
            alias: word(at + 3).to_string(),
            span: tokens[at + 1].span.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = r#"
let stream = Factory(FactoryConfig(#{
    sources: [Source(#{ name: "a" }), Source(#{ "nam": "b, }" })], // { not this
    lr: 1e-4 * f(2, 3),
}));
"#;

    fn found(path: &[&str], part: Part) -> Option<&'static str> {
        let call = SCRIPT.find("FactoryConfig").expect("it is there");
        let path: Vec<String> = path.iter().map(|segment| segment.to_string()).collect();
        find_key(SCRIPT, call, &path, part).map(|span| &SCRIPT[span])
    }

    #[test]
    fn keys_and_values_are_found_through_nested_calls() {
        assert_eq!(found(&["lr"], Part::Value), Some("1e-4 * f(2, 3)"));
        assert_eq!(found(&["lr"], Part::Key), Some("lr"));
        assert_eq!(found(&["sources", "[1]", "nam"], Part::Key), Some("\"nam\""));
        assert_eq!(found(&["sources", "[1]", "nam"], Part::Value), Some("\"b, }\""));
        assert_eq!(
            found(&["sources", "[0]"], Part::Value),
            Some("Source(#{ name: \"a\" })")
        );
        assert_eq!(found(&["absent"], Part::Value), None);
    }

    #[test]
    fn positions_become_whole_tokens() {
        let map = SourceMap::default();
        map.insert("a.rhai", "let ü = 1;\nprint(übermaß);");
        let place = map.place("a.rhai", Position::new(2, 7)).expect("a place");
        assert_eq!(&place.text[place.span.clone()], "übermaß");
        assert_eq!(place.line_column(), (2, 7));
    }

    #[test]
    fn definitions_are_listed() {
        let names =
            defined_names("let a = |x, y| x; fn f(p, q) {} for i in a {} import \"m\" as tools; g(unknown)");
        for name in ["a", "x", "y", "f", "p", "q", "i", "tools"] {
            assert!(names.iter().any(|known| known == name), "{name} in {names:?}");
        }
        assert!(!names.iter().any(|name| name == "unknown"), "{names:?}");
    }
}
