//! Errors on their way through the engine.
//!
//! A native function that fails throws an [`Error`] as a script value, so that `catch (e)` can read `e.message`,
//! and an error that nobody catches comes out whole at the other end.

use rhai::{Dynamic, EvalAltResult, NativeCallContext, Position};

use crate::error::Error;

/// What every function bound to scripts returns. Documentation tools strip exactly this name.
pub type RhaiResultOf<T> = Result<T, Box<EvalAltResult>>;

/// Throws `error` at the place of the running call.
pub fn raise(error: impl Into<Error>) -> Box<EvalAltResult> {
    EvalAltResult::ErrorRuntime(Dynamic::from(error.into()), Position::NONE).into()
}

/// Runs the body of a function of a module (`torch::zeros`): the engine gives errors of such functions no place of
/// their own.
pub fn placed<T>(context: &NativeCallContext, body: impl FnOnce() -> RhaiResultOf<T>) -> RhaiResultOf<T> {
    body().map_err(|mut error| {
        if error.position().is_none() {
            error.set_position(context.call_position());
        }
        error
    })
}

/// Lets `?` leave a bound function with this crate's error.
pub trait Raise<T> {
    /// The same result, with the error thrown into the script.
    fn raise(self) -> RhaiResultOf<T>;
}

impl<T, E: Into<Error>> Raise<T> for Result<T, E> {
    fn raise(self) -> RhaiResultOf<T> {
        self.map_err(raise)
    }
}
