//! Rows of a file, with whatever its reader panics at turned into an error.

use std::path::PathBuf;

use super::rows::{Entry, Rows};
use crate::error::Result;
use crate::guard;

/// Returns the rows of the file at `path`; a panic is the last of them.
pub(super) fn guarded(path: PathBuf, rows: Rows) -> Rows {
    Box::new(Guarded {
        path,
        rows: Some(rows),
    })
}

struct Guarded {
    path: PathBuf,
    rows: Option<Rows>,
}

impl Iterator for Guarded {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        let rows = self.rows.as_mut()?;
        let row = guard::attempt(|| rows.next()).unwrap_or_else(|panic| {
            let what = format!("reading `{}`", self.path.display());
            Some(Err(panic
                .explain(&what)
                .hint("the file may be damaged; fetch or write it again")))
        });
        if !matches!(row, Some(Ok(_))) {
            // What panicked may be half changed; it is not even dropped with a chance to panic again.
            let rows = self.rows.take();
            let _ = guard::attempt(|| drop(rows));
        }
        row
    }
}
