//! One file of a data set: here already, or fetched from the hub when its turn comes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use tempfile::TempPath;

use super::format::{self, Input, Manner, Rows, Selection};
use crate::error::Result;
use crate::event::{Events, RunContext, StopFlag};
use crate::hub::Repository;
use crate::policy;

/// A data file and what was found out about it.
#[derive(Debug)]
pub(super) struct DataFile {
    /// Its path here, or in its repository.
    shown: PathBuf,
    place: Place,
    rows: OnceLock<u64>,
    manner: Manner,
    /// Reading ends when this is set.
    stop: StopFlag,
}

#[derive(Debug)]
enum Place {
    Here(Arc<Path>),
    /// Goes with the last handle.
    Temporary(TempPath),
    OnHub {
        repository: Arc<Repository>,
        name: String,
        /// Once it is here.
        path: Mutex<Option<Arc<Path>>>,
        /// Downloads in the midst of other work report nothing, but end with it.
        quiet: RunContext,
    },
}

impl DataFile {
    /// Returns a file on this machine.
    pub(super) fn here(path: PathBuf, manner: Manner, stop: &StopFlag) -> Self {
        DataFile {
            manner,
            stop: stop.clone(),
            shown: path.clone(),
            place: Place::Here(path.into()),
            rows: OnceLock::new(),
        }
    }

    /// Returns a file of our own, which is removed when nobody can read it any more.
    pub(super) fn temporary(path: TempPath, stop: &StopFlag) -> Self {
        DataFile {
            manner: Manner::default(),
            stop: stop.clone(),
            shown: path.to_path_buf(),
            place: Place::Temporary(path),
            rows: OnceLock::new(),
        }
    }

    /// Returns a file of a repository.
    pub(super) fn on_hub(
        repository: Arc<Repository>,
        name: String,
        manner: Manner,
        context: &RunContext,
    ) -> Self {
        DataFile {
            manner,
            stop: context.stop.clone(),
            shown: Path::new(repository.id()).join(&name),
            place: Place::OnHub {
                repository,
                name,
                path: Mutex::default(),
                quiet: RunContext {
                    events: Events::new(),
                    stop: context.stop.clone(),
                },
            },
            rows: OnceLock::new(),
        }
    }

    /// Returns what it is called in messages.
    pub(super) fn shown(&self) -> &Path {
        &self.shown
    }

    /// Its local path. Waits for a download that is under way, or starts it.
    ///
    /// # Errors
    /// What the hub has to say.
    pub(super) fn path(&self) -> Result<Arc<Path>> {
        match &self.place {
            Place::Here(path) => Ok(path.clone()),
            Place::Temporary(path) => Ok(Arc::from(&**path)),
            Place::OnHub {
                repository,
                name,
                path,
                quiet,
            } => {
                let mut path = path.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(path) = &*path {
                    return Ok(path.clone());
                }
                let fetched: Arc<Path> = repository.file(name, quiet)?.into();
                *path = Some(fetched.clone());
                Ok(fetched)
            }
        }
    }

    /// Returns where it lies on the hub, if it does: its repository with the commit, and its name there.
    pub(super) fn on_hub_at(&self) -> Option<(String, &str)> {
        match &self.place {
            Place::OnHub { repository, name, .. } => {
                let commit = repository.commit().unwrap_or("an unknown commit");
                Some((format!("{} at {commit}", repository.id()), name))
            }
            Place::Here(_) | Place::Temporary(_) => None,
        }
    }

    /// Fetches it in the background if it is not here yet.
    pub(super) fn fetch_ahead(self: &Arc<Self>) {
        if let Place::OnHub { path, .. } = &self.place
            && path.try_lock().is_ok_and(|path| path.is_none())
        {
            let file = self.clone();
            // Whatever goes wrong, thread or download, shows when the file's turn comes.
            let thread = thread::Builder::new().name("saescript-fetch".into());
            drop(thread.spawn(policy::carried(move || drop(file.path()))));
        }
    }

    /// Returns the names of its columns.
    pub(super) fn columns(&self) -> Result<Vec<String>> {
        let input = self.input()?;
        self.on_behalf(|| format::required(&input.path)?.columns(&input))
    }

    /// Returns the number of its records, counted once.
    pub(super) fn rows(&self) -> Result<u64> {
        if let Some(rows) = self.rows.get() {
            return Ok(*rows);
        }
        let input = self.input()?;
        let rows = self.on_behalf(|| format::required(&input.path)?.count(&input))?;
        Ok(*self.rows.get_or_init(|| rows))
    }

    /// Starts to read it.
    pub(super) fn open(&self, selection: &Selection) -> Result<Rows> {
        let input = self.input()?;
        self.on_behalf(|| format::required(&input.path)?.open(&input, selection))
    }

    /// Opens it: a file of our own is nothing that a script names.
    fn on_behalf<T>(&self, open: impl FnOnce() -> T) -> T {
        match self.place {
            Place::Temporary(_) => policy::on_own_behalf(open),
            Place::Here(_) | Place::OnHub { .. } => open(),
        }
    }

    fn input(&self) -> Result<Input> {
        Ok(Input {
            path: self.path()?.to_path_buf(),
            manner: self.manner.clone(),
            stop: self.stop.clone(),
        })
    }
}
