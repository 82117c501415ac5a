//! What people do with the libraries of a project: add, remove, update, vendor, pack.
//!
//! Everything is found out before anything is written; what cannot be resolved leaves the project as it was.

use std::fs;
use std::path::{Path, PathBuf};

use super::archive;
use super::contents::Contents;
use super::edit;
use super::fetch::fetch;
use super::locked::{Lock, Locked};
use super::manifest::{Dependency, Manifest};
use super::naming::{MANIFEST, VENDOR};
use super::project::{Project, or_here};
use super::resolve::{fetch_again, resolve};
use super::source::Source;
use super::store;
use crate::atomic;
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::files::{SETTINGS_MOST, read_text};
use crate::lock::FolderLock;

/// What became of a library in a lock.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It is new.
    Added(Locked),
    /// It is not used any more.
    Removed(Locked),
    /// Its contents are others.
    Updated(Locked, Locked),
}

/// Adds the library from `source`, whose paths are relative to the working folder, to the project around it; with `dev`
/// for its tests and examples only. A library of that name that it has already is replaced. Returns what changed.
///
/// # Errors
/// There is no project; the library cannot be fetched, is none, or does not fit the others.
pub fn add(source: &Source, dev: bool, context: &RunContext) -> Result<Vec<Change>> {
    let project = Project::needed_around(Path::new("."))?;
    let _held = hold(&project, context)?;
    let source = from_root(source, &project.root)?;
    let name = fetch(&source, &project.root, None, context)?
        .manifest
        .package
        .name;
    let dependency = written(&source);
    let text = edit::with_dependency(&manifest_text(&project.root)?, &name, &dependency, dev)?;
    settle(&project, Some(text), |locked| locked.name != name, context)
}

/// Takes the library `name` out of the project around the working folder. Returns what changed.
///
/// # Errors
/// There is no project, or it does not depend on that library itself.
pub fn remove(name: &str, context: &RunContext) -> Result<Vec<Change>> {
    let project = Project::needed_around(Path::new("."))?;
    let _held = hold(&project, context)?;
    let (text, had) = edit::without_dependency(&manifest_text(&project.root)?, name)?;
    if !had {
        let names: Vec<&str> = project.dependencies().map(|(name, _, _)| name).collect();
        return Err(Error::unknown("dependency", name, &names));
    }
    settle(&project, Some(text), |_| true, context)
}

/// Locks what the sources of the project's libraries give now: of the one called `name`, or of all. Returns what
/// changed.
///
/// # Errors
/// There is no project, or no such library; one cannot be fetched or does not fit the others.
pub fn update(name: Option<&str>, context: &RunContext) -> Result<Vec<Change>> {
    let project = Project::needed_around(Path::new("."))?;
    let _held = hold(&project, context)?;
    if let Some(name) = name {
        let locked = project.lock.iter().flat_map(|lock| &lock.libraries);
        let own = project.dependencies().map(|(name, _, _)| name);
        let mut names: Vec<&str> = locked.map(|locked| locked.name.as_str()).chain(own).collect();
        names.sort_unstable();
        names.dedup();
        if !names.contains(&name) {
            return Err(Error::unknown("library", name, &names));
        }
    }
    settle(
        &project,
        None,
        |locked| name.is_some_and(|name| locked.name != name),
        context,
    )
}

/// Fetches what is locked and not on this machine, or altered there. Returns what was fetched.
///
/// # Errors
/// There is no project; a source cannot be reached, or gives other contents now.
pub fn fetch_locked(context: &RunContext) -> Result<Vec<Locked>> {
    let project = Project::needed_around(Path::new("."))?;
    let mut fetched = Vec::new();
    for locked in project.lock.iter().flat_map(|lock| &lock.libraries) {
        if store::load(&project.root, locked).is_err() {
            let found = fetch_again(&project.root, locked, context)?;
            store::keep(locked, &found.contents)?;
            // What is still not as it should be is the project's own copy.
            store::load(&project.root, locked)?;
            fetched.push(locked.clone());
        }
    }
    Ok(fetched)
}

/// Copies all libraries that the project around the working folder uses into its `vendor/`. Returns which.
///
/// # Errors
/// There is no project; a library is neither on this machine nor to be had; the folder cannot be written.
pub fn vendor(context: &RunContext) -> Result<Vec<Locked>> {
    let project = Project::needed_around(Path::new("."))?;
    let _held = hold(&project, context)?;
    let mut libraries = Vec::new();
    for locked in project.lock.iter().flat_map(|lock| &lock.libraries) {
        let contents = if store::is_here(&project.root, locked) {
            store::load(&project.root, locked)?.contents
        } else {
            fetch_again(&project.root, locked, context)?.contents
        };
        libraries.push((locked.clone(), contents));
    }
    store::vendor(&project.root, &libraries)?;
    Ok(libraries.into_iter().map(|(locked, _)| locked).collect())
}

/// Writes the library around the working folder as one archive, into `out` or beside its manifest. Returns its path and
/// the hash of its contents.
///
/// # Errors
/// There is no library; it has no entry point, or depends on places on this machine; the archive cannot be written.
pub fn pack(out: Option<&Path>) -> Result<(PathBuf, String)> {
    let (project, contents) = to_give_away()?;
    let about = &project.manifest.package;
    let path = out.map_or_else(|| project.root.join(archive::name_of(about)), Path::to_path_buf);
    atomic::write(&path, archive::pack(about, &contents)?)?;
    Ok((path, contents.hash()))
}

/// Returns the library around the working folder and its files, if others can use them.
///
/// # Errors
/// There is no library; it has no entry point, or depends on places on this machine.
pub(super) fn to_give_away() -> Result<(Project, Contents)> {
    let project = Project::needed_around(Path::new("."))?;
    let about = &project.manifest.package;
    let contents = Contents::of_folder(or_here(&project.root))?;
    if contents.text(about.library_entry())?.is_none() {
        return Err(Error::input(format!(
            "`{}` has no `{}`, so nobody could import it",
            about.name,
            about.library_entry()
        ))
        .hint("write that file, or name another with `library` under `[package]`"));
    }
    for (name, dependency) in &project.manifest.dependencies {
        let source = dependency.source()?;
        if source.is_local() {
            return Err(Error::input(format!(
                "`{}` depends on `{name}` from {source}, which is on this machine only",
                about.name
            ))
            .hint("publish that one first, and name its git repository or the one on the hub"));
        }
    }
    Ok((project, contents))
}

/// Resolves the project anew, with `text` as its manifest if given, and writes what came of it; libraries for which
/// `keeps` holds stay as they were locked.
fn settle(
    project: &Project,
    text: Option<String>,
    keeps: impl Fn(&Locked) -> bool,
    context: &RunContext,
) -> Result<Vec<Change>> {
    let root = &project.root;
    let manifest = match &text {
        Some(text) => Manifest::of_text(&root.join(MANIFEST).display().to_string(), text)?,
        None => project.manifest.clone(),
    };
    let before: Vec<Locked> = project
        .lock
        .iter()
        .flat_map(|lock| lock.libraries.clone())
        .collect();
    let kept: Vec<Locked> = before.iter().filter(|locked| keeps(locked)).cloned().collect();
    let libraries = resolve(root, &manifest, &kept, context)?;
    for (locked, contents) in &libraries {
        store::keep(locked, contents)?;
    }
    if root.join(VENDOR).is_dir() {
        store::vendor(root, &libraries)?;
    }
    if let Some(text) = text {
        atomic::write(root.join(MANIFEST), text)?;
    }
    let lock = Lock::new(libraries.into_iter().map(|(locked, _)| locked).collect());
    lock.write(root)?;
    Ok(changes(&before, &lock.libraries))
}

/// What is other in the second lock; majors are told apart.
fn changes(before: &[Locked], after: &[Locked]) -> Vec<Change> {
    let mut gone: Vec<&Locked> = before.iter().filter(|locked| !after.contains(locked)).collect();
    let mut changes = Vec::new();
    for new in after.iter().filter(|locked| !before.contains(locked)) {
        let old = gone.iter().position(|old| old.name == new.name);
        changes.push(match old {
            Some(at) => Change::Updated(gone.remove(at).clone(), new.clone()),
            None => Change::Added(new.clone()),
        });
    }
    changes.extend(gone.into_iter().cloned().map(Change::Removed));
    changes
}

/// One command at a time changes a project.
fn hold(project: &Project, context: &RunContext) -> Result<FolderLock> {
    FolderLock::take(or_here(&project.root), "changing its libraries", context)
}

fn manifest_text(root: &Path) -> Result<String> {
    let path = root.join(MANIFEST);
    read_text(&path, SETTINGS_MOST).map_err(|error| Error::io("read", &path, error))
}

/// The source with its path as seen from `root` instead of the working folder.
fn from_root(source: &Source, root: &Path) -> Result<Source> {
    let seen = |path: &str| -> Result<String> {
        if root.as_os_str().is_empty() || Path::new(path).is_absolute() {
            return Ok(path.to_string());
        }
        let canonical = |path: &Path| fs::canonicalize(path).map_err(|error| Error::io("find", path, error));
        let (root, path) = (canonical(root)?, canonical(Path::new(path))?);
        let common = root
            .components()
            .zip(path.components())
            .take_while(|(a, b)| a == b)
            .count();
        let up = root.components().skip(common).map(|_| Path::new(".."));
        let down = path
            .components()
            .skip(common)
            .map(|part| Path::new(part.as_os_str()));
        let relative: PathBuf = up
            .map(Path::to_path_buf)
            .chain(down.map(Path::to_path_buf))
            .collect();
        Ok(relative.to_string_lossy().into_owned())
    };
    Ok(match source {
        Source::Path(path) => Source::Path(seen(path)?),
        Source::File(path) => Source::File(seen(path)?),
        Source::Git { url, rev } if Path::new(url).exists() => Source::Git {
            url: seen(url)?,
            rev: rev.clone(),
        },
        other => other.clone(),
    })
}

/// The source as a manifest names it.
fn written(source: &Source) -> Dependency {
    let mut dependency = Dependency::default();
    match source {
        Source::Path(path) => dependency.path = Some(path.clone()),
        Source::File(path) => dependency.file = Some(path.clone()),
        Source::Git { url, rev } => (dependency.git, dependency.rev) = (Some(url.clone()), rev.clone()),
        Source::Hub { id, rev } => (dependency.hub, dependency.rev) = (Some(id.clone()), rev.clone()),
    }
    dependency
}
