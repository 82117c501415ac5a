//! What all bound functions of one host share, reached through the engine's tag.

use std::rc::Rc;

use rhai::NativeCallContext;

use super::source::SourceMap;
use crate::event::RunContext;

/// The shared state of one host: where work reports, the stop flag, and the texts of all scripts seen.
#[derive(Clone, Default)]
pub struct State(Rc<Inner>);

#[derive(Default)]
struct Inner {
    context: RunContext,
    sources: SourceMap,
}

impl State {
    /// State that reports to and stops with `context`.
    pub fn new(context: RunContext) -> Self {
        State(Rc::new(Inner {
            context,
            sources: SourceMap::default(),
        }))
    }

    /// The state of the host in which a bound function is being called.
    pub fn of(context: &NativeCallContext) -> State {
        context
            .tag()
            .and_then(|tag| tag.clone().try_cast::<State>())
            .unwrap_or_default()
    }

    /// Where long work reports, and whether to stop.
    pub fn context(&self) -> &RunContext {
        &self.0.context
    }

    /// The texts of all scripts, modules and entries seen so far.
    pub fn sources(&self) -> &SourceMap {
        &self.0.sources
    }
}
