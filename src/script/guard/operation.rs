//! What ends a script before its next operation: an interrupt, values nested too deeply, want of memory.

use rhai::{Dynamic, LexError, ParseError, Position};

use crate::error::Error;
use crate::event::StopFlag;
use crate::guard::Panic;
use crate::memory;

/// Returns the engine's callback before each operation. An interrupt ends the script with `()`, anything else with the
/// error.
pub fn before_each_operation(stop: StopFlag) -> impl Fn(u64) -> Option<Dynamic> {
    move |_| {
        if !(stop.is_set() | memory::is_over() | memory::was_deep()) {
            None
        } else {
            reason(&stop)
        }
    }
}

/// What it is, or nothing after all: memory may have become free since somebody looked.
#[cold]
fn reason(stop: &StopFlag) -> Option<Dynamic> {
    if stop.is_set() {
        return Some(Dynamic::UNIT);
    }
    if memory::is_over() {
        memory::is_still_over().then(|| Dynamic::from(memory::used_up()))
    } else {
        Some(Dynamic::from(
            Error::input("values are nested too deeply: an array or a map in another, thousands of times")
                .hint("keep the items side by side in one array"),
        ))
    }
}

/// Returns the error of a text that the parser panics at.
pub fn unparsable(panic: &Panic) -> ParseError {
    let error = panic.explain("reading the script");
    ParseError(
        Box::new(LexError::Runtime(error.to_string()).into()),
        Position::NONE,
    )
}
