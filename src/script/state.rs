//! What all bound functions of one host share, reached through the engine's tag.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use rhai::{Dynamic, Engine, Map, NativeCallContext};
use tempfile::TempDir;

use super::coverage::Coverage;
use super::docs::Catalog;
use super::limits::{Limits, Used};
use super::python;
use super::reading::Reading;
use super::source::SourceMap;
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::policy::Policy;

/// The shared state of one host: where work reports, the stop flag, and the texts of all scripts seen.
#[derive(Clone, Default)]
pub struct State(Rc<Inner>);

#[derive(Default)]
struct Inner {
    context: RunContext,
    sources: SourceMap,
    reading: Reading,
    coverage: Rc<Coverage>,
    catalog: RefCell<Option<Rc<Catalog>>>,
    exit: Cell<Option<u8>>,
    policy: Policy,
    used: Used,
    temporary: RefCell<Option<TempDir>>,
    /// What a session has defined with `const`.
    constants: RefCell<Map>,
    /// The policies of libraries, by the names of their modules' texts.
    libraries: RefCell<HashMap<String, Policy>>,
}

impl State {
    /// Builds state that reports to and stops with `context`, of scripts that may do what `policy` allows, within
    /// `limits`.
    pub fn new(context: RunContext, policy: Policy, limits: Limits) -> Self {
        State(Rc::new(Inner {
            context,
            policy,
            used: Used::new(limits),
            ..Inner::default()
        }))
    }

    /// Returns the state of the host whose engine this is.
    pub fn of_engine(engine: &Engine) -> State {
        engine
            .default_tag()
            .clone()
            .try_cast::<State>()
            .unwrap_or_default()
    }

    /// Returns the state of the host in which a bound function is being called.
    pub fn of(context: &NativeCallContext) -> State {
        context
            .tag()
            .and_then(|tag| tag.clone().try_cast::<State>())
            .unwrap_or_default()
    }

    /// Returns where long work reports, and whether to stop.
    pub fn context(&self) -> &RunContext {
        &self.0.context
    }

    /// Warns of what the script `text`, which errors call `name`, says without meaning it.
    ///
    /// # Errors
    /// A listener asked to stop.
    pub fn warn_of(&self, name: &str, text: &str) -> Result<()> {
        for error in python::floor_divisions(name, text) {
            let (line, column) = error.place().map_or((1, 1), |place| place.line_column());
            let events = &self.context().events;
            events.warn(format!("{name}:{line}:{column}: {error}"))?;
        }
        Ok(())
    }

    /// Returns the texts of all scripts, modules and entries seen so far.
    pub fn sources(&self) -> &SourceMap {
        &self.0.sources
    }

    /// Returns what the scripts may do, libraries aside.
    pub fn policy(&self) -> Policy {
        self.0.policy.clone()
    }

    /// Returns whether any library was imported.
    pub fn has_libraries(&self) -> bool {
        !self.0.libraries.borrow().is_empty()
    }

    /// Returns what the library may do whose module's text is called `source`; `None`: it is no library's.
    pub fn policy_of_library(&self, source: &str) -> Option<Policy> {
        self.0.libraries.borrow().get(source).cloned()
    }

    /// Notes that the text called `source` is a module of a library that may do what `policy` allows.
    pub fn add_library_text(&self, source: &str, policy: Policy) {
        self.0.libraries.borrow_mut().insert(source.to_string(), policy);
    }

    /// Sets what the session around the scripts has defined with `const`.
    pub fn set_session_constants(&self, constants: Map) {
        *self.0.constants.borrow_mut() = constants;
    }

    /// Returns the session's constant of that name.
    pub fn session_constant(&self, name: &str) -> Option<Dynamic> {
        self.0.constants.borrow().get(name).cloned()
    }

    /// Returns what is known of the text that is being parsed.
    pub fn reading(&self) -> &Reading {
        &self.0.reading
    }

    /// Returns which statements have run.
    pub fn coverage(&self) -> &Rc<Coverage> {
        &self.0.coverage
    }

    /// Returns every name that scripts of `engine` can use; read once, until [`forget_catalog`](Self::forget_catalog).
    pub fn catalog(&self, engine: &Engine) -> Rc<Catalog> {
        let mut known = self.0.catalog.borrow_mut();
        let read = || Rc::new(Catalog::from_engine(engine).unwrap_or_default());
        known.get_or_insert_with(read).clone()
    }

    /// Forgets the catalog, because something was added to the engine.
    pub fn forget_catalog(&self) {
        self.0.catalog.borrow_mut().take();
    }

    /// Remembers that `exit(code)` was called: it ends the script at the next operation, should native code that called
    /// a closure, or a `catch`, take what it throws for an error.
    pub fn ask_to_exit(&self, code: u8) {
        self.0.exit.set(Some(code));
    }

    /// Returns the code with which the script is to end, if that was asked for.
    pub fn exit_asked(&self) -> Option<u8> {
        self.0.exit.get()
    }

    /// Forgets that the script was to end, and what it used of its limits; at the beginning of the next.
    pub fn begin(&self) {
        self.0.exit.set(None);
        self.0.used.begin();
    }

    /// Counts an operation; returns why the script may not do it.
    pub fn count_operation(&self) -> Option<Error> {
        self.0.used.count()
    }

    /// Returns that the script's time is over, if it is.
    pub fn late(&self) -> Option<Error> {
        self.0.used.late()
    }

    /// Returns a folder of the script's own among the temporary files. It is made when it is first asked for, and removed
    /// with the host.
    ///
    /// # Errors
    /// The script may not have one; it cannot be made.
    pub fn temporary_folder(&self) -> Result<PathBuf> {
        let mut made = self.0.temporary.borrow_mut();
        if let Some(folder) = &*made {
            return Ok(folder.path().to_path_buf());
        }
        self.0.policy.ask_for_temporary_folder()?;
        let folder = tempfile::Builder::new()
            .prefix("saescript-")
            .tempdir()
            .map_err(|error| Error::io("create", std::env::temp_dir(), error))?;
        let path = folder.path().to_path_buf();
        self.0.policy.grant(|rights| {
            rights.read.add(&path);
            rights.write.add(&path);
        });
        *made = Some(folder);
        Ok(path)
    }
}
