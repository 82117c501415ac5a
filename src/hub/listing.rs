//! The names of all files of a repository, from the hub or from the cache.

use std::path::Path;

use serde::Deserialize;

use super::cache::RepoCache;
use super::request::Client;
use crate::atomic;
use crate::error::{Error, Result};
use crate::files;
use crate::transfer::{Progress, Trouble, escaped};

/// All files of a repository at one commit.
pub(super) struct Listing {
    pub commit: String,
    /// Paths below the root, sorted.
    pub files: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

/// Asks the hub. `path` is the repository's, e.g. `datasets/ORG/NAME`.
pub(super) fn fetch(
    client: &Client,
    path: &str,
    revision: &str,
    progress: &Progress,
) -> Result<Listing, Trouble> {
    let revision = escaped(revision).replace('/', "%2F");
    let address = format!("{}/api/{path}/revision/{revision}", client.endpoint);
    let text = client.text(&address, progress)?;
    let answer: Answer = serde_json::from_str(&text)
        .map_err(|error| Trouble::Broken(format!("the hub's list of files cannot be read: {error}")))?;
    let mut files: Vec<String> = answer.siblings.into_iter().map(|file| file.rfilename).collect();
    files.sort();
    Ok(Listing {
        commit: answer.sha,
        files,
    })
}

/// Keeps the list for runs without the hub.
pub(super) fn keep(cache: &RepoCache, listing: &Listing) -> Result<()> {
    let text = serde_json::to_string(&listing.files)
        .map_err(|error| Error::run(format!("cannot write the list of files: {error}")))?;
    atomic::write(cache.listing(&listing.commit), text)
}

/// Returns the list that was kept, or else what the cache has of the commit.
pub(super) fn kept(cache: &RepoCache, commit: &str) -> Result<Vec<String>> {
    if let Ok(text) = files::read_text(cache.listing(commit), files::SETTINGS_MOST)
        && let Ok(files) = serde_json::from_str(&text)
    {
        return Ok(files);
    }
    let root = cache.snapshot(commit);
    let mut files = Vec::new();
    walk(&root, "", &mut files)?;
    files.sort();
    Ok(files)
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<String>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("read", folder, error))?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        // Folders of a snapshot are no links; one that links to itself would have no end.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), &format!("{name}/"), files)?
        } else {
            files.push(name)
        }
    }
    Ok(())
}
