//! Closures that an object keeps and calls later, when no call of a native function is at hand: in a `for` loop over a
//! stream, say. They are called in the engine that is evaluating, which [`evaluating`] tells.

#![allow(deprecated)] // the engine's name for what may change in its later versions

use std::rc::Rc;

use rhai::{Dynamic, Engine, EvalAltResult, FnPtr, FuncArgs, NativeCallContext, NativeCallContextStore};

use super::failure::{RhaiResultOf, raise};
use super::state::State;
use super::{bridge, diagnostic, source};
use crate::error::{Error, Result};
use crate::guard::attempt;
use crate::policy::acting;
use crate::{identity, memory};

scoped_tls::scoped_thread_local!(static ENGINE: Engine);

/// Evaluates with `engine`, within the memory budget and for scripts that may do what its policy allows; kept closures can
/// be called meanwhile.
///
/// # Errors
/// Those of the evaluation, and its panic.
pub fn evaluating<T>(engine: &Engine, evaluation: impl FnOnce() -> RhaiResultOf<T>) -> RhaiResultOf<T> {
    let policy = State::of_engine(engine).policy();
    let result = acting(&policy, || {
        memory::watched(|| attempt(|| ENGINE.set(engine, evaluation)))
    });
    memory::forget_depth();
    result.unwrap_or_else(|panic| Err(raise(panic.explain("the script"))))
}

/// A closure with the place where it was handed over: the functions known there are those it may call.
#[derive(Clone)]
pub struct KeptClosure {
    closure: FnPtr,
    place: Rc<NativeCallContextStore>,
    state: State,
}

impl KeptClosure {
    /// Keeps `closure`, which a script handed over in the call `context`.
    pub fn new(context: &NativeCallContext, closure: FnPtr) -> Self {
        KeptClosure {
            closure,
            place: Rc::new(context.store_data()),
            state: State::of(context),
        }
    }

    /// Returns what tells the closure from others: its source text without comments and spacing, with the values that
    /// it took from around it. `None` where it is not written in the call that hands it over, or took what is no plain
    /// data.
    pub fn source_text(&self) -> Option<String> {
        let name = self.place.global.source()?;
        let place = self.state.sources().place(name, self.place.pos)?;
        let mut text = source::call_text(&place.text, place.span.start).filter(|text| text.contains('|'))?;
        for captured in self.closure.iter_curry() {
            let value = bridge::to_value(&captured.flatten_clone()).ok()?;
            text.push_str(&format!("\n{value}"));
        }
        Some(identity::of_text(&text))
    }

    /// Returns the closure's value.
    ///
    /// # Errors
    /// What the closure throws, with its place; an interruption; nothing is being evaluated.
    pub fn call(&self, arguments: impl FuncArgs) -> Result<Dynamic> {
        if !ENGINE.is_set() {
            return Err(Error::run(
                "a closure of a script can only be called while the script is evaluated",
            ));
        }
        ENGINE.with(|engine| {
            let context = NativeCallContext::from_stored_data(engine, &self.place);
            let value = self.closure.call_within_context(&context, arguments);
            value.map_err(|failure| self.explain(&failure, engine))
        })
    }

    fn explain(&self, failure: &EvalAltResult, engine: &Engine) -> Error {
        // After `exit` too: that the script is to end, and how, its state knows.
        if let EvalAltResult::ErrorTerminated(token, _) = failure.unwrap_inner()
            && !token.is::<Error>()
        {
            return Error::interrupted("interrupted");
        }
        let context = NativeCallContext::from_stored_data(engine, &self.place);
        let source = context.call_source().unwrap_or_default();
        diagnostic::explain(failure, source, engine, self.state.sources())
    }
}
