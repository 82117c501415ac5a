//! A project: a folder with a manifest, and the lock beside it.

use std::path::{Path, PathBuf};

use super::locked::{Lock, Locked};
use super::manifest::{Dependency, Manifest};
use super::naming::{LOCK, MANIFEST};
use crate::error::{Error, Result};

/// A folder with a `saescript.toml`, and the lock beside it.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder; empty for the working folder.
    pub root: PathBuf,
    /// What it is called and needs.
    pub manifest: Manifest,
    /// Which contents it uses; `None` before anything was added.
    pub lock: Option<Lock>,
}

impl Project {
    /// Reads the project in `root`.
    ///
    /// # Errors
    /// It has no manifest; manifest or lock are wrong.
    pub fn open(root: &Path) -> Result<Self> {
        Ok(Project {
            root: root.to_path_buf(),
            manifest: Manifest::read(root)?,
            lock: Lock::read(root)?,
        })
    }

    /// Reads the project that `folder` is in: the nearest manifest there or above. `None` where there is none.
    ///
    /// # Errors
    /// Manifest or lock are wrong.
    pub fn around(folder: &Path) -> Result<Option<Self>> {
        root_around(folder).map(|root| Self::open(&root)).transpose()
    }

    /// Reads the project that `folder` is in, which has to be one.
    ///
    /// # Errors
    /// There is no manifest in the folder or above; manifest or lock are wrong.
    pub fn needed_around(folder: &Path) -> Result<Self> {
        Self::around(folder)?.ok_or_else(|| {
            let shown = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
            Error::input(format!("there is no `{MANIFEST}` in `{}` or above it", shown.display())).hint(
                "`saescript new NAME` begins a project; or write the file, with `[package]`, `name` and `version`",
            )
        })
    }

    /// Returns what it depends on, with whether that is for its tests and examples only.
    pub fn dependencies(&self) -> impl Iterator<Item = (&str, &Dependency, bool)> {
        let own = self.manifest.dependencies.iter();
        let own = own.map(|(name, dependency)| (name.as_str(), dependency, false));
        let dev = self.manifest.dev_dependencies.iter();
        own.chain(dev.map(|(name, dependency)| (name.as_str(), dependency, true)))
    }

    /// Returns the locked library that the project itself calls `name`.
    ///
    /// # Errors
    /// There is no lock, or it is older than the manifest's line about that library.
    pub fn locked(&self, name: &str, dependency: &Dependency) -> Result<&Locked> {
        let source = dependency.source()?.seen_from("");
        let lock = self.lock.as_ref().ok_or_else(|| {
            Error::input(format!(
                "the library `{name}` is not locked: there is no `{}`",
                self.root.join(LOCK).display()
            ))
            .hint("fetch and lock what the manifest names with `saescript update`")
        })?;
        let fits = |locked: &&Locked| {
            let wanted = dependency.version.as_ref();
            locked.name == name
                && locked.source == source
                && wanted.is_none_or(|wanted| wanted.matches(&locked.version))
        };
        lock.libraries.iter().find(fits).ok_or_else(|| {
            Error::input(format!(
                "`{}` does not have `{name}` as `{}` names it, from {source}",
                self.root.join(LOCK).display(),
                self.root.join(MANIFEST).display()
            ))
            .hint(format!(
                "the manifest was changed since; run `saescript update {name}`"
            ))
        })
    }
}

/// Returns `folder`, or `.` for the working folder, which as the beginning of other paths is written as nothing.
pub fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}

/// Returns the nearest folder with a manifest, from `folder` upwards; relative where it lies below the working folder.
fn root_around(folder: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(folder).ok()?;
    let root = folder.ancestors().find(|above| above.join(MANIFEST).is_file())?;
    let here = std::env::current_dir().ok();
    let below = here.as_deref().and_then(|here| root.strip_prefix(here).ok());
    Some(below.unwrap_or(root).to_path_buf())
}
