//! Files of exports: none that is there is written over unless that was asked for, and each is whole or not there.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use crate::atomic;
use crate::error::{Error, Result};

/// What becomes of files that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// What is there stays, and is an error.
    Keep,
    /// What is there is replaced.
    Replace,
}

impl Existing {
    /// Refuses if any of `paths` is there and has to stay.
    ///
    /// # Errors
    /// One is.
    pub fn admit<'a>(self, paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
        let there = paths.into_iter().find(|path| path.symlink_metadata().is_ok());
        match there {
            Some(path) if self == Existing::Keep => Err(Error::input(format!(
                "`{}` is there already, and was not written over",
                path.display()
            ))
            .hint("give another place with `-o`, or `--force` to replace what is there")),
            _ => Ok(()),
        }
    }
}

/// Refuses a folder that holds files of an earlier, larger export, which would be taken for parts of this one.
///
/// # Errors
/// There is one whose name is `batch-N` with `ending`, and not among `ours`.
pub(super) fn refuse_leftovers(folder: &Path, ending: &str, ours: &[PathBuf]) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(());
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with("batch-") && name.ends_with(ending) && !ours.contains(&path) {
            return Err(Error::input(format!(
                "`{}` is of another export, and would be read as a part of this one",
                path.display()
            ))
            .hint("remove it, or give another folder with `-o`"));
        }
    }
    Ok(())
}

/// Does `work`, which writes `paths`; where it fails, what it wrote is removed again, unless it replaced what was there.
///
/// # Errors
/// What `work` says.
pub(super) fn all_or_none<T>(
    paths: &[PathBuf],
    existing: Existing,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    work().inspect_err(|_| {
        if existing == Existing::Keep {
            for path in paths {
                let _ = std::fs::remove_file(path);
            }
        }
    })
}

/// Writes the file at `path` through `fill`, whole or not at all.
///
/// # Errors
/// What `fill` says; the file cannot be written.
pub(super) fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<&File>) -> Result<()>) -> Result<()> {
    let mut wrong = None;
    let written = atomic::write_with(path, |file| {
        fill(file).map_err(|error| {
            wrong = Some(error);
            io::Error::other("what was to be written could not be made")
        })
    });
    match wrong {
        Some(error) => Err(error),
        None => written,
    }
}

/// Returns what failed while `path` was written.
pub(super) fn failed(path: &Path) -> impl Fn(io::Error) -> Error + '_ {
    move |error| Error::io("write", path, error)
}
