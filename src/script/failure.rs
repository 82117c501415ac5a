//! Errors on their way through the engine.
//!
//! A native function that fails throws an [`Error`] as a script value, so that `catch (e)` can read `e.message`,
//! and an error that nobody catches comes out whole at the other end.

use rhai::{Dynamic, EvalAltResult, Position};

use crate::error::Error;

/// What every function bound to scripts returns. Documentation tools strip exactly this name.
pub type RhaiResultOf<T> = Result<T, Box<EvalAltResult>>;

/// Throws `error` at the place of the running call.
pub fn raise(error: impl Into<Error>) -> Box<EvalAltResult> {
    EvalAltResult::ErrorRuntime(Dynamic::from(error.into()), Position::NONE).into()
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
