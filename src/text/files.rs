//! Which files a data set consists of: one file, a glob, or a folder in the layout of the Hugging Face hub.

use std::path::{Path, PathBuf};

use super::config::{DataFiles, DatasetConfig};
use super::format;
use crate::error::{Error, Result};

/// The names under which files of a split are found; the first is the split's own.
const SPLITS: &[&[&str]] = &[
    &["train", "training"],
    &["validation", "valid", "val", "dev"],
    &["test", "testing", "eval", "evaluation"],
];

/// The files to read, in order, each of a format that is known.
///
/// # Errors
/// A path that does not exist, a folder without data files or without the split, files of several formats.
pub(super) fn find(config: &DatasetConfig) -> Result<Vec<PathBuf>> {
    let root = Path::new(&config.dataset_name_or_path);
    let files = if root.is_dir() {
        in_folder(root, config)?
    } else if root.is_file() {
        only_train(config, "one file")?;
        vec![root.to_path_buf()]
    } else if is_glob(&config.dataset_name_or_path) {
        only_train(config, "a glob")?;
        matching(&config.dataset_name_or_path)?
    } else {
        return Err(missing(root));
    };
    one_format(&files)?;
    for file in &files {
        let size = std::fs::metadata(file)
            .map_err(|error| Error::io("read", file, error))?
            .len();
        if size == 0 {
            return Err(Error::input(format!(
                "the data file `{}` is empty",
                file.display()
            )));
        }
    }
    Ok(files)
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

/// Files that match `pattern`, sorted by name.
fn matching(pattern: &str) -> Result<Vec<PathBuf>> {
    let paths = glob::glob(pattern)
        .map_err(|error| Error::input(format!("`{pattern}` is not a valid glob: {}", error.msg)))?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            let path = error.path().to_path_buf();
            Error::io("read", path, error.into())
        })?;
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::input(format!("no file matches `{pattern}`")));
    }
    Ok(files)
}

/// A file or glob given outright has no splits but `train`.
fn only_train(config: &DatasetConfig, what: &str) -> Result<()> {
    if config.split == "train" {
        return Ok(());
    }
    Err(Error::input(format!(
        "split \"{}\" was asked for, but `{}` is {what}, which counts as split \"train\"",
        config.split, config.dataset_name_or_path
    ))
    .hint("name the folder to choose among splits, or leave `split` out")
    .under("split"))
}

fn in_folder(root: &Path, config: &DatasetConfig) -> Result<Vec<PathBuf>> {
    if let Some(data_files) = &config.data_files {
        return chosen(root, data_files);
    }
    let mut files = data_files_of(root)?;
    if files.is_empty() {
        return Err(
            Error::input(format!("the folder `{}` holds no data files", root.display()))
                .hint("files that can be read: .parquet, .jsonl, .json, .csv, .txt, .arrow")
                .under("dataset_name_or_path"),
        );
    }
    files.sort();
    of_split(root, files, &config.split)
}

/// What `data_files` chooses below `root`, in the order of the globs.
fn chosen(root: &Path, data_files: &DataFiles) -> Result<Vec<PathBuf>> {
    let root = glob::Pattern::escape(&root.to_string_lossy());
    let mut files = Vec::new();
    for pattern in data_files.patterns() {
        let found = matching(&format!("{root}/{pattern}")).map_err(|error| error.under("data_files"))?;
        files.extend(found);
    }
    Ok(files)
}

/// The data files of a folder: those in `data/` if there is one, else its own, else those further down.
fn data_files_of(root: &Path) -> Result<Vec<PathBuf>> {
    let data = root.join("data");
    if data.is_dir() {
        let files = walk(&data)?;
        if !files.is_empty() {
            return Ok(files);
        }
    }
    let (own, folders) = entries(root)?;
    if !own.is_empty() {
        return Ok(own);
    }
    let mut files = Vec::new();
    for folder in folders {
        files.extend(walk(&folder)?);
    }
    Ok(files)
}

fn walk(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, folders) = entries(folder)?;
    for folder in folders {
        files.extend(walk(&folder)?);
    }
    Ok(files)
}

/// Data files and sub-folders directly in `folder`; hidden ones and the likes of README are left out.
fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let mut files = Vec::new();
    let mut folders = Vec::new();
    let listing = std::fs::read_dir(folder).map_err(|error| Error::io("read", folder, error))?;
    for entry in listing {
        let path = entry.map_err(|error| Error::io("read", folder, error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_string();
        let about = [
            "readme",
            "license",
            "licence",
            "dataset_infos.json",
            "dataset_info.json",
        ];
        if name.starts_with('.') || about.iter().any(|prefix| name.to_lowercase().starts_with(prefix)) {
            continue;
        }
        if path.is_dir() {
            folders.push(path);
        } else if format::of(&path).is_some() {
            files.push(path);
        }
    }
    Ok((files, folders))
}

/// The files of `split`. Where no file name tells a split, all of them are `train`.
fn of_split(root: &Path, files: Vec<PathBuf>, split: &str) -> Result<Vec<PathBuf>> {
    let named: Vec<Option<String>> = files.iter().map(|file| split_of(root, file, split)).collect();
    let mut found: Vec<String> = named.iter().flatten().cloned().collect();
    found.sort();
    found.dedup();
    if found.is_empty() {
        found.push("train".into());
        if split == "train" {
            return Ok(files);
        }
    }
    let chosen: Vec<PathBuf> = files
        .into_iter()
        .zip(&named)
        .filter(|(_, name)| name.as_deref() == Some(canonical(split)))
        .map(|(file, _)| file)
        .collect();
    if chosen.is_empty() {
        return Err(Error::unknown("split", split, &found)
            .context(format!("in the data set folder `{}`", root.display()))
            .under("split"));
    }
    Ok(chosen)
}

/// A split's own name: `valid` → `validation`.
fn canonical(split: &str) -> &str {
    let family = SPLITS.iter().find(|names| names.contains(&split));
    family.map_or(split, |names| names[0])
}

/// The split that the words of a file's path below `root` tell; `asked` counts as a split's name too.
fn split_of(root: &Path, file: &Path, asked: &str) -> Option<String> {
    let below = file
        .strip_prefix(root)
        .unwrap_or(file)
        .to_string_lossy()
        .to_lowercase();
    let words: Vec<&str> = below.split(|letter: char| !letter.is_alphanumeric()).collect();
    if words.contains(&asked) {
        return Some(canonical(asked).to_string());
    }
    words
        .iter()
        .find(|word| SPLITS.iter().any(|names| names.contains(word)))
        .map(|word| canonical(word).to_string())
}

fn one_format(files: &[PathBuf]) -> Result<()> {
    let mut first: Option<&'static format::Format> = None;
    for file in files {
        let format = format::required(file)?;
        match first {
            Some(other) if other.name != format.name => {
                return Err(Error::input(format!(
                    "the data set mixes {} and {} files, e.g. `{}`",
                    other.name,
                    format.name,
                    file.display()
                ))
                .hint("choose among them with `data_files`, or name a sub-folder"));
            }
            _ => first = Some(format),
        }
    }
    Ok(())
}
