//! Where the contents of libraries lie on this machine, and that they are the locked ones.
//!
//! A library from a folder is read there. All others are kept in the cache, one folder for each contents, and can be
//! fetched again. What lies in the project's `vendor/` goes before both.

use std::fs;
use std::path::{Path, PathBuf};

use super::contents::Contents;
use super::locked::Locked;
use super::naming::{LOCK, MANIFEST, VENDOR};
use super::source::Source;
use crate::error::{Error, Result};
use crate::files::cache_folder;

/// How many letters of a hash tell contents apart in the cache; the whole hash is compared when they are loaded.
const HASH_LETTERS: usize = 16;

/// The contents of a locked library, and where they lie.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its folder.
    pub folder: PathBuf,
    /// Its files, as they were compared with the lock.
    pub contents: Contents,
}

/// Loads the contents of `locked`, which the project at `root` uses, and compares them with its hash.
///
/// # Errors
/// They are not on this machine, cannot be read, or are not those that were locked.
pub fn load(root: &Path, locked: &Locked) -> Result<Stored> {
    let folder = place(root, locked)?;
    if !folder.is_dir() {
        return Err(missing(root, locked, &folder));
    }
    let contents = Contents::of_folder(&folder)?;
    let found = contents.hash();
    if found == locked.contents {
        Ok(Stored { folder, contents })
    } else {
        Err(altered(locked, &folder, &found))
    }
}

/// Returns whether the contents of `locked` would be found on this machine, unless they were altered.
pub fn is_here(root: &Path, locked: &Locked) -> bool {
    place(root, locked).is_ok_and(|folder| folder.is_dir())
}

/// Keeps `contents`, which are those of `locked`, in the cache, if that is where they will be looked for.
///
/// # Errors
/// The cache cannot be written.
pub fn keep(locked: &Locked, contents: &Contents) -> Result<()> {
    if matches!(locked.source, Source::Path(_)) {
        return Ok(());
    }
    let folder = cached(locked)?;
    if Contents::of_folder(&folder).is_ok_and(|kept| kept == *contents) {
        return Ok(());
    }
    replace(&folder, contents)
}

/// Writes copies of `libraries` into the project's `vendor/`, and removes there what is none of them.
///
/// # Errors
/// The folder cannot be written.
pub fn vendor(root: &Path, libraries: &[(Locked, Contents)]) -> Result<()> {
    let folder = root.join(VENDOR);
    fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
    for (locked, contents) in libraries {
        replace(&vendored(root, locked), contents)?;
    }
    let failed = |error| Error::io("read", &folder, error);
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_wanted = libraries.iter().any(|(locked, _)| vendored(root, locked) == path);
        if !is_wanted && path.join(MANIFEST).is_file() {
            fs::remove_dir_all(&path).map_err(|error| Error::io("remove", &path, error))?;
        }
    }
    Ok(())
}

fn place(root: &Path, locked: &Locked) -> Result<PathBuf> {
    let copy = vendored(root, locked);
    match &locked.source {
        _ if copy.exists() => Ok(copy),
        Source::Path(path) => Ok(root.join(path)),
        _ => cached(locked),
    }
}

fn vendored(root: &Path, locked: &Locked) -> PathBuf {
    root.join(VENDOR)
        .join(format!("{}-{}", locked.name, locked.version))
}

fn cached(locked: &Locked) -> Result<PathBuf> {
    let cache = cache_folder().ok_or_else(|| {
        Error::input("there is no folder to keep libraries in").hint(
            "set HOME or XDG_CACHE_HOME, or copy the libraries into the project with `saescript vendor`",
        )
    })?;
    let hash = locked.contents.trim_start_matches("sha256:");
    let hash = hash.get(..HASH_LETTERS).unwrap_or(hash);
    let is_hash = !hash.is_empty() && hash.chars().all(|letter| letter.is_ascii_hexdigit());
    if is_hash {
        let name = format!("{}-{}-{hash}", locked.name, locked.version);
        Ok(cache.join("libraries").join(name))
    } else {
        Err(Error::input(format!(
            "`{}` is no hash of contents, in {LOCK}",
            locked.contents
        )))
    }
}

/// Puts `contents` at `folder` in the place of what is there; nobody sees half of them.
fn replace(folder: &Path, contents: &Contents) -> Result<()> {
    let parent = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|error| Error::io("create", parent, error))?;
    let new = tempfile::Builder::new()
        .prefix(".unfinished-")
        .tempdir_in(parent)
        .map_err(|error| Error::io("create", parent, error))?;
    let filled = new.path().join("library");
    contents.write(&filled)?;
    if folder.exists() {
        fs::rename(folder, new.path().join("old")).map_err(|error| Error::io("replace", folder, error))?;
    }
    match fs::rename(&filled, folder) {
        // Another process put the same contents there meanwhile.
        Err(_) if Contents::of_folder(folder).is_ok_and(|there| there == *contents) => Ok(()),
        other => other.map_err(|error| Error::io("write", folder, error)),
    }
}

fn missing(root: &Path, locked: &Locked, folder: &Path) -> Error {
    let error = Error::input(format!(
        "the library `{}` of `{}` is not on this machine: there is no `{}`",
        locked.id(),
        root.join(LOCK).display(),
        folder.display()
    ));
    match locked.source {
        Source::Path(_) => error.hint("the manifest names that folder; see where the library has gone"),
        _ => error.hint("fetch what is locked with `saescript update --locked`"),
    }
}

fn altered(locked: &Locked, folder: &Path, found: &str) -> Error {
    let error = Error::input(format!(
        "the library `{}` in `{}` is not what was locked: its contents are {found}, and were {}",
        locked.id(),
        folder.display(),
        locked.contents
    ));
    let is_copy = folder.parent().is_some_and(|parent| parent.ends_with(VENDOR));
    if is_copy {
        error.hint("if nobody was meant to change it, delete that folder and run `saescript vendor`")
    } else if matches!(locked.source, Source::Path(_)) {
        error.hint(format!(
            "if it was changed on purpose, run `saescript update {}`",
            locked.name
        ))
    } else {
        error.hint("delete that folder and fetch it again with `saescript update --locked`")
    }
}
