//! Errors of configurations that are read by hand, on their way through serde, which knows texts only.

use std::cell::RefCell;

use crate::error::Error;

thread_local! {
    /// The last error that was given to serde on this thread.
    static CARRIED: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// Hands `error` to serde, so that [`parse`](super::parse) gives it back whole, with its own key path.
pub fn carry<E: serde::de::Error>(error: Error) -> E {
    let text = error.to_string();
    CARRIED.set(Some(error));
    E::custom(text)
}

/// The error that serde hands on as `text`, if it is the one that was carried.
pub(super) fn carried(text: &str) -> Option<Error> {
    CARRIED.take().filter(|error| error.to_string() == text)
}
