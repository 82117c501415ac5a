//! Stores of older versions of the schema, brought to this one's.

use super::failure::OfStore;
use super::store::{Access, Store};
use crate::error::{Error, Result};

/// `user_version` of the stores that this program writes.
pub(super) const VERSION: i32 = 1;

/// The change from version 1 to 2, from 2 to 3 and so on, as statements.
const STEPS: &[&str] = &[];

/// Brings `store` to [`VERSION`]; a copy of it as it was is kept as `NAME.vN`.
///
/// # Errors
/// A store of a newer program; an older one that may not be written, or of which no copy can be kept.
pub(super) fn to_current(store: &Store) -> Result<()> {
    let version: i32 = store
        .connection()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .of_store("open", store.path())?;
    if version > VERSION {
        return Err(Error::input(format!(
            "the store `{}` has version {version} of its form, and this program knows versions up to {VERSION}",
            store.path().display()
        ))
        .hint("a newer program wrote it: open it with that"));
    }
    apply(store, version, STEPS)
}

/// Applies the steps that a store of `version` lacks.
fn apply(store: &Store, version: i32, steps: &[&str]) -> Result<()> {
    let done = usize::try_from(version - 1).unwrap_or(0);
    let missing = steps.get(done..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    if store.access() == Access::Read {
        return Err(Error::input(format!(
            "the store `{}` is of an older version and has to be changed, but may not be written",
            store.path().display()
        ))
        .hint("copy it to a folder that can be written, and open the copy"));
    }
    let mut copy = store.path().as_os_str().to_owned();
    copy.push(format!(".v{version}"));
    // `VACUUM INTO` refuses to write over anything, so that a copy that is there stays.
    if !std::path::Path::new(&copy).exists() {
        store.change("VACUUM INTO ?", [copy.to_string_lossy()])?;
    }
    store.transaction(|| {
        for step in missing {
            store
                .connection()
                .execute_batch(step)
                .of_store("write", store.path())?;
        }
        let version = done + 1 + missing.len();
        let set = format!("PRAGMA user_version = {version}");
        store
            .connection()
            .execute_batch(&set)
            .of_store("write", store.path())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_older_store_is_brought_up_and_a_copy_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sqlite");
        let store = Store::create(&path, &BTreeMap::new()).expect("made");
        store.set_label(3, "months", "user").expect("labelled");
        let step = ["CREATE TABLE more (x INTEGER) STRICT;"];
        apply(&store, 1, &step).expect("changed");
        let version: i32 = store
            .connection()
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .expect("a version");
        assert_eq!(version, 2);
        store
            .change("INSERT INTO more VALUES (1)", [])
            .expect("the new table");
        let newer = Store::open(&path).expect_err("of a newer program");
        assert!(newer.to_string().contains("version 2"), "{newer}");
        let copy = Store::open(folder.path().join("a.sqlite.v1")).expect("a copy of the old one");
        assert_eq!(copy.label(3).expect("read").expect("a label").text, "months");
    }
}
