//! Advice for names and arguments that do not fit: the nearest function, variable, method or property, and the
//! signatures that exist.

mod calls;
mod elsewhere;
mod member;
mod operators;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use rhai::Engine;

use self::member::Member;
use super::docs::{Catalog, Entry, Kind};
use super::reading::is_blank;
use super::source::lexer::{Kind as TokenKind, Lexer};
use super::source::{Closure, SourceMap};
use super::state::State;
use crate::error::{Error, Place, a, nearest};

/// Advice where something is asked of `()`.
const NO_VALUE: &str = "`()` is no value: it comes from a function that returns nothing, such as `a.sort()`, or from \
                        `a.reduce(…)` without the value that it begins with: `a.reduce(|sum, x| sum + x, 0)`";

/// What hints are drawn from: the host's catalog and the text of the script.
pub struct Hints {
    catalog: Rc<Catalog>,
    text: Arc<str>,
    names: Vec<String>,
    /// The texts of imported modules, by the names under which the script knows them.
    modules: HashMap<String, Arc<str>>,
    closures: HashMap<String, Closure>,
}

impl Hints {
    /// Gathers what hints for an error are drawn from, in the text that `sources` calls `file`.
    pub fn new(engine: &Engine, file: &str, sources: &SourceMap) -> Self {
        Hints {
            catalog: State::of_engine(engine).catalog(engine),
            text: sources.text(file).unwrap_or_else(|| "".into()),
            names: sources.defined_names(file),
            modules: sources.imported_texts(file),
            closures: sources.closures(),
        }
    }

    /// What an object of type `kind` has, sorted by name: methods, properties, and functions that take it first.
    fn members(&self, kind: &str) -> Vec<Member> {
        let kind = if kind == "function" { "Fn" } else { kind };
        let mut members = Member::of_all(&self.catalog.members(kind));
        let entries = self.catalog.entries().iter();
        members.extend(entries.filter_map(|entry| Member::of_standard(entry, kind)));
        members.sort_by(|a, b| (&a.name, !a.is_called).cmp(&(&b.name, !b.is_called)));
        members.dedup_by(|later, earlier| {
            let same = later.name == earlier.name && later.is_called == earlier.is_called;
            if same {
                earlier.signatures.append(&mut later.signatures);
            }
            same
        });
        members
    }

    /// Says that a name stands for nothing.
    pub fn no_such_variable(&self, name: &str, place: Option<&Place>) -> Error {
        let error = Error::input(format!("unknown variable `{name}`"));
        if let Some(written) = elsewhere::module(name) {
            return error.hint(written);
        }
        if name == "None" && place.is_some_and(is_index) {
            return error.hint("a new dimension is written `x[\"None\"]`, or `x.unsqueeze(0)`");
        }
        if let Some(written) = python_constant(name) {
            return error.hint(format!("Rhai writes `{written}`"));
        }
        if is_blank(name) {
            return error.hint(
                "a session names its results so, `_` the last and `_3` that of entry 3, and keeps the newest",
            );
        }
        let has_members = |entry: &Entry| entry.owner.as_deref() == Some(name);
        if self
            .catalog
            .entries()
            .iter()
            .any(|entry| entry.kind == Kind::Module && entry.name == name)
        {
            let member = place
                .and_then(name_after_dot)
                .filter(|_| self.catalog.entries().iter().any(has_members));
            let example = member.unwrap_or_else(|| "…".into());
            return error.hint(format!("`{name}` is a module: write `{name}::{example}`"));
        }
        if let Some((module, _)) = name.split_once("::") {
            let inside = |entry: &Entry| entry.owner.as_deref() == Some(module);
            let bare = name.rsplit("::").next().unwrap_or(name);
            let names = self.catalog.entries().iter().filter(|entry| inside(entry));
            return match nearest(bare, names.map(|entry| entry.name.as_str())) {
                Some(near) => error.hint(format!("did you mean `{module}::{near}`?")),
                None => list_members(error, module, &Member::of_all(&self.catalog.module(module))),
            };
        }
        if self.names.iter().any(|known| known == name) {
            return error.hint(self.out_of_reach(name, place));
        }
        let near = nearest(name, self.names.iter().map(String::as_str)).map(str::to_string);
        let near = near.or_else(|| {
            self.catalog.nearest(name, |entry| {
                entry.kind == Kind::Constant && entry.owner.is_none()
            })
        });
        let near = near.or_else(|| {
            self.catalog
                .nearest(name, |entry| entry.kind == Kind::Constructor)
        });
        if let Some(advice) = place.and_then(|place| habit(name, place)) {
            return error.hint(advice);
        }
        match near {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        }
    }

    /// Why a name that is defined is not known at `place`.
    fn out_of_reach(&self, name: &str, place: Option<&Place>) -> String {
        if place.is_some_and(|place| is_in_comprehension(name, place)) {
            "write `items.map(|x| x * x)`, and `.filter(|x| x > 0)` for a condition".into()
        } else if place.is_some_and(|place| self.is_inside_function(place)) {
            format!(
                "functions see their parameters and what the script defines with `const`: write `const {name} = …` for \
                 what never changes, or pass the value as an argument"
            )
        } else {
            "it is defined further down or in another block".into()
        }
    }

    /// Says that a module was not imported.
    pub fn no_such_module(&self, name: &str) -> Error {
        let modules: Vec<String> = self
            .catalog
            .entries()
            .iter()
            .filter(|entry| entry.kind == Kind::Module)
            .map(Entry::path)
            .chain(self.names.iter().cloned())
            .collect();
        let error = Error::input(format!("unknown module `{name}`"));
        if let Some(written) = elsewhere::module(name) {
            return error.hint(written);
        }
        let inner = modules
            .iter()
            .find(|module| module.ends_with(&format!("::{name}")));
        match nearest(name, modules.iter().map(String::as_str)).or(inner.map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("import it first: `import \"{name}\" as {name};`")),
        }
    }

    /// Says that a map does not have a key.
    pub fn no_such_key(&self, key: &str) -> Error {
        let error = Error::input(format!("the map has no key `{key}`"));
        const OF_CACHES: [&str; 9] = [
            "resid_pre",
            "resid_post",
            "resid_mid",
            "attn_out",
            "mlp_out",
            "pattern",
            "z",
            "post",
            "scale",
        ];
        if OF_CACHES.contains(&key) || key.starts_with("blocks.") {
            return error.hint(
                "activations have the names of hook points, `cache[\"blocks.2.hook_resid_post\"]`, and only those that were \
                 asked for are there; `cache.keys()` lists them",
            );
        }
        if self
            .members("map")
            .iter()
            .any(|member| member.name == key && member.is_called)
        {
            error.hint(format!("`{key}` is a method: write `{key}()`"))
        } else {
            error.hint(format!(
                "ask first with `\"{key}\" in map`, or read it as `map.get(\"{key}\")`"
            ))
        }
    }

    /// Says that an object does not have a property.
    pub fn no_such_property(&self, property: &str, kind: &str) -> Error {
        let kind = &tidy_types(kind);
        let members = self.members(kind);
        let error = Error::input(format!("{kind} has no property `{property}`"));
        if kind == "()" {
            return error.hint(NO_VALUE);
        }
        if members
            .iter()
            .any(|member| member.name == property && member.is_called)
        {
            return error.hint(format!("`{property}` is a method: write `{property}()`"));
        }
        if let Some(advice) = elsewhere::member(kind, property, &members) {
            return error.hint(advice);
        }
        let near = nearest(property, members.iter().map(|member| member.name.as_str()));
        match near.and_then(|near| members.iter().find(|member| member.name == near)) {
            Some(near) if near.is_called => error.hint(format!("did you mean `{}()`?", near.name)),
            Some(near) => error.hint(format!("did you mean `{}`?", near.name)),
            None => list_members(error, "members", &members),
        }
    }

    /// Says that the value at `place` is of another type than is needed.
    pub fn another_type(&self, wanted: &str, given: &str, place: Option<&Place>) -> Error {
        let (wanted, given) = (tidy_types(wanted), tidy_types(given));
        let is_index = place.is_some_and(is_index);
        match (wanted.as_str(), given.as_str()) {
            ("string", _) if is_index => Error::input(format!(
                "the keys of a map are strings, but this is {}",
                a(&given)
            ))
            .hint("write `m[\"key\"]`, or `m[x.to_string()]`; what a function returned in several parts has them by name: `x.max(1).values`"),
            ("int", _) if is_index => Error::input(format!(
                "an array is indexed by an int, from 0 on or from -1 at its end, but this is {}",
                a(&given)
            ))
            .hint("several elements are `a.extract(1..3)`; values by name are in a map, `#{ name: 1 }`"),
            ("int", "range") => Error::input("expected an int, but this is a range")
                .hint("several elements of an array are `a.extract(1..3)`"),
            ("char", _) => Error::input(format!("expected one letter as `'a'`, but this is {}", a(&given))),
            ("bool", "Tensor") => Error::input(format!("expected true or false, but this is {}", a(&given))).hint(
                "comparing tensors gives a tensor: use `.all()` or `.any()`, or compare numbers with `.item()`",
            ),
            ("bool", _) => Error::input(format!("expected true or false, but this is {}", a(&given)))
                .hint("write the comparison: `x != 0`, `a.len() > 0`, `x != ()`"),
            ("function", "string") => Error::input("expected a function, but this is a string")
                .hint("a closure is written `|x| x + 1`, a function of the script by its name `Fn(\"name\")`"),
            ("function", _) => Error::input(format!("expected a function, but this is {}", a(&given)))
                .hint("a closure is written `|x| x + 1`"),
            _ => Error::input(format!("expected {}, but this is {}", a(&wanted), a(&given))),
        }
    }

    /// Does the place stand inside the body of a `fn`?
    fn is_inside_function(&self, place: &Place) -> bool {
        let mut depth = 0usize;
        let mut function_depth: Option<usize> = None;
        for token in Lexer::new(&self.text, 0).take_while(|token| token.span.start < place.span.start) {
            match token.kind {
                TokenKind::Name if &self.text[token.span.clone()] == "fn" && function_depth.is_none() => {
                    function_depth = Some(depth);
                }
                TokenKind::OpenCurly | TokenKind::OpenMap | TokenKind::OpenRound | TokenKind::OpenSquare => {
                    depth += 1
                }
                TokenKind::Close => {
                    depth = depth.saturating_sub(1);
                    if function_depth == Some(depth) && &self.text[token.span.clone()] == "}" {
                        function_depth = None;
                    }
                }
                _ => (),
            }
        }
        function_depth.is_some()
    }
}

fn list_members(error: Error, what: &str, members: &[Member]) -> Error {
    /// So many names are shown.
    const MOST: usize = 24;
    if members.is_empty() {
        return error;
    }
    let shown = members.iter().filter(|member| member.name != "to_debug");
    let mut names: Vec<String> = shown.map(|member| format!("`{}`", member.name)).collect();
    names.dedup();
    let more = if names.len() > MOST {
        format!(", … ({} in all)", names.len())
    } else {
        String::new()
    };
    names.truncate(MOST);
    error.hint(format!("{what}: {}{more}", names.join(", ")))
}

fn python_constant(name: &str) -> Option<&'static str> {
    match name {
        "None" | "null" | "nil" => Some("()"),
        "True" => Some("true"),
        "False" => Some("false"),
        _ => None,
    }
}

/// The engine's names of types, in the words of scripts.
fn tidy_types(types: &str) -> String {
    types
        .replace("&str | ImmutableString | String", "string")
        .replace("i64", "int")
        .replace("f64", "float")
        .replace("u8", "byte")
        .replace("Fn", "function")
}

/// What is meant where a name that stands for nothing is used as in other languages.
fn habit(name: &str, place: &Place) -> Option<String> {
    let (before, after) = (
        place.text[..place.span.start].trim_end(),
        &place.text[place.span.end..],
    );
    let follows_argument = before.ends_with(['(', ',']);
    let has_colon = after.trim_start().starts_with(':') && !after.trim_start().starts_with("::");
    if name == "f" && after.starts_with(['"', '\'']) {
        return Some("values in a text stand between backquotes: `` `x is ${x}` ``".into());
    }
    if after.starts_with(", ") && after.lines().next().is_some_and(|line| line.contains(" = ")) {
        return Some(
            "a variable holds one value: `let r = x.max(1);`, then `r.values` and `r.indices`".into(),
        );
    }
    if before.ends_with('{') && has_colon {
        return Some(format!("a map is written `#{{ {name}: … }}`"));
    }
    if follows_argument && (has_colon || is_assigned(place)) {
        return Some(format!(
            "arguments with names are given in a map: `(#{{ {name}: … }})`"
        ));
    }
    is_assigned(place).then(|| format!("to make a new variable, write `let {name} = …`"))
}

/// `name = …`, as Python makes variables.
fn is_assigned(place: &Place) -> bool {
    let after = place.text[place.span.end..].trim_start();
    after.starts_with('=') && !after.starts_with("==")
}

fn is_after_dot(place: &Place) -> bool {
    let before = place.text[..place.span.start].trim_end();
    before.ends_with('.') || before.ends_with("?.")
}

/// Does the place begin an index?
fn is_index(place: &Place) -> bool {
    place.text[..place.span.start].trim_end().ends_with('[')
}

/// `[x * x for x in items]`, at one of the first `x`.
fn is_in_comprehension(name: &str, place: &Place) -> bool {
    let inside = place.text[place.span.end..].split([']', ';']).next();
    let opens = place.text[..place.span.start]
        .rsplit(['\n', ';'])
        .next()
        .is_some_and(|before| before.contains('['));
    opens && inside.is_some_and(|inside| inside.contains(&format!(" for {name} in ")))
}

/// The module in `module::name`, where the place is the name or begins at the module.
fn module_before(place: &Place) -> Option<String> {
    let before = place.text[..place.span.start].trim_end().strip_suffix("::")?;
    let start = before
        .rfind(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .map_or(0, |at| at + 1);
    Some(before[start..].to_string())
}

/// The path in `.nn.functional.relu` right after the place.
fn name_after_dot(place: &Place) -> Option<String> {
    let after = place.text[place.span.end..].strip_prefix('.')?;
    let end = after
        .find(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '.')
        .unwrap_or(after.len());
    (end > 0).then(|| after[..end].replace('.', "::"))
}
