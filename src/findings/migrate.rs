//! Stores of older versions of the schema, brought to this one's.

use std::path::Path;

use rusqlite::Connection;

use super::failure::OfStore;
use crate::error::{Error, Result};

/// `user_version` of the stores that this program writes.
pub(super) const VERSION: i32 = 2;

/// The change from version 1 to 2, from 2 to 3 and so on, as statements.
const STEPS: &[&str] = &["ALTER TABLE analysis ADD COLUMN estimated_pairs INTEGER NOT NULL DEFAULT 0;"];

/// Brings the store at `path` to [`VERSION`]; a copy of it as it was is kept as `NAME.vN`.
///
/// # Errors
/// A store of a newer program; an older one that may not be written, or of which no copy can be kept.
pub(super) fn to_current(store: &Connection, path: &Path, may_write: bool) -> Result<()> {
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
    apply(store, path, may_write, version)
}

/// Applies those of the steps that a store of `version` lacks.
///
/// # Errors
/// As [`to_current`].
fn apply(store: &Connection, path: &Path, may_write: bool, version: i32) -> Result<()> {
    let done = usize::try_from(version - 1).unwrap_or(0);
    let missing = STEPS.get(done..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    if !may_write {
        return Err(Error::input(format!(
            "the store `{}` is of an older version and has to be changed, but is open for reading only",
            path.display()
        ))
        .hint("`saescript view STORE --write` changes it and keeps a copy; where it may not be written, open a copy of it"));
    }
    let mut copy = path.as_os_str().to_owned();
    copy.push(format!(".v{version}"));
    // A copy that is there stays.
    if !Path::new(&copy).exists() {
        let kept = store.execute("VACUUM INTO ?", [copy.to_string_lossy()]);
        kept.of_store("copy", path)?;
    }
    let statements = format!(
        "BEGIN; {} PRAGMA user_version = {VERSION}; COMMIT;",
        missing.join("\n")
    );
    store.execute_batch(&statements).of_store("write", path)
}
