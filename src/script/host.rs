//! The engine with every binding: what the command line, the interactive session and embedding programs use.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use rhai::default_limits::MAX_STRINGS_INTERNED;
use rhai::packages::Package;
use rhai::{AST, Dynamic, Engine, EvalAltResult, Module, OptimizationLevel, Scope};

use super::api::{ExitCode, SaescriptPackage};
use super::closure::evaluating;
use super::docs::Catalog;
use super::failure::RhaiResultOf;
use super::guard;
use super::limits::Limits;
use super::modules::{Modules, SharedModules};
use super::native_library::{NativeLibrary, of_all_hosts};
use super::own_constants::own_constants;
use super::reading::constants;
use super::state::State;
use super::{coverage, diagnostic, evaluation, modules, numbers, permissions, reading};
use crate::error::{Error, Fault, Result};
use crate::event::RunContext;
use crate::files::without_byte_order_mark;
use crate::guard::attempt;
use crate::policy::Policy;
use crate::tensor::runtime;

/// Takes one line that a script printed.
pub type Output = Rc<dyn Fn(&str)>;

/// How a script ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It ran to its end; the value of its last expression.
    Finished(Dynamic),
    /// It called `exit(code)`.
    Exited(u8),
}

/// What a host is made of.
#[derive(Default)]
pub struct HostBuilder {
    context: RunContext,
    output: Option<Output>,
    library: Option<Vec<PathBuf>>,
    policy: Option<Policy>,
    limits: Limits,
    coverage: bool,
    native: Vec<NativeLibrary>,
}

impl HostBuilder {
    /// Sets where long work reports, and the flag that stops it.
    pub fn context(mut self, context: RunContext) -> Self {
        self.context = context;
        self
    }

    /// Sets where `print` and `debug` write; standard output by default.
    pub fn output(mut self, output: impl Fn(&str) + 'static) -> Self {
        self.output = Some(Rc::new(output));
        self
    }

    /// Sets the folders searched for modules after the script's own; the environment's `SAESCRIPT_PATH` by default.
    pub fn library(mut self, folders: Vec<PathBuf>) -> Self {
        self.library = Some(folders);
        self
    }

    /// Sets what scripts may reach; by default all that the user may, but for tokens.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Sets how long each evaluation may run, and how much it may do; without limits by default.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Notes which statements run; see [`Coverage::take`](super::Coverage::take).
    pub fn coverage(mut self, is_wanted: bool) -> Self {
        self.coverage = is_wanted;
        self
    }

    /// Adds a library in Rust.
    pub fn native(mut self, library: NativeLibrary) -> Self {
        self.native.push(library);
        self
    }

    /// Builds the host, ready to run scripts, and [starts](runtime::start) libtorch, which finds the GPUs only if that
    /// happens before the first tensor is made.
    ///
    /// # Errors
    /// None today; building may come to need things that can fail.
    pub fn build(self) -> Result<Host> {
        runtime::start();
        guard::install_keeper(permissions::ask);
        let policy = self
            .policy
            .unwrap_or_else(|| Policy::unlimited(permissions::secrets()));
        let state = State::new(self.context, policy, self.limits);
        let library = self.library.unwrap_or_else(library_from_environment);
        let resolver = Rc::new(Modules::new(state.clone(), library));
        let mut engine = Engine::new_raw();
        // `reading` has the optimiser work on what it may work on.
        engine.set_optimization_level(OptimizationLevel::None);
        engine.set_max_strings_interned(MAX_STRINGS_INTERNED);
        engine.register_global_module(guard::standard_library().into());
        SaescriptPackage::new().register_into_engine(&mut engine);
        for library in of_all_hosts().into_iter().chain(self.native) {
            library.install(&mut engine);
        }
        numbers::install(&mut engine);
        reading::install(&mut engine, &state);
        evaluation::install(&mut engine);
        if self.coverage {
            coverage::install(&mut engine, state.coverage().clone());
        }
        configure(
            &mut engine,
            &state,
            &resolver,
            self.output.unwrap_or_else(|| Rc::new(write_line)),
        );
        Ok(Host {
            engine,
            state,
            modules: resolver,
            scope: Scope::new(),
            knows_constants: false,
        })
    }
}

/// The script host: one engine, its modules and its shared state.
pub struct Host {
    engine: Engine,
    state: State,
    pub(super) modules: Rc<Modules>,
    /// `ARGS`, `SCRIPT_DIR`, `SCRIPT_PATH`: what the parser is told exists.
    pub(super) scope: Scope<'static>,
    /// Whether functions know the constants of their scripts.
    knows_constants: bool,
}

impl Host {
    /// Begins to build a host.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// Runs the script at `path`; `arguments` reach it as the constant `ARGS`.
    ///
    /// # Errors
    /// Whatever the script did not catch, with file, line and column, the source text and the callers.
    pub fn run_file(&mut self, path: impl AsRef<Path>, arguments: &[String]) -> Result<Outcome> {
        let path = path.as_ref();
        let text = read_script(path)?;
        self.set_constants(arguments, Some(path));
        let mut scope = self.scope.clone();
        self.run_text(&path.display().to_string(), text, &mut scope)
    }

    /// Returns the host's own variables.
    pub(super) fn own_scope(&self) -> Scope<'static> {
        self.scope.clone()
    }

    /// Returns every name that scripts can use, with documentation.
    ///
    /// # Errors
    /// None but a defect in the engine's metadata.
    pub fn catalog(&self) -> Result<Catalog> {
        Catalog::from_engine(&self.engine)
    }

    /// Returns the engine, to add functions and objects of one's own.
    pub fn engine_mut(&mut self) -> &mut Engine {
        self.state.forget_catalog();
        &mut self.engine
    }

    /// Returns the engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns where work reports, the stop flag and the known texts.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Explains an error that came out of the script called `name`.
    pub(super) fn explain(&self, failure: &EvalAltResult, name: &str) -> Error {
        diagnostic::explain(failure, name, &self.engine, self.state.sources())
    }

    /// Parses `text` under `name`, knowing the variables of `scope`.
    pub(super) fn compile_in(&self, scope: &Scope, name: &str, text: &str) -> Result<AST, rhai::ParseError> {
        self.state.sources().insert(name, text);
        let compiled =
            attempt(|| reading::compile(&self.engine, &self.state, scope, (text, reading::Role::Script)));
        let mut ast = compiled.unwrap_or_else(|panic| Err(guard::unparsable(&panic)))?;
        ast.set_source(name);
        self.state.sources().add_closures(Some(name), text, &ast);
        Ok(ast)
    }

    /// Keeps a module that an entry imported: the engine forgets imports at the end of each evaluation.
    pub(super) fn keep_import(&mut self, path: &str, alias: &str) -> Option<rhai::Shared<Module>> {
        let module =
            rhai::ModuleResolver::resolve(&*self.modules, &self.engine, None, path, rhai::Position::NONE)
                .ok()?;
        self.engine.register_static_module(alias, module.clone());
        self.state.forget_catalog();
        Some(module)
    }

    /// Empties what was imported as `alias`, and lets changed files be read again.
    pub(super) fn forget_import(&mut self, alias: &str) {
        self.engine.register_static_module(alias, Module::new().into());
        self.state.forget_catalog();
        self.modules.forget();
    }

    /// Parses `text` under `name`, knowing the host's own variables.
    pub(super) fn compile(&self, name: &str, text: String) -> Result<AST> {
        self.compile_in(&self.scope, name, &text)
            .map_err(|error| diagnostic::explain_parse(&error, name, &self.engine, self.state.sources()))
    }

    /// Has functions know the constants of their scripts.
    pub(super) fn know_constants(&mut self) {
        if !self.knows_constants {
            constants::install(&mut self.engine, &self.state);
            self.knows_constants = true;
        }
    }

    /// Runs `text` with the variables of `scope`, the host's own among them.
    pub(super) fn run_text(
        &mut self,
        name: &str,
        text: String,
        scope: &mut Scope<'static>,
    ) -> Result<Outcome> {
        self.state.begin();
        if constants::may_have_functions(&text) {
            self.know_constants();
        }
        let ast = self
            .compile_in(scope, name, &text)
            .map_err(|error| diagnostic::explain_parse(&error, name, &self.engine, self.state.sources()))?;
        self.state.warn_of(name, &text)?;
        let result = evaluating(&self.engine, || {
            self.engine.eval_ast_with_scope::<Dynamic>(scope, &ast)
        });
        self.outcome(result)
            .map_err(|failure| self.explain(&failure, name))
    }

    /// Returns how an evaluation ended: `exit(code)` is no failure.
    pub(super) fn outcome(&self, result: RhaiResultOf<Dynamic>) -> RhaiResultOf<Outcome> {
        match (self.state.exit_asked(), result) {
            (Some(code), _) => Ok(Outcome::Exited(code)),
            (None, Ok(value)) => Ok(Outcome::Finished(value)),
            // Whatever ended then was interrupted for that.
            (None, Err(failure)) => match self.state.late() {
                Some(error) if !failure.is_catchable() || interruption(&failure).is_some() => {
                    // What was saved, and how to go on.
                    let error = match interruption(&failure) {
                        Some(interrupted) => error.hint(interrupted.to_string()),
                        None => error,
                    };
                    Err(EvalAltResult::ErrorTerminated(Dynamic::from(error), failure.position()).into())
                }
                _ => Err(failure),
            },
        }
    }

    /// Sets `ARGS`, `SCRIPT_DIR` and `SCRIPT_PATH`, visible in functions and modules too.
    pub(super) fn set_constants(&mut self, arguments: &[String], path: Option<&Path>) {
        let mut module = Module::new();
        self.scope = Scope::new();
        for (name, value) in own_constants(arguments, path) {
            module.set_var(name, value.clone());
            self.scope.push_constant_dynamic(name, value);
        }
        self.engine.register_global_module(module.into());
        self.modules.set_scope(self.scope.clone());
    }
}

/// What work said that ended because it was asked to, if that is the failure.
fn interruption(failure: &EvalAltResult) -> Option<Error> {
    match failure.unwrap_inner() {
        EvalAltResult::ErrorRuntime(value, _) => {
            let error = value.read_lock::<Error>()?;
            (error.fault() == Fault::Interrupted).then(|| error.clone())
        }
        _ => None,
    }
}

fn configure(engine: &mut Engine, state: &State, modules: &Rc<Modules>, output: Output) {
    engine.set_default_tag(Dynamic::from(state.clone()));
    engine.set_module_resolver(SharedModules(modules.clone()));
    engine.set_strict_variables(true);
    engine.set_fail_on_invalid_map_property(true);
    // The engine's own limits are for untrusted scripts; configurations nest deeper than its debug defaults.
    engine.set_max_expr_depths(200, 100);
    engine.set_max_call_levels(100);
    let asked = state.clone();
    let otherwise = guard::before_each_operation(state.context().stop.clone());
    engine.on_progress(move |count| match asked.exit_asked() {
        Some(code) => Some(Dynamic::from(ExitCode(code))),
        None => match asked.count_operation() {
            Some(error) => Some(Dynamic::from(error)),
            None => otherwise(count),
        },
    });
    let print = output.clone();
    engine.on_print(move |text| print(text));
    engine.on_debug(move |text, source, position| {
        let file = source.unwrap_or("script");
        output(&format!("[{file}:{}] {text}", position.line().unwrap_or(0)));
    });
}

pub(super) fn read_script(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        Error::input(format!(
            "`{}` is not a script: byte {} is not valid UTF-8",
            path.display(),
            error.utf8_error().valid_up_to()
        ))
    })?;
    Ok(without_byte_order_mark(&text).to_string())
}

/// Folders of `SAESCRIPT_PATH`, separated as in `PATH`.
fn library_from_environment() -> Vec<PathBuf> {
    std::env::var_os("SAESCRIPT_PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default()
}

/// A closed pipe (`saescript run x | head`) is no reason to fail.
fn write_line(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Text of a script by the name errors show, for programs that render them.
impl Host {
    /// Returns the text known under `name`: a script, a module or a session entry.
    pub fn source_text(&self, name: &str) -> Option<Arc<str>> {
        self.state.sources().text(name)
    }

    /// Returns the names of the libraries that a script in the working folder can import.
    pub fn libraries(&self) -> Vec<String> {
        self.modules.libraries(None)
    }

    /// Returns what a script in the working folder can import besides files: libraries with all their modules, and the
    /// modules that ship with saescript. Of a library that is not the one that was locked, the name alone.
    pub fn importable(&self) -> Vec<String> {
        let mut names = modules::standard_modules();
        for library in self.libraries() {
            names.extend(self.modules.modules_of(&library).unwrap_or_default());
            names.push(library);
        }
        names.sort();
        names
    }

    /// Returns the names of the modules that ship with saescript.
    pub fn standard_modules() -> Vec<String> {
        modules::standard_modules()
    }
}

#[cfg(test)]
mod tests;
