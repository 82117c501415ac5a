//! Which files a data set consists of: a file, a glob, a folder, or a repository on the hub.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::{DataFiles, DatasetConfig};
use super::data_file::DataFile;
use super::layout::{Root, check_whole};
use super::{disk, find, format};
use crate::error::{Context, Error, Result};
use crate::event::RunContext;
use crate::files::{SETTINGS_MOST, read_text, require_regular};
use crate::hub::{self, HubSettings, RepoKind, Repository};

/// Loaders of Python's `datasets` that take their files from `data_files`. Here the extension tells the format.
const LOADERS: &[&str] = &["json", "csv", "text", "parquet", "arrow"];

/// Returns the files to read, in order, each of a format that is known.
///
/// # Errors
/// A path that does not exist, a folder without data files or without the split, files of several formats, what the hub
/// has to say.
pub(super) fn find(config: &DatasetConfig, split: &str, context: &RunContext) -> Result<Vec<Arc<DataFile>>> {
    let named = config.dataset_name_or_path.as_str();
    let root = Path::new(named);
    let paths = if config.is_dataset_on_disk || disk::is_saved(root) {
        disk::find(root, split)?
    } else if root.is_dir() {
        in_folder(root, config, split, context)?
    } else if root.is_file() {
        only_train(named, split, "one file")?;
        vec![root.to_path_buf()]
    } else if is_glob(named) {
        only_train(named, split, "a glob")?;
        find::matching(named, context)?
    } else if LOADERS.contains(&named)
        && let Some(data_files) = &config.data_files
    {
        given(data_files, split, context).map_err(|error| error.under("data_files"))?
    } else if hub::names_a_repository(named) && format::of(root).is_none() {
        return on_hub(config, split, context);
    } else {
        // What exists and is neither file nor folder is a pipe or a device.
        let about = std::fs::metadata(root).map_err(|_| missing(root))?;
        return Err(not_regular(root, about.file_type()));
    };
    for path in &paths {
        let about = std::fs::metadata(path).map_err(|error| Error::io("read", path, error))?;
        if !about.is_file() {
            return Err(not_regular(path, about.file_type()));
        }
        if about.len() == 0 {
            return Err(Error::input(format!(
                "the data file `{}` is empty",
                path.display()
            )));
        }
    }
    let files = paths
        .into_iter()
        .map(|path| DataFile::here(path, config.manner(), &context.stop));
    one_format(files.collect(), config)
}

fn not_regular(path: &Path, kind: std::fs::FileType) -> Error {
    match require_regular(kind) {
        Err(error) => Error::io("read", path, error),
        Ok(()) => missing(path),
    }
    .under("dataset_name_or_path")
}

fn missing(root: &Path) -> Error {
    Error::input(format!(
        "there is no file, folder or data set `{}`",
        root.display()
    ))
    .hint("give a file, a folder or a glob; relative paths start at the current folder")
    .under("dataset_name_or_path")
}

fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// What `data_files` names, wherever it lies.
fn given(data_files: &DataFiles, split: &str, context: &RunContext) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for glob in data_files.of_split(split)? {
        files.extend(find::matching(&glob, context)?);
    }
    Ok(files)
}

/// A file or glob given outright has no splits but `train`.
fn only_train(named: &str, split: &str, what: &str) -> Result<()> {
    if split == "train" {
        return Ok(());
    }
    Err(Error::input(format!(
        "split \"{split}\" was asked for, but `{named}` is {what}, which counts as split \"train\""
    ))
    .hint("name the folder to choose among splits, or leave `split` out")
    .under("split"))
}

fn in_folder(
    folder: &Path,
    config: &DatasetConfig,
    split: &str,
    context: &RunContext,
) -> Result<Vec<PathBuf>> {
    let names = find::below(folder, context)?;
    let root = Root {
        shown: folder.display().to_string(),
        names,
        readme: read_text(folder.join("README.md"), SETTINGS_MOST).ok(),
    };
    let chosen = root.choose(config, split)?;
    Ok(chosen.into_iter().map(|name| folder.join(name)).collect())
}

/// Files of a repository; nothing but the list and the README is fetched, unless everything shall be here at once.
fn on_hub(config: &DatasetConfig, split: &str, context: &RunContext) -> Result<Vec<Arc<DataFile>>> {
    let settings = HubSettings {
        cache_dir: config.cache_dir.as_ref().map(PathBuf::from),
        ..HubSettings::default()
    };
    let id = &config.dataset_name_or_path;
    let repository = Repository::open(id, RepoKind::Dataset, config.revision.as_deref(), &settings)?;
    let names = repository
        .list(context)
        .context(format!(
            "`{id}` is no file or folder here, so it was looked for on the hub"
        ))
        .under("dataset_name_or_path")?;
    let readme = repository.file_if("README.md", context)?;
    let root = Root {
        shown: id.clone(),
        names,
        readme: readme.and_then(|path| read_text(path, SETTINGS_MOST).ok()),
    };
    let chosen = root.choose(config, split)?;
    if config.data_files.is_none() {
        check_whole(&chosen)?;
    }
    // The columns are found out from the first file in any case.
    let at_once = if config.streaming { 1 } else { chosen.len() };
    repository.files(&chosen[..at_once.min(chosen.len())], context)?;
    let repository = Arc::new(repository);
    let files = chosen
        .into_iter()
        .map(|name| DataFile::on_hub(repository.clone(), name, config.manner(), context));
    one_format(files.collect(), config)
}

fn one_format(files: Vec<DataFile>, config: &DatasetConfig) -> Result<Vec<Arc<DataFile>>> {
    let mut first: Option<&'static format::Format> = None;
    for file in &files {
        let format = format::required(file.shown())?;
        match first {
            Some(other) if other.name != format.name => {
                return Err(Error::input(format!(
                    "the data set mixes {} and {} files, e.g. `{}`",
                    other.name,
                    format.name,
                    file.shown().display()
                ))
                .hint("choose among them with `data_files`, or name a sub-folder"));
            }
            _ => first = Some(format),
        }
        check_settings(config, format, file.shown())?;
    }
    Ok(files.into_iter().map(Arc::new).collect())
}

/// Refuses settings for other formats than that of the file at `path`.
fn check_settings(config: &DatasetConfig, format: &format::Format, path: &Path) -> Result<()> {
    match config
        .manner_given()
        .into_iter()
        .find(|key| !format.settings.contains(key))
    {
        Some(key) => {
            let (path, name) = (path.display(), format.name);
            Err(
                Error::input(format!("`{key}` does nothing for `{path}`, which is {name}"))
                    .hint(format!("leave it out: it is for {}", format::with_setting(key)))
                    .under(key),
            )
        }
        None => Ok(()),
    }
}
