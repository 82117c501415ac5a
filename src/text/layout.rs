//! Which of a data set's files belong to a split: by what is asked for, by its README, or by their names.

use std::path::Path;

use glob::{MatchOptions, Pattern};

use super::card;
use super::config::DatasetConfig;
use super::format;
use super::split::{canonical, of_path};
use crate::error::{Error, Result};

/// Files beside the data that are no data, by how their names begin.
const ABOUT: &[&str] = &[
    "readme",
    "license",
    "licence",
    "dataset_infos.json",
    "dataset_info.json",
];

const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// A folder or repository with data.
pub(super) struct Root {
    /// What it is called in messages.
    pub shown: String,
    /// Every file's path below it, with `/` between folders, sorted.
    pub names: Vec<String>,
    /// The text of its README.md.
    pub readme: Option<String>,
}

impl Root {
    /// Returns the names of the files to read for `split`, in order.
    ///
    /// # Errors
    /// No data files, no such split or configuration, globs that match nothing.
    pub(super) fn choose(&self, config: &DatasetConfig, split: &str) -> Result<Vec<String>> {
        let mut folder = config.data_dir.as_deref().map(tidy);
        if let Some(data_files) = &config.data_files {
            let globs = data_files
                .of_split(split)
                .map_err(|error| error.under("data_files"))?;
            return self
                .matching(folder.as_deref(), &globs)
                .map_err(|error| error.under("data_files"));
        }
        let configs = match &self.readme {
            Some(readme) => card::configs(readme)?,
            None => Vec::new(),
        };
        if !configs.is_empty() {
            let chosen = card::choose(&configs, config.name.as_deref())?;
            folder = chosen.folder.as_deref().map(tidy).or(folder);
            if !chosen.files.is_empty() {
                return self.listed(folder.as_deref(), &chosen.files, split);
            }
        } else if let Some(name) = &config.name {
            folder = Some(self.folder_called(name)?);
        }
        let names = self.data_names(folder.as_deref());
        if names.is_empty() {
            return Err(self.no_data(folder.as_deref()));
        }
        self.of_split(names, split)
    }

    /// Files that the README names for the split.
    fn listed(
        &self,
        folder: Option<&str>,
        files: &[(String, Vec<String>)],
        split: &str,
    ) -> Result<Vec<String>> {
        let same = |name: &&(String, Vec<String>)| name.0 == split || canonical(&name.0) == canonical(split);
        match files.iter().find(same) {
            Some((_, globs)) => self.matching(folder, globs),
            None => {
                let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
                Err(self.no_split(split, &names))
            }
        }
    }

    /// Names that match the globs, in the order of the globs.
    fn matching(&self, folder: Option<&str>, globs: &[String]) -> Result<Vec<String>> {
        let mut found: Vec<String> = Vec::new();
        for glob in globs {
            let full = match folder {
                Some(folder) => format!("{}/{}", Pattern::escape(folder), tidy(glob)),
                None => tidy(glob),
            };
            let pattern = Pattern::new(&full)
                .map_err(|error| Error::input(format!("`{glob}` is not a valid glob: {}", error.msg)))?;
            let before = found.len();
            for name in &self.names {
                if pattern.matches_with(name, MATCHING) && !found.contains(name) {
                    found.push(name.clone());
                }
            }
            if found.len() == before && !found.iter().any(|name| pattern.matches_with(name, MATCHING)) {
                return Err(Error::input(format!(
                    "no file of `{}` matches `{full}`",
                    self.shown
                )));
            }
        }
        Ok(found)
    }

    /// The data files below `folder`: those in `data/` if there are any, else its own, else those further down.
    fn data_names(&self, folder: Option<&str>) -> Vec<&String> {
        let prefix = folder.map_or(String::new(), |folder| format!("{folder}/"));
        let below: Vec<&String> = self
            .names
            .iter()
            .filter(|name| name.strip_prefix(&prefix).is_some_and(is_data))
            .collect();
        let inside = |name: &&&String, start: &str| name[prefix.len()..].starts_with(start);
        let in_data: Vec<&String> = below
            .iter()
            .filter(|name| inside(name, "data/"))
            .copied()
            .collect();
        if !in_data.is_empty() {
            return in_data;
        }
        let own = below.iter().filter(|name| !name[prefix.len()..].contains('/'));
        let own: Vec<&String> = own.copied().collect();
        if own.is_empty() { below } else { own }
    }

    /// The files of `split`. Where no file name tells a split, all of them are `train`.
    fn of_split(&self, names: Vec<&String>, split: &str) -> Result<Vec<String>> {
        let told: Vec<Option<String>> = names.iter().map(|name| of_path(name, split)).collect();
        let mut splits: Vec<String> = told.iter().flatten().cloned().collect();
        splits.sort();
        splits.dedup();
        if splits.is_empty() {
            splits.push("train".into());
            if split == "train" {
                return Ok(names.into_iter().cloned().collect());
            }
        }
        let both = names.into_iter().zip(&told);
        let chosen: Vec<String> = both
            .filter(|(_, name)| name.as_deref() == Some(canonical(split)))
            .map(|(name, _)| name.clone())
            .collect();
        if chosen.is_empty() {
            Err(self.no_split(split, &splits))
        } else {
            Ok(chosen)
        }
    }

    /// A configuration that no README lists is the folder of that name.
    fn folder_called(&self, name: &str) -> Result<String> {
        let folders = || {
            self.names
                .iter()
                .filter_map(|path| path.split_once('/').map(|(folder, _)| folder))
        };
        if folders().any(|folder| folder == name) {
            Ok(name.to_string())
        } else {
            let mut folders: Vec<&str> = folders().filter(|folder| !folder.starts_with('.')).collect();
            folders.dedup();
            Err(if folders.is_empty() {
                Error::input(format!("`{}` has no configurations", self.shown)).hint("leave `name` out")
            } else {
                Error::unknown("configuration", name, &folders)
            }
            .under("name"))
        }
    }

    fn no_split<S: AsRef<str>>(&self, split: &str, splits: &[S]) -> Error {
        Error::unknown("split", split, splits)
            .context(format!("in the data set `{}`", self.shown))
            .under("split")
    }

    fn no_data(&self, folder: Option<&str>) -> Error {
        let place = match folder {
            Some(folder) => format!("{}/{folder}", self.shown),
            None => self.shown.clone(),
        };
        let error = Error::input(format!("`{place}` holds no data files"));
        if self.names.iter().any(|name| name.ends_with(".py")) { error.hint(
            "it is loaded by a Python script, which cannot be run here; the hub's conversion to Parquet may exist: \
             `revision: \"refs/convert/parquet\"`",
        ) } else { error.hint(format!("files that can be read: {}", format::known_extensions())) }
        .under("dataset_name_or_path")
    }
}

/// Checks that every part is there of the `…-00001-of-00005…` that are there.
///
/// # Errors
/// Some are missing; says how many.
pub(super) fn check_whole(names: &[String]) -> Result<()> {
    for name in names {
        let Some((count, series)) = part_of(name) else {
            continue;
        };
        let present = names
            .iter()
            .filter(|other| part_of(other).is_some_and(|(_, of)| of == series))
            .count();
        if present < count {
            return Err(Error::input(format!(
                "only {present} of the {count} files like `{name}` are in the cache"
            ))
            .hint("let the rest be downloaded once, or choose those there are with `data_files`"));
        }
    }
    Ok(())
}

/// `train-00001-of-00005.parquet` → 5, and what all five have in common.
fn part_of(name: &str) -> Option<(usize, (&str, &str))> {
    let (before, after) = name.rsplit_once("-of-")?;
    let digits = after
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(after.len());
    let start = before.trim_end_matches(|letter: char| letter.is_ascii_digit());
    Some((after[..digits].parse().ok()?, (start, &after[digits..])))
}

/// A path or glob below the root as the names have it.
fn tidy(path: &str) -> String {
    path.trim_start_matches("./").trim_matches('/').to_string()
}

/// Is it a data file, and not hidden or the likes of README?
fn is_data(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name).to_lowercase();
    !name.split('/').any(|part| part.starts_with('.'))
        && !ABOUT.iter().any(|prefix| file.starts_with(prefix))
        && format::of(Path::new(name)).is_some()
}
