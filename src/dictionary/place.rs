//! Where a trained dictionary lies: a path on this machine, or a folder of a repository on the hub.

use std::path::{Path, PathBuf};

use super::file_names::{SETTINGS_FILE, WEIGHT_FILES};
use super::saelens;
use crate::error::{Context, Error, Result};
use crate::event::RunContext;
use crate::hub::{self, HubSettings, RepoKind, Repository};

/// A dictionary on the hub: `org/repo:folder`.
struct OnHub {
    repository: Repository,
    /// Below the repository's root; empty for the root itself. A folder, or a weights file.
    path: String,
}

/// Returns the folder with the settings of the trained dictionary `name`, downloaded where it is on the hub.
///
/// # Errors
/// What the hub has to say.
pub(super) fn settings_folder(name: &Path, context: &RunContext) -> Result<PathBuf> {
    match on_hub(name)? {
        Some(place) => Ok(folder_of(&place.settings(context)?)),
        None if name.is_dir() => Ok(name.to_path_buf()),
        None => Ok(folder_of(name)),
    }
}

/// Returns the local path of a trained dictionary, downloaded where necessary: what exists here is meant before all
/// else.
pub(super) fn locate(name: &Path, context: &RunContext) -> Result<PathBuf> {
    match on_hub(name)? {
        Some(place) => place
            .fetch(context)
            .context(format!("while looking for the dictionary `{}`", name.display())),
        None => Ok(name.to_path_buf()),
    }
}

fn folder_of(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// Returns the place on the hub that `name` means; `None` for what is, or can only be, a local path.
fn on_hub(name: &Path) -> Result<Option<OnHub>> {
    let Some(text) = name.to_str().filter(|_| !name.exists()) else {
        return Ok(None);
    };
    let (id, path) = match text.split_once(':') {
        Some((id, path)) => (id, path.trim_matches('/')),
        None => (text, ""),
    };
    // A lone name can only be a path, and `results/mispelt` beside a folder `results` is no id of the hub either.
    if !id.contains('/') || !(text.contains(':') || hub::names_a_repository(id)) {
        return Ok(None);
    }
    let repository = Repository::open(id, RepoKind::Model, None, &HubSettings::default())?;
    Ok(Some(OnHub {
        repository,
        path: match path {
            "." => String::new(),
            path => path.trim_start_matches("./").to_string(),
        },
    }))
}

impl OnHub {
    /// Downloads the settings file, in our format or SAELens's, and returns its path.
    fn settings(&self, context: &RunContext) -> Result<PathBuf> {
        let names = [self.beside(SETTINGS_FILE), self.beside(saelens::SETTINGS_FILE)];
        let names = names.each_ref().map(String::as_str);
        let found = self.repository.files_if(&names, context)?;
        found.into_iter().flatten().next().ok_or_else(|| {
            Error::input(format!("there is no `{}` in `{}`", names[0], self.repository.id()))
                .hint("write `organisation/repository:folder`, the folder being the one with the dictionary's config.json")
        })
    }

    /// Downloads settings and weights, and returns the local folder, or the weights file where one was named.
    fn fetch(&self, context: &RunContext) -> Result<PathBuf> {
        let settings = self.settings(context)?;
        if self.names_a_file() {
            return self.repository.file(&self.path, context);
        }
        for name in WEIGHT_FILES {
            if self.repository.file_if(&self.beside(name), context)?.is_some() {
                return Ok(folder_of(&settings));
            }
        }
        Err(Error::input(format!(
            "`{}` has settings but no weights in `{}`",
            self.beside(SETTINGS_FILE),
            self.repository.id()
        ))
        .hint(format!("looked for {}", WEIGHT_FILES.join(", "))))
    }

    fn names_a_file(&self) -> bool {
        self.path.ends_with(".safetensors")
    }

    /// Returns the path of `file` in the dictionary's folder.
    fn beside(&self, file: &str) -> String {
        let folder = if self.names_a_file() {
            self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
        } else {
            self.path.as_str()
        };
        match folder {
            "" => file.to_string(),
            folder => format!("{folder}/{file}"),
        }
    }
}
