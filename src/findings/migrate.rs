//! Stores of older versions of the schema, brought to this one's.

use std::path::Path;

use rusqlite::Connection;

use super::failure::OfStore;
use crate::error::{Error, Result};

/// `user_version` of the stores that this program writes.
pub(super) const VERSION: i32 = 2;

/// The change from version 1 to 2, from 2 to 3 and so on, as statements.
const STEPS: &[&str] = &["ALTER TABLE analysis ADD COLUMN estimated_pairs INTEGER NOT NULL DEFAULT 0;"];

/// Brings the store at `path` to [`VERSION`]; a copy of it as it was is kept as `NAME.vN`. One that may not be written stays
/// as it is: returned is a copy for this process alone, brought to that version, to be read in its place.
///
/// # Errors
/// A store of a newer program; an older one of which no copy can be made.
pub(super) fn to_current(store: &Connection, path: &Path, may_write: bool) -> Result<Option<Connection>> {
    let version: i32 = store
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .of_store("open", path)?;
    if version > VERSION {
        return Err(Error::input(format!(
            "the store `{}` has version {version} of its form, and this program knows versions up to {VERSION}",
            path.display()
        ))
        .hint("a newer program wrote it: open it with that"));
    }
    let done = usize::try_from(version - 1).unwrap_or(0);
    let missing = STEPS.get(done..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(None);
    }
    if may_write {
        let mut copy = path.as_os_str().to_owned();
        copy.push(format!(".v{version}"));
        // A copy that is there stays.
        if !Path::new(&copy).exists() {
            keep(store, Path::new(&copy), path)?;
        }
        return apply(store, path, missing).map(|()| None);
    }
    // The file goes with the last handle on it.
    let file = tempfile::NamedTempFile::new().map_err(|error| Error::io("copy", path, error))?;
    keep(store, file.path(), path)?;
    let aside = Connection::open(file.path()).of_store("copy", path)?;
    apply(&aside, path, missing)?;
    aside
        .pragma_update(None, "query_only", true)
        .of_store("copy", path)?;
    Ok(Some(aside))
}

fn keep(store: &Connection, copy: &Path, path: &Path) -> Result<()> {
    let kept = store.execute("VACUUM INTO ?", [copy.to_string_lossy()]);
    kept.of_store("copy", path).map(drop)
}

fn apply(store: &Connection, path: &Path, missing: &[&str]) -> Result<()> {
    let statements = format!(
        "BEGIN; {} PRAGMA user_version = {VERSION}; COMMIT;",
        missing.join("\n")
    );
    store.execute_batch(&statements).of_store("write", path)
}
