//! Opening a store's file, also where nothing may be written beside it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::failure::OfStore;
use crate::error::{Error, Result};

/// What a store was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading alone: nothing is changed, whatever is called.
    Read,
    /// Labels, bookmarks, metrics and analyses may be written.
    Write,
}

/// Returns a connection to the store at `path`.
///
/// # Errors
/// No such file, none of SQLite's; a log beside it that cannot be read.
pub(super) fn connected(path: &Path, access: Access) -> Result<Connection> {
    let flags = match access {
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
    } | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = match access {
        // A disk that cannot be written has no room for the files beside it that SQLite shares between programs; what
        // stands in one of them alone would not be seen without it.
        Access::Read if !is_writable(path.parent().unwrap_or(Path::new("."))) && !has_log(path) => {
            let address = url::Url::from_file_path(std::path::absolute(path).unwrap_or_else(|_| path.into()))
                .map_err(|()| Error::input(format!("cannot open `{}`", path.display())))?;
            Connection::open_with_flags(
                format!("{address}?immutable=1"),
                flags | OpenFlags::SQLITE_OPEN_URI,
            )
        }
        _ => Connection::open_with_flags(path, flags),
    };
    opened.of_store("open", path)
}

/// Returns whether the file or folder may be written.
pub(super) fn is_writable(path: &Path) -> bool {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Returns whether changes of the store lie in a file beside it still.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|log| log.len() > 0)
}
