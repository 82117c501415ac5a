//! Closures that a script gave, called while native work runs.

use std::cell::RefCell;

use rhai::{Dynamic, EvalAltResult, FnPtr, FuncArgs, NativeCallContext};

use super::output::ExitCode;
use crate::error::{Error, Fault, Result};
use crate::event::Control;
use crate::script::diagnostic;
use crate::script::state::State;

/// Calls closures within one native call, and keeps the first error that one of them throws, so that it can go on its
/// way once the native work has come to its end.
pub struct Callbacks<'a> {
    context: &'a NativeCallContext<'a>,
    thrown: RefCell<Option<Box<EvalAltResult>>>,
}

impl<'a> Callbacks<'a> {
    /// Returns a caller of closures within `context`.
    pub fn new(context: &'a NativeCallContext<'a>) -> Self {
        Callbacks {
            context,
            thrown: RefCell::default(),
        }
    }

    /// Returns the closure's value.
    ///
    /// # Errors
    /// A placeholder for what the closure threw; [`finish`](Self::finish) throws that. A closure that was stopped
    /// because somebody interrupts the whole script threw nothing.
    pub fn call(&self, closure: &FnPtr, arguments: impl FuncArgs) -> Result<Dynamic> {
        closure
            .call_within_context(self.context, arguments)
            .map_err(|error| {
                if let EvalAltResult::ErrorTerminated(why, _) = error.unwrap_inner()
                    && !why.is::<ExitCode>()
                {
                    // A limit, or somebody who asked.
                    let limit = why.read_lock::<Error>().map(|error| error.clone());
                    return limit.unwrap_or_else(|| Error::interrupted("interrupted"));
                }
                // What a script throws itself is thrown on as it is; failures get their place, and advice on the way.
                match error.unwrap_inner() {
                    EvalAltResult::ErrorRuntime(value, _) if !value.is::<Error>() => {
                        let placeholder = Error::input(format!("a callback failed: {value}"));
                        self.thrown.borrow_mut().get_or_insert(error);
                        placeholder
                    }
                    EvalAltResult::ErrorTerminated(..) | EvalAltResult::Exit(..) => {
                        self.thrown.borrow_mut().get_or_insert(error);
                        Error::input("a callback ended the script")
                    }
                    _ => self.explain(&error),
                }
            })
    }

    /// Returns how many arguments a closure takes, if it is one of a known text.
    pub fn takes(&self, closure: &FnPtr) -> Option<usize> {
        State::of(self.context).sources().closure_takes(closure.fn_name())
    }

    fn explain(&self, failure: &EvalAltResult) -> Error {
        let state = State::of(self.context);
        let source = self.context.call_source().unwrap_or_default();
        diagnostic::explain(failure, source, self.context.engine(), state.sources())
    }

    /// Calls a closure that watches: the work stops if its value is `false`, or if it was interrupted.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn watch(&self, closure: &FnPtr, arguments: impl FuncArgs) -> Result<Control> {
        match self.call(closure, arguments) {
            Ok(answer) if matches!(answer.as_bool(), Ok(false)) => Ok(Control::Stop),
            Ok(_) => Ok(Control::Continue),
            Err(error) if error.fault() == Fault::Interrupted => Ok(Control::Stop),
            Err(error) => Err(error),
        }
    }

    /// Returns the result of the work, with what a closure threw in place of what the work made of it.
    pub fn finish<T>(self, result: Result<T>) -> Result<T, Box<EvalAltResult>> {
        match (result, self.thrown.into_inner()) {
            (Ok(value), None) => Ok(value),
            (_, Some(thrown)) => Err(thrown),
            (Err(error), None) => Err(crate::script::failure::raise(error)),
        }
    }
}
