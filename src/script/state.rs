//! What all bound functions of one host share, reached through the engine's tag.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rhai::{Engine, NativeCallContext};

use super::docs::Catalog;
use super::reading::Reading;
use super::source::SourceMap;
use crate::event::RunContext;

/// The shared state of one host: where work reports, the stop flag, and the texts of all scripts seen.
#[derive(Clone, Default)]
pub struct State(Rc<Inner>);

#[derive(Default)]
struct Inner {
    context: RunContext,
    sources: SourceMap,
    reading: Reading,
    catalog: RefCell<Option<Rc<Catalog>>>,
    exit: Cell<Option<u8>>,
}

impl State {
    /// Builds state that reports to and stops with `context`.
    pub fn new(context: RunContext) -> Self {
        State(Rc::new(Inner {
            context,
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

    /// Returns the texts of all scripts, modules and entries seen so far.
    pub fn sources(&self) -> &SourceMap {
        &self.0.sources
    }

    /// Returns what is known of the text that is being parsed.
    pub fn reading(&self) -> &Reading {
        &self.0.reading
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

    /// Forgets that the script was to end; at the beginning of the next.
    pub fn begin(&self) {
        self.0.exit.set(None);
    }
}
