//! Folders that Python's `datasets.save_to_disk` wrote: Arrow files, named by `state.json`, a folder for each split.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::split::canonical;
use crate::error::{Error, Result};
use crate::files::{SETTINGS_MOST, read_text};

const STATE: &str = "state.json";
const SPLITS: &str = "dataset_dict.json";

#[derive(Deserialize)]
struct State {
    #[serde(rename = "_data_files")]
    data_files: Vec<Named>,
    /// Rows left out or reordered by a list beside the data; old versions wrote one.
    #[serde(default, rename = "_indices_data_files")]
    indices: Option<Vec<Named>>,
    #[serde(default, rename = "_split")]
    split: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    filename: String,
}

#[derive(Deserialize)]
struct Dict {
    splits: Vec<String>,
}

/// Returns whether `save_to_disk` wrote this folder.
pub(super) fn is_saved(folder: &Path) -> bool {
    folder.join(STATE).is_file() || folder.join(SPLITS).is_file()
}

/// Returns the Arrow files of `split`, in order.
///
/// # Errors
/// A folder that `save_to_disk` did not write, a split that it does not have, files that are missing.
pub(super) fn find(root: &Path, split: &str) -> Result<Vec<PathBuf>> {
    if !is_saved(root) {
        return Err(Error::input(format!(
            "`{}` was not written by `save_to_disk`: it has neither {STATE} nor {SPLITS}",
            root.display()
        ))
        .hint("leave `is_dataset_on_disk` out to read a folder of other files")
        .under("dataset_name_or_path"));
    }
    let no_split = |splits: &[&str]| {
        Error::unknown("split", split, splits)
            .context(format!("in the data set folder `{}`", root.display()))
            .under("split")
    };
    let has_splits = root.join(SPLITS).is_file();
    let folder = if has_splits {
        let dict: Dict = read(&root.join(SPLITS))?;
        let found = dict.splits.iter().find(|name| *name == split);
        let found = found.or_else(|| {
            dict.splits
                .iter()
                .find(|name| canonical(name) == canonical(split))
        });
        let names: Vec<&str> = dict.splits.iter().map(String::as_str).collect();
        root.join(found.ok_or_else(|| no_split(&names))?)
    } else {
        root.to_path_buf()
    };
    let state: State = read(&folder.join(STATE))?;
    if let Some(own) = state
        .split
        .as_deref()
        .filter(|own| !has_splits && split != "train" && *own != split)
    {
        return Err(no_split(&[own]));
    }
    if state.indices.is_some_and(|files| !files.is_empty()) {
        return Err(Error::input(format!(
            "`{}` keeps the order of its rows in a list of indices",
            folder.display()
        ))
        .hint("in Python, `dataset.flatten_indices().save_to_disk(folder)` writes it without"));
    }
    let files: Vec<PathBuf> = state
        .data_files
        .iter()
        .map(|file| folder.join(&file.filename))
        .collect();
    match files.iter().find(|file| !file.is_file()) {
        Some(missing) => Err(Error::input(format!(
            "`{}` is missing, which {STATE} names",
            missing.display()
        ))
        .hint("copy or save the folder again")),
        None => Ok(files),
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = read_text(path, SETTINGS_MOST).map_err(|error| Error::io("read", path, error))?;
    serde_json::from_str(&text).map_err(|error| {
        Error::input(format!(
            "`{}` is not what `save_to_disk` writes: {error}",
            path.display()
        ))
    })
}
