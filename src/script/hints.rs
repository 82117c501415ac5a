//! Advice for names and arguments that do not fit: the nearest function, variable, method or property, and the
//! signatures that exist.

use rhai::Engine;

use super::docs::{Catalog, Entry, Kind};
use super::source::lexer::{Kind as TokenKind, Lexer};
use crate::error::{Error, Place, nearest};

/// What hints are drawn from: the host's catalog and the text of the script.
pub struct Hints {
    catalog: Catalog,
    text: String,
    names: Vec<String>,
}

impl Hints {
    /// For an error in the script `text`, which defines `names`.
    pub fn new(engine: &Engine, text: &str, names: Vec<String>) -> Self {
        Hints {
            catalog: Catalog::from_engine(engine).unwrap_or_default(),
            text: text.to_string(),
            names,
        }
    }

    /// A call that fits no function. `signature` is the engine's: `name (type, type)`.
    pub fn no_such_call(&self, signature: &str, place: Option<&Place>) -> Error {
        let (name, arguments) = signature.split_once(" (").unwrap_or((signature, ")"));
        let arguments = tidy_types(arguments.trim_end_matches(')'));
        let is_method = place.is_some_and(is_after_dot);
        let mut given: Vec<&str> = arguments.split(", ").filter(|text| !text.is_empty()).collect();
        let receiver = is_method.then(|| given.first().copied()).flatten();
        if receiver.is_some() {
            given.remove(0);
        }
        if is_operator(name) {
            return Error::input(match given.as_slice() {
                [left, right] => format!("`{name}` is not defined between {left} and {right}"),
                [only] => format!("`{name}` is not defined for {only}"),
                _ => format!("`{name}` is not defined for ({arguments})"),
            });
        }
        let same = self.signatures(name, receiver);
        if same.is_empty() {
            return self.unknown_function(name, receiver, place);
        }
        let taken = match given.as_slice() {
            [] => "no arguments".to_string(),
            _ => format!("({})", given.join(", ")),
        };
        let whose = receiver.map_or(String::new(), |kind| format!(" of {kind}"));
        let error = Error::input(format!("`{name}`{whose} cannot be called with {taken}"));
        const MOST: usize = 6;
        same.iter().take(MOST).fold(error, |error, signature| {
            error.hint(format!("it can be called as `{signature}`"))
        })
    }

    fn unknown_function(&self, name: &str, receiver: Option<&str>, place: Option<&Place>) -> Error {
        if name.starts_with("anon$") {
            return Error::input("a closure takes another number of arguments than it is called with")
                .hint("the names between its `|…|` are what it takes");
        }
        if let Some(kind) = receiver {
            let members = self.catalog.members(kind);
            let methods: Vec<&str> = members.iter().map(|entry| entry.name.as_str()).collect();
            let error = Error::input(format!("{kind} has no method `{name}`"));
            return match nearest(name, methods.iter().copied()) {
                Some(near)
                    if members
                        .iter()
                        .any(|entry| entry.name == near && entry.kind != Kind::Method) =>
                {
                    error.hint(format!("`{near}` is a field: write it without parentheses"))
                }
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => list_members(error, "methods", &members),
            };
        }
        let error = Error::input(format!("unknown function `{name}`"));
        if self.names.iter().any(|known| known == name) {
            return error.hint(format!(
                "`{name}` is a variable: what holds a closure is called as `{name}.call(…)`"
            ));
        }
        let callable = |entry: &Entry| matches!(entry.kind, Kind::Function | Kind::Constructor);
        let own = nearest(name, self.names.iter().map(String::as_str)).map(str::to_string);
        let near = own
            .or_else(|| self.catalog.nearest(name, callable))
            .or_else(|| self.module_member(name));
        if let Some(entry) = self
            .catalog
            .entries()
            .iter()
            .find(|entry| entry.name == name && entry.kind == Kind::Method)
        {
            let owner = entry.owner.as_deref().unwrap_or("an object");
            return error.hint(format!("`{name}` is a method of {owner}: write `x.{name}(…)`"));
        }
        match near {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => match place.and_then(module_before) {
                Some(module) => list_members(error, &module, &self.catalog.module(&module)),
                None => error,
            },
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

    /// A name that stands for nothing.
    pub fn no_such_variable(&self, name: &str, place: Option<&Place>) -> Error {
        let error = Error::input(format!("unknown variable `{name}`"));
        if let Some(written) = python_constant(name) {
            return error.hint(format!("Rhai writes `{written}`"));
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
            return match self.catalog.nearest(name, inside) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => list_members(error, module, &self.catalog.module(module)),
            };
        }
        if self.names.iter().any(|known| known == name) {
            let inside = place.is_some_and(|place| self.is_inside_function(place));
            return match inside {
                true => error.hint("functions see their parameters only: pass the value as an argument"),
                false => error.hint("it is defined further down or in another block"),
            };
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
        let error = match near {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        };
        match place.is_some_and(is_assigned) {
            true => error.hint(format!("to make a new variable, write `let {name} = …`")),
            false => error,
        }
    }

    /// A module that nobody imported.
    pub fn no_such_module(&self, name: &str) -> Error {
        let modules: Vec<String> = self
            .catalog
            .entries()
            .iter()
            .filter(|entry| entry.kind == Kind::Module)
            .map(|entry| entry.name.clone())
            .chain(self.names.iter().cloned())
            .collect();
        let error = Error::input(format!("unknown module `{name}`"));
        match nearest(name, modules.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("import it first: `import \"{name}\" as {name};`")),
        }
    }

    /// A property that the object does not have.
    pub fn no_such_property(&self, property: &str, kind: &str) -> Error {
        let members = self.catalog.members(kind);
        let error = Error::input(format!("{kind} has no property `{property}`"));
        if members
            .iter()
            .any(|entry| entry.name == property && entry.kind == Kind::Method)
        {
            return error.hint(format!("`{property}` is a method: write `{property}()`"));
        }
        match nearest(property, members.iter().map(|entry| entry.name.as_str())) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => list_members(error, "members", &members),
        }
    }

    /// Signatures of functions of that name, the script's own included.
    fn signatures(&self, name: &str, receiver: Option<&str>) -> Vec<String> {
        let of_receiver = |entry: &&Entry| match receiver {
            Some(kind) => entry.owner.as_deref() == Some(kind),
            None => entry.kind != Kind::Field && entry.kind != Kind::Property && entry.kind != Kind::Type,
        };
        let entries = self.catalog.find(name).into_iter().filter(of_receiver);
        let mut all: Vec<String> = self.own_functions(name);
        all.extend(entries.flat_map(|entry| entry.signatures.clone()));
        all
    }

    /// `fn name(a, b)` of the script.
    fn own_functions(&self, name: &str) -> Vec<String> {
        let tokens: Vec<_> = Lexer::new(&self.text, 0).collect();
        let word = |index: usize| tokens.get(index).map(|token| &self.text[token.span.clone()]);
        (0..tokens.len())
            .filter(|index| word(*index) == Some("fn") && word(index + 1) == Some(name))
            .filter_map(|index| {
                let start = tokens[index + 1].span.start;
                let end = tokens[index..]
                    .iter()
                    .find(|token| token.kind == TokenKind::Close)?
                    .span
                    .end;
                Some(self.text[start..end].to_string())
            })
            .collect()
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

fn list_members(error: Error, what: &str, members: &[&Entry]) -> Error {
    if members.is_empty() {
        return error;
    }
    let names: Vec<String> = members
        .iter()
        .take(24)
        .map(|entry| format!("`{}`", entry.name))
        .collect();
    error.hint(format!("{what}: {}", names.join(", ")))
}

fn python_constant(name: &str) -> Option<&'static str> {
    match name {
        "None" | "null" | "nil" => Some("()"),
        "True" => Some("true"),
        "False" => Some("false"),
        _ => None,
    }
}

fn is_operator(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// The engine's names of string types, once.
fn tidy_types(types: &str) -> String {
    types
        .replace("&str | ImmutableString | String", "string")
        .replace("i64", "int")
        .replace("f64", "float")
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

/// The module in `module::name`, where the place is the name or begins at the module.
fn module_before(place: &Place) -> Option<String> {
    let before = place.text[..place.span.start].trim_end().strip_suffix("::")?;
    let start = before
        .rfind(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .map_or(0, |at| at + 1);
    Some(before[start..].to_string())
}

/// The name in `.name` right after the place.
fn name_after_dot(place: &Place) -> Option<String> {
    let after = place.text[place.span.end..].strip_prefix('.')?;
    let end = after
        .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .unwrap_or(after.len());
    (end > 0).then(|| after[..end].to_string())
}
