//! What was typed, kept across sessions in the user's state folder (`$XDG_STATE_HOME/saescript/history`).
//!
//! Every entry is saved at once, so that a killed session loses nothing, and onto what the file holds by then, so
//! that two sessions at the same time keep both their entries. The file is replaced as a whole.

use std::path::{Path, PathBuf};

use rustyline::history::{FileHistory, History as _};

use crate::error::{Error, Result};

/// Older entries than so many are forgotten.
pub(super) const MOST_ENTRIES: usize = 10_000;

/// The history file, or none where there is no home folder.
pub(super) struct History {
    path: Option<PathBuf>,
}

impl History {
    /// Returns the user's own history.
    pub(super) fn of_user() -> Self {
        let state = std::env::var_os("XDG_STATE_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        let state = state.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")));
        History {
            path: state.map(|folder| folder.join("saescript/history")),
        }
    }

    /// Keeps nothing.
    pub(super) fn nowhere() -> Self {
        History { path: None }
    }

    /// Returns what the file holds now. A missing or unreadable file is an empty history.
    pub(super) fn read(&self) -> FileHistory {
        let config = rustyline::Config::builder().max_history_size(MOST_ENTRIES);
        let config = config.map(|builder| builder.build()).unwrap_or_default();
        let mut history = FileHistory::with_config(&config);
        if let Some(path) = &self.path {
            let _ = history.load(path);
        }
        history
    }

    /// Adds one entry to the file.
    ///
    /// # Errors
    /// The file or its folder cannot be written.
    pub(super) fn add(&self, entry: &str) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
        let mut history = self.read();
        let failed = |error: &dyn std::fmt::Display| {
            Error::run(format!(
                "cannot write the history to `{}`: {error}",
                path.display()
            ))
        };
        history.add(entry).map_err(|error| failed(&error))?;
        let temporary = tempfile::Builder::new().prefix(".history-").tempfile_in(folder);
        let temporary = temporary.map_err(|error| failed(&error))?.into_temp_path();
        history.save(&temporary).map_err(|error| failed(&error))?;
        temporary.persist(path).map_err(|error| failed(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustyline::history::SearchDirection;

    #[test]
    fn entries_of_two_sessions_are_kept_with_their_lines() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = Some(folder.path().join("deep/history"));
        let (first, second) = (History { path: path.clone() }, History { path });
        assert_eq!(first.read().len(), 0);
        first.add("let x = 1").expect("writable");
        second.add("fn f(x) {\n    x\n}").expect("writable");
        first.add("x").expect("writable");
        let history = second.read();
        let entries: Vec<String> = (0..history.len())
            .filter_map(|index| history.get(index, SearchDirection::Forward).ok()?)
            .map(|found| found.entry.to_string())
            .collect();
        assert_eq!(entries, ["let x = 1", "fn f(x) {\n    x\n}", "x"]);
        let files = std::fs::read_dir(folder.path().join("deep"))
            .expect("a folder")
            .count();
        assert_eq!(files, 1, "no temporary files are left");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("writable");
        let history = History {
            path: Some(file.join("history")),
        };
        let error = history.add("x").expect_err("a file is no folder");
        assert!(error.message().contains("file"), "{error}");
    }
}
