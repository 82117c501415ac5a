//! A version of a library, put where others get it: what is there already is never changed.

use std::path::Path;

use super::archive;
use super::contents::Contents;
use super::fetch::fetch;
use super::git;
use super::manifest::About;
use super::operations::to_give_away;
use super::source::Source;
use crate::atomic;
use crate::error::{Error, Fault, Result};
use crate::event::RunContext;
use crate::files;
use crate::hub::{HubSettings, RepoKind, Repository, Upload};

/// The most bytes of an archive that is compared with another.
const MOST: u64 = 96 << 20;

/// What hubs and git keep in repositories for themselves.
const THEIR_OWN: &str = ".gitattributes";

/// Where a version goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A folder, as an archive.
    Folder(String),
    /// A git repository, as a commit with a tag.
    Git(String),
    /// A repository of the hub, as a commit with a tag.
    Hub(String),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The library's name and version.
    pub about: About,
    /// How others name this version when they add it.
    pub source: String,
    /// The hash of its contents.
    pub hash: String,
    /// It was there already, with these contents.
    pub was_there: bool,
}

impl Target {
    /// Reads a target as people write it: a folder, `git+URL`, `hf:ORG/REPO`.
    ///
    /// # Errors
    /// An address that no library can have, or one with a revision.
    pub fn of_argument(text: &str) -> Result<Self> {
        if !text.starts_with("git+") && !text.starts_with("hf:") {
            return Ok(Target::Folder(text.into()));
        }
        let source: Source = text.parse()?;
        source.check()?;
        match source {
            Source::Git { url, rev: None } => Ok(Target::Git(url)),
            Source::Hub { id, rev: None } => Ok(Target::Hub(id)),
            _ => Err(Error::input(format!("`{text}` names a revision"))
                .hint("leave out `#` and what follows: the tag is made from the version in saescript.toml")),
        }
    }
}

/// Puts the library around the working folder to `target`.
///
/// # Errors
/// What [`pack`](super::pack) refuses; the target has that version with other contents; it cannot be written.
pub fn publish(target: &Target, context: &RunContext) -> Result<Published> {
    let (project, contents) = to_give_away()?;
    let about = project.manifest.package;
    let tag = format!("v{}", about.version);
    let (was_there, source) = match target {
        Target::Folder(folder) => to_folder(Path::new(folder), &about, &contents)?,
        Target::Git(url) => {
            let source = Source::Git {
                url: url.clone(),
                rev: Some(tag.clone()),
            };
            let is_there = git::has_tag(url, &tag)? && is_same(&source, &about, &contents, context)?;
            if !is_there {
                git::publish(url, &contents, &summary(&about), &tag)?;
            }
            (is_there, source.to_string())
        }
        Target::Hub(id) => to_hub(id, &tag, &about, &contents, context)?,
    };
    Ok(Published {
        hash: contents.hash(),
        about,
        source,
        was_there,
    })
}

fn summary(about: &About) -> String {
    format!("{} {}", about.name, about.version)
}

/// Refuses a version that is there with other contents.
fn taken(about: &About, place: &str) -> Error {
    Error::input(format!(
        "{place} has `{}` {} already, with other contents",
        about.name, about.version
    ))
    .hint("a published version never changes: raise `version` in saescript.toml")
}

/// Returns true where `source` has these contents.
fn is_same(source: &Source, about: &About, contents: &Contents, context: &RunContext) -> Result<bool> {
    let there = fetch(source, Path::new("."), None, context)?;
    if there.contents.hash() == contents.hash() {
        return Ok(true);
    }
    Err(taken(about, &source.to_string()))
}

fn to_folder(folder: &Path, about: &About, contents: &Contents) -> Result<(bool, String)> {
    let path = folder.join(archive::name_of(about));
    let source = path.display().to_string();
    let bytes = archive::pack(about, contents)?;
    if path.exists() {
        let there = files::read(&path, MOST).map_err(|error| Error::io("read", &path, error))?;
        if there != bytes {
            return Err(taken(about, &format!("`{}`", folder.display())));
        }
        return Ok((true, source));
    }
    std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
    atomic::write(&path, bytes)?;
    Ok((false, source))
}

fn to_hub(
    id: &str,
    tag: &str,
    about: &About,
    contents: &Contents,
    context: &RunContext,
) -> Result<(bool, String)> {
    let source = Source::Hub {
        id: id.into(),
        rev: Some(tag.into()),
    };
    let settings = HubSettings::default();
    if is_on_hub(id, Some(tag), &settings, context)?.is_some() && is_same(&source, about, contents, context)?
    {
        return Ok((true, source.to_string()));
    }
    let had = is_on_hub(id, None, &settings, context)?.unwrap_or_default();
    let removed = had
        .into_iter()
        .filter(|path| path != THEIR_OWN && contents.files().all(|(name, _)| name != path));
    let upload = Upload {
        id,
        summary: summary(about),
        files: contents.files().collect(),
        removed: removed.collect(),
        tag: tag.into(),
    };
    upload.send(&settings, context)?;
    Ok((false, source.to_string()))
}

/// Returns the files of a repository of the hub at a revision; `None` where there is no such repository or revision.
fn is_on_hub(
    id: &str,
    rev: Option<&str>,
    settings: &HubSettings,
    context: &RunContext,
) -> Result<Option<Vec<String>>> {
    let repository = Repository::open(id, RepoKind::Model, rev, settings)?;
    match repository.list(context) {
        Ok(names) => Ok(Some(names)),
        Err(error) if error.fault() == Fault::Input => Ok(None),
        Err(error) => Err(error),
    }
}
