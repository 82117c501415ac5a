//! What SQLite says, in this program's words.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::error::{Error, Result};

/// Says what went wrong with a store.
pub(super) trait OfStore<T> {
    /// Says that `action` ("read", "write") failed on the store at `path`.
    ///
    /// # Errors
    /// What SQLite refused.
    fn of_store(self, action: &str, path: &Path) -> Result<T>;
}

impl<T> OfStore<T> for rusqlite::Result<T> {
    fn of_store(self, action: &str, path: &Path) -> Result<T> {
        self.map_err(|error| told(action, path, &error))
    }
}

/// Says what `error` means.
fn told(action: &str, path: &Path, error: &rusqlite::Error) -> Error {
    let store = path.display();
    let doing = format!("cannot {action} the store `{store}`");
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::run(format!("{doing}: no space is left on the disk"))
            .hint("free some space and start again: what was saved before is not damaged, and an analysis goes on from there"),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            Error::input(format!("{doing}: it may not be written"))
                .hint("copy it to a folder that can be written")
        }
        Some(ErrorCode::CannotOpen) => Error::input(format!("{doing}: it cannot be opened"))
            .hint("check that its folder exists, and that both may be read and written"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::run(format!("{doing}: another program is writing to it"))
                .hint("wait until it is done, or end it")
        }
        Some(ErrorCode::NotADatabase) => Error::input(format!("{doing}: this is no store of an analysis")),
        Some(ErrorCode::DatabaseCorrupt) => Error::run(format!("{doing}: the file is damaged"))
            .hint("restore a copy, or analyse the dictionary into a new store"),
        Some(ErrorCode::SystemIoFailure) => Error::run(format!("{doing}: {error}"))
            .hint("check the disk; what was saved before is not damaged"),
        _ => Error::run(format!("{doing}: {error}")),
    }
}

/// Says that the store at `path` holds something that this program never writes.
pub(super) fn broken(path: &Path, what: &str) -> Error {
    Error::run(format!("the store `{}` is damaged: {what}", path.display()))
        .hint("restore a copy, or analyse the dictionary into a new store")
}
