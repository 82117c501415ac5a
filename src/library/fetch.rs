//! A library from its source, read into memory.

use std::path::Path;

use super::archive;
use super::contents::Contents;
use super::git;
use super::manifest::Manifest;
use super::naming::MANIFEST;
use super::source::Source;
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::files;
use crate::hub::{HubSettings, RepoKind, Repository};

/// The most bytes that a file of a library on the hub may have.
const MOST: u64 = 64 << 20;

/// A library as its source gives it.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its files.
    pub contents: Contents,
    /// The commit that was fetched, where the source has commits.
    pub commit: Option<String>,
}

impl Fetched {
    /// Reads the manifest in `contents`.
    ///
    /// # Errors
    /// There is none, or it is wrong.
    pub fn new(contents: Contents, commit: Option<String>, source: &Source) -> Result<Self> {
        let file = match source {
            Source::Path(path) => format!("{path}/{MANIFEST}"),
            other => format!("{MANIFEST} of {other}"),
        };
        Ok(Fetched {
            manifest: contents.manifest(&file)?,
            contents,
            commit,
        })
    }
}

/// Gets a library; paths are relative to `root`. With `commit`, that one instead of what the revision stands for now.
///
/// # Errors
/// It cannot be reached or read; it is no library.
pub fn fetch(source: &Source, root: &Path, commit: Option<&str>, context: &RunContext) -> Result<Fetched> {
    let (contents, commit) = match source {
        Source::Path(path) => (Contents::of_folder(&root.join(path))?, None),
        Source::File(path) => (archive::unpack(&root.join(path))?, None),
        Source::Git { url, rev } => {
            context.events.note(format!("fetching {source}"))?;
            let (contents, commit) = git::fetch(&address(url, root), commit.or(rev.as_deref()))?;
            (contents, Some(commit))
        }
        Source::Hub { id, rev } => of_hub(id, commit.or(rev.as_deref()), context)?,
    };
    Fetched::new(contents, commit, source)
}

/// A repository on this machine lies relative to the project, as everything that the manifest names.
fn address(url: &str, root: &Path) -> String {
    if url.contains(':') {
        url.to_string()
    } else {
        root.join(url).to_string_lossy().into_owned()
    }
}

fn of_hub(id: &str, rev: Option<&str>, context: &RunContext) -> Result<(Contents, Option<String>)> {
    let repository = Repository::open(id, RepoKind::Model, rev, &HubSettings::default())?;
    let names = repository.list(context)?;
    let paths = repository.files(&names, context)?;
    let mut contents = Contents::default();
    for (name, path) in names.iter().zip(&paths) {
        let bytes = files::read(path, MOST).map_err(|error| Error::io("read", path, error))?;
        contents.insert(name, bytes)?;
    }
    Ok((contents, repository.commit().map(str::to_string)))
}
