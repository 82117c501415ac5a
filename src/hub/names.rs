//! What repositories and their files may be called.

use std::path::Path;

use crate::error::{Error, Result};

/// What people mean by a text where they may name something here or on the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// A path on this machine: it exists, or lies in a folder that does.
    Here,
    /// A repository on the hub.
    Repository,
    /// Neither: nothing of that name is here, and the hub can have no such id.
    Neither,
}

/// Says what `name` stands for. The one place that decides it, for models, data sets and dictionaries alike.
pub fn meant_by(name: &str) -> Meant {
    let owner = name.split('/').next().unwrap_or(name);
    if Path::new(name).exists() || (owner != name && Path::new(owner).is_dir()) {
        Meant::Here
    } else if check_id(name).is_ok() {
        Meant::Repository
    } else {
        Meant::Neither
    }
}

/// Can `name` only mean a repository on the hub?
pub fn names_a_repository(name: &str) -> bool {
    meant_by(name) == Meant::Repository
}

/// Ids are `name` or `organisation/name`, of letters, digits, `.`, `-` and `_`.
pub(super) fn check_id(id: &str) -> Result<()> {
    let parts: Vec<&str> = id.split('/').collect();
    let good = |part: &&str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    if parts.len() <= 2 && parts.iter().all(good) {
        Ok(())
    } else {
        Err(Error::input(format!(
            "`{id}` is neither a folder that exists nor the id of a repository on the hub"
        ))
        .hint("ids look like `EleutherAI/pythia-160m`"))
    }
}

/// Names become paths in the cache, so none may lead out of it.
pub(super) fn check_path(path: &str) -> Result<()> {
    let good = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0', ':']);
    if path.split('/').all(good) {
        Ok(())
    } else {
        Err(Error::input(format!(
            "`{path}` is no path of a file in a repository"
        )))
    }
}
