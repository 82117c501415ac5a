//! Panics turned into errors, at the borders where something foreign is read or run: calls of scripts, parsers of files.
//!
//! A panic is always a defect, of this program or of a library below it. It shall cost its user the call, not the
//! session and what was computed in it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use crate::error::{Error, Result};

thread_local! {
    /// How many guarded calls this thread is inside of.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// The panic that the innermost guarded call is about to return.
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// What a panic said, and where in the source it came up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    /// The panic's own sentence.
    pub message: String,
    /// Source file, line and column, e.g. `src/lib.rs:3:1`. Empty if it is not known.
    pub place: String,
}

impl fmt::Display for Panic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl From<&PanicHookInfo<'_>> for Panic {
    fn from(info: &PanicHookInfo<'_>) -> Self {
        let message = info.payload_as_str().unwrap_or("it said nothing").to_string();
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        Panic { message, place }
    }
}

impl Panic {
    /// Returns the error for people: `what`, which completes "… failed", and what to report.
    pub fn explain(&self, what: &str) -> Error {
        Error::run(format!(
            "{what} failed by a defect of this program: {}",
            self.message
        ))
        .hint(format!(
            "please report it, with the call or the file that leads here and this place: {}",
            self.place
        ))
    }
}

/// Runs `work`, and returns its panic if it panics. Nothing is printed then.
///
/// What `work` was changing may be left half changed: give it data of its own, or data that is thrown away after
/// an error.
///
/// # Errors
/// `work` panicked.
pub fn attempt<T>(work: impl FnOnce() -> T) -> std::result::Result<T, Panic> {
    quieten();
    DEPTH.set(DEPTH.get() + 1);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    result.map_err(|payload| {
        // A payload may panic when it is dropped.
        std::mem::forget(payload);
        LAST.take().unwrap_or_else(|| Panic {
            message: "it said nothing".into(),
            place: String::new(),
        })
    })
}

/// Runs `work`; a panic in it is an error like its others. `what` completes "… failed", e.g. "reading `a.parquet`".
///
/// # Errors
/// Those of `work`, and its panic, with what to report.
pub fn caught<T, E: Into<Error>>(what: &str, work: impl FnOnce() -> std::result::Result<T, E>) -> Result<T> {
    match attempt(work) {
        Ok(result) => result.map_err(Into::into),
        Err(panic) => Err(panic.explain(what)),
    }
}

/// Has panics inside of guarded calls remembered instead of printed. Those outside go to the hook that was there.
fn quieten() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let outside = panic::take_hook();
        panic::set_hook(Box::new(move |info| match DEPTH.get() {
            0 => outside(info),
            _ => LAST.set(Some(info.into())),
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_that_names_its_place() {
        let error = caught("adding", || -> Result<()> { panic!("too {}", "much") }).expect_err("it panics");
        assert_eq!(
            error.message(),
            "adding failed by a defect of this program: too much"
        );
        assert!(error.hints()[0].contains("src/guard.rs"), "{error}");
    }

    #[test]
    fn results_pass_and_guards_nest() {
        let value = caught("the outer call", || {
            let inner = attempt(|| -> i32 { panic!("inside") });
            assert_eq!(inner.expect_err("it panics").message, "inside");
            Ok::<_, Error>(1)
        });
        assert_eq!(value.expect("the panic was caught inside"), 1);
        assert!(
            caught("a refusal", || Err::<(), _>(Error::input("no")))
                .is_err_and(|error| error.message() == "no")
        );
    }
}
