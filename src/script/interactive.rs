//! A session: entries share variables, functions and imports. An entry that fails part-way keeps what it had defined.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::time::{Duration, Instant};

use rhai::{AST, Dynamic, LexError, Map, Module, ParseErrorType, Scope, Shared};

use super::api::LanguageModelHandle;
use super::closure::evaluating;
use super::diagnostic;
use super::docs::strip_comment;
use super::failure::RhaiResultOf;
use super::host::{Host, Outcome, read_script};
use super::pretty::Pretty;
use super::reading;
use super::source::lexer::Lexer;
use super::source::{SessionNames, imports, is_closure, open_bracket};
use crate::error::Result;

/// What stays from entry to entry of a session.
pub struct Interactive<'host> {
    host: &'host mut Host,
    scope: Scope<'static>,
    /// Functions defined so far, which the engine ties to a script and not to a scope.
    functions: AST,
    /// The entry that defined each function.
    origins: HashMap<String, String>,
    /// Their paths and what they hold, by the names under which the session knows them.
    imports: BTreeMap<String, (String, Shared<Module>)>,
    entries: usize,
    /// The newest results, oldest first, and their names.
    results: VecDeque<(String, Dynamic)>,
}

/// So many results of a session are kept under their numbers.
const RESULTS: usize = 20;

impl Host {
    /// Returns a session that keeps variables, functions and imports from entry to entry.
    pub fn interactive(&mut self) -> Interactive<'_> {
        self.set_constants(&[], None);
        self.know_constants();
        let scope = self.own_scope();
        Interactive::new(self, scope)
    }
}

impl<'host> Interactive<'host> {
    fn new(host: &'host mut Host, scope: Scope<'static>) -> Self {
        Interactive {
            host,
            scope,
            functions: AST::empty(),
            origins: HashMap::new(),
            imports: BTreeMap::new(),
            entries: 0,
            results: VecDeque::new(),
        }
    }

    /// Evaluates one entry; errors call it `repl:N`.
    ///
    /// # Errors
    /// What went wrong, with its place; the session goes on with what was defined before.
    pub fn enter(&mut self, text: &str) -> Result<Outcome> {
        self.entries += 1;
        self.enter_as(&format!("repl:{}", self.entries), text)
    }

    /// Parses `text` as an entry that errors call `name`, with the functions of those before.
    fn read(&mut self, name: &str, text: &str) -> Result<AST> {
        self.host.state().context().stop.clear();
        self.host.state().set_session_constants(self.constants());
        self.tell_sources(self.origins.clone());
        let ast = self.host.compile_in(&self.scope, name, text).map_err(|error| {
            diagnostic::explain_parse(&error, name, self.host.engine(), self.host.state().sources())
        })?;
        self.host.state().warn_of(name, text)?;
        let own = ast.iter_functions().map(|function| function.name.to_string());
        self.origins
            .extend(own.map(|function| (function, name.to_string())));
        self.tell_sources(self.origins.clone());
        Ok(self.functions.merge(&ast))
    }

    /// Evaluates `text` as an entry that errors call `name`.
    fn enter_as(&mut self, name: &str, text: &str) -> Result<Outcome> {
        let whole = self.read(name, text)?;
        let result = self.run(&whole, 1).map(|(value, _)| value);
        // What an entry defined before it failed stays: variables that hold closures need their functions too.
        self.keep(&whole, name, text);
        let outcome = self.host.outcome(result);
        outcome.map_err(|failure| self.host.explain(&failure, name))
    }

    /// Evaluates `whole` so many times, and says how long each took.
    fn run(&mut self, whole: &AST, times: usize) -> RhaiResultOf<(Dynamic, Vec<Duration>)> {
        self.host.state().begin();
        self.host.modules.begin();
        let engine = self.host.engine();
        let scope = &mut self.scope;
        evaluating(engine, || {
            let (mut value, mut took, defined) = (Dynamic::UNIT, Vec::with_capacity(times), scope.len());
            for _ in 0..times {
                // What a call defines must not slow down the next; that of the last one stays.
                scope.rewind(defined);
                let start = Instant::now();
                value = engine.eval_ast_with_scope::<Dynamic>(scope, whole)?;
                took.push(start.elapsed());
            }
            Ok((value, took))
        })
    }

    /// Evaluates `text` again and again for about `budget`, at least once and at most `most` times; how long each call
    /// took.
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub fn bench(&mut self, text: &str, budget: Duration, most: usize) -> Result<Vec<Duration>> {
        self.entries += 1;
        let name = format!("repl:{}", self.entries);
        let whole = self.read(&name, text)?;
        let defined = self.scope.len();
        let first = self.run(&whole, 1).and_then(|(_, took)| {
            let one = took
                .first()
                .map_or(budget, |took| *took)
                .max(Duration::from_nanos(1));
            let times = (budget.as_nanos() / one.as_nanos()) as usize;
            self.scope.rewind(defined);
            match times.min(most) {
                0 | 1 => Ok(took),
                times => self.run(&whole, times).map(|(_, took)| took),
            }
        });
        self.scope.rewind(defined);
        first.map_err(|failure| self.host.explain(&failure, &name))
    }

    /// What was defined with `const`, unless a variable of the same name came later.
    fn constants(&self) -> Map {
        let mut newest: HashMap<&str, (bool, &Dynamic)> = HashMap::new();
        for (name, is_constant, value) in self.scope.iter_raw() {
            newest.entry(name).or_insert((is_constant, value));
        }
        let constants = newest.into_iter().filter(|(_, (is_constant, _))| *is_constant);
        constants
            .map(|(name, (_, value))| (name.into(), value.clone()))
            .collect()
    }

    /// Returns the number of the newest entry.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Names `value`, the result of the newest entry, by that entry's number (`_3`), and the last three results `_`, `__`
    /// and `___`. The newest 20 are kept: each may hold a large tensor.
    pub fn keep_result(&mut self, value: Dynamic) {
        self.results.push_back((format!("_{}", self.entries), value));
        if self.results.len() > RESULTS
            && let Some((oldest, _)) = self.results.pop_front()
        {
            drop(self.scope.remove::<Dynamic>(&oldest));
        }
        let newest = self
            .results
            .back()
            .into_iter()
            .map(|(name, value)| (name.as_str(), value));
        let last = self.results.iter().rev().map(|(_, value)| value);
        for (name, value) in newest.chain(["_", "__", "___"].into_iter().zip(last)) {
            drop(self.scope.remove::<Dynamic>(name));
            self.scope.push_dynamic(name.to_string(), value.clone());
        }
    }

    /// Runs the script at `path` as an entry. `SCRIPT_DIR` and `SCRIPT_PATH` are its own from then on.
    ///
    /// # Errors
    /// The file cannot be read; else as [`enter`](Self::enter).
    pub fn load(&mut self, path: &Path) -> Result<Outcome> {
        let text = read_script(path)?;
        self.host.set_constants(&[], Some(path));
        for (name, _, value) in self.host.scope.iter() {
            self.scope.push_constant_dynamic(name, value);
        }
        self.enter_as(&path.display().to_string(), &text)
    }

    /// Forgets all variables, functions and imports.
    pub fn reset(&mut self) {
        self.results.clear();
        self.scope = self.host.scope.clone();
        self.functions = AST::empty();
        self.origins.clear();
        for alias in std::mem::take(&mut self.imports).into_keys() {
            self.host.forget_import(&alias);
        }
    }

    /// Returns the names under which the session's imports are known.
    pub fn import_names(&self) -> impl Iterator<Item = &str> {
        self.imports.keys().map(String::as_str)
    }

    /// Returns what was imported as `alias`, as the import names it.
    pub fn import_path(&self, alias: &str) -> Option<&str> {
        self.imports.get(alias).map(|(path, _)| path.as_str())
    }

    /// Functions and variables of the import known as `alias`, functions with their parameters.
    pub fn import_members(&self, alias: &str) -> Vec<String> {
        let Some((_, module)) = self.imports.get(alias) else {
            return Vec::new();
        };
        let functions = module.gen_fn_signatures_with_mapper(|name| name.into());
        functions
            .filter(|signature| !is_closure(signature))
            .chain(module.iter_var().map(|(name, _)| name.to_string()))
            .collect()
    }

    /// Names of variables, functions and imports, for errors about misspelt ones and about functions of earlier
    /// entries.
    fn tell_sources(&self, origins: HashMap<String, String>) {
        let variables = self.scope.iter_raw().map(|(name, _, _)| name.to_string());
        let functions = self
            .functions
            .iter_functions()
            .map(|function| function.name.to_string());
        self.host.state().sources().set_session(SessionNames {
            all: variables
                .chain(functions)
                .chain(self.imports.keys().cloned())
                .collect(),
            functions: origins,
        });
    }

    /// Returns whether `text` is the beginning of something that goes on in the next line.
    pub fn is_incomplete(&self, text: &str) -> bool {
        let host = &self.host;
        // What a function does is said above it.
        let is_said_before = |line: &str| line.trim_start().starts_with("///");
        if text.lines().next_back().is_some_and(is_said_before) {
            return true;
        }
        let Err(error) = reading::compile(
            host.engine(),
            host.state(),
            &self.scope,
            (text, reading::Role::Script),
        ) else {
            return false;
        };
        match error.err_type() {
            ParseErrorType::UnexpectedEOF => true,
            // Only strings between backquotes may go over several lines by themselves.
            ParseErrorType::BadInput(LexError::UnterminatedString) => {
                text.trim_end().ends_with('\\') || last_token(text).starts_with('`')
            }
            _ => open_bracket(text).is_some(),
        }
    }

    /// Returns the names and values of the session's variables, the newest of each name, and the type as scripts name
    /// it.
    pub fn variables(&self) -> Vec<(String, String, Dynamic)> {
        let mut seen: Vec<(String, String, Dynamic)> = Vec::new();
        let all: Vec<(&str, bool, Dynamic)> = self.scope.iter().collect();
        for (name, _, value) in all.into_iter().rev() {
            if !seen.iter().any(|(known, _, _)| known == name) {
                let kind = self.host.engine().map_type_name(value.type_name()).to_string();
                seen.push((name.to_string(), kind, value));
            }
        }
        seen
    }

    /// Returns the type, as scripts name it, of the session's variable `name`.
    pub fn type_of(&self, name: &str) -> Option<String> {
        let value = self.scope.get(name)?;
        Some(self.host.engine().map_type_name(value.type_name()).to_string())
    }

    /// Returns `value` as text that is up to `width` columns wide where that is possible.
    pub fn show(&self, value: &Dynamic, width: usize) -> String {
        Pretty::new(self.host.engine(), width).show(value)
    }

    /// Returns the type of `value` as scripts name it.
    pub fn type_name(&self, value: &Dynamic) -> String {
        self.host.engine().map_type_name(value.type_name()).to_string()
    }

    /// Returns how the session's function `name` is called, and what the comments above it say; one for each number of
    /// parameters.
    pub fn described_functions(&self, name: &str) -> Vec<(String, String)> {
        let known = self
            .functions
            .iter_functions()
            .filter(|function| function.name == name);
        known
            .map(|function| {
                let comments: Vec<String> = function.comments.iter().map(ToString::to_string).collect();
                let signature = format!("{}({})", function.name, function.params.join(", "));
                (signature, strip_comment(&comments))
            })
            .collect()
    }

    /// Returns the names of the hook points of all language models among the session's variables.
    pub fn hook_points(&self) -> Vec<String> {
        let models = self
            .scope
            .iter_raw()
            .filter_map(|(_, _, value)| value.read_lock::<LanguageModelHandle>());
        let points = models
            .filter_map(|model| model.model().hook_points().ok())
            .flatten();
        points.map(|point| point.name).collect()
    }

    /// Returns the names of the functions defined in the session, with their parameters.
    pub fn functions(&self) -> Vec<String> {
        self.functions
            .iter_functions()
            .filter(|function| !is_closure(function.name))
            .map(|function| function.to_string())
            .collect()
    }

    /// Returns the host.
    pub fn host(&self) -> &Host {
        self.host
    }

    /// Keeps the functions of the entry called `name` and what it imported.
    fn keep(&mut self, whole: &AST, name: &str, text: &str) {
        self.functions = whole.clone_functions_only();
        for import in imports(text) {
            if !self.host.modules.has_imported(name, &import.path) {
                continue;
            }
            if let Some(module) = self.host.keep_import(&import.path, &import.alias) {
                self.imports.insert(import.alias, (import.path, module));
            }
        }
    }
}

fn last_token(text: &str) -> &str {
    Lexer::new(text, 0).last().map_or("", |token| &text[token.span])
}
