//! Whether a store was made here. What comes from elsewhere is looked at before it is trusted.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::store::{Access, Store};
use crate::error::Result;

/// The fact in which a store says where it was made.
pub(super) const KEY: &str = "made.here";

/// Returns a name for this user on this machine, from which neither can be told.
pub(super) fn here() -> String {
    let machine = ["/etc/machine-id", "/var/lib/dbus/machine-id"]
        .into_iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .filter(|id| !id.trim().is_empty());
    let machine = machine.unwrap_or_else(|| {
        let names = rustix::system::uname();
        names.nodename().to_string_lossy().into_owned()
    });
    let user = rustix::process::getuid().as_raw();
    let digest = Sha256::digest(format!("saescript store, {}, {user}", machine.trim()));
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl Store {
    /// Returns whether this user made the store at `path` on this machine; nothing about it is changed.
    ///
    /// # Errors
    /// No such file, no store, a damaged one.
    pub fn is_from_here(path: impl AsRef<Path>) -> Result<bool> {
        let store = Store::connect(path.as_ref(), Access::Read)?;
        store.require_store()?;
        Ok(store.meta(KEY)?.is_some_and(|home| home == here()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_store_knows_where_it_was_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sqlite");
        let store = Store::create(&path, &BTreeMap::new()).expect("made");
        assert!(Store::is_from_here(&path).expect("read"));
        store.set_meta(KEY, "0123456789abcdef").expect("set");
        assert!(!Store::is_from_here(&path).expect("read"), "made elsewhere");
    }
}
