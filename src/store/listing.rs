//! What lies in a folder elsewhere.

use std::collections::BTreeMap;

/// What lies in a folder.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Files and their sizes, where the server tells them.
    pub files: BTreeMap<String, Option<u64>>,
    /// Names of folders.
    pub folders: Vec<String>,
}
