//! What repositories and their files may be called.

use std::path::Path;

use crate::error::{Error, Result};

/// Can `name` only mean a repository on the hub? Whatever exists here, or lies in a folder that does, is local.
pub fn names_a_repository(name: &str) -> bool {
    let owner = name.split('/').next().unwrap_or(name);
    let local = Path::new(name).exists() || (owner != name && Path::new(owner).is_dir());
    !local && check_id(name).is_ok()
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
