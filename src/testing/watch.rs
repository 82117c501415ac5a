//! Waits until scripts change.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::event::StopFlag;

/// How often the files are looked at.
const PAUSE: Duration = Duration::from_millis(300);

/// What is watched: scripts, manifests and locks.
const EXTENSIONS: [&str; 3] = ["rhai", "toml", "lock"];

/// How deep folders are looked into.
const DEEPEST: usize = 32;

/// How the scripts in a folder and below looked at one time: when each was changed, and its size.
#[derive(Debug, PartialEq)]
pub struct Snapshot(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

impl Snapshot {
    /// Looks at the file `path`, or at what is below the folder. What cannot be read is taken for absent.
    pub fn take(path: &Path) -> Self {
        let mut snapshot = Snapshot(BTreeMap::new());
        snapshot.add(path, 0);
        snapshot
    }

    /// Waits until something at `path` looks otherwise; false if `stop` was set before.
    pub fn wait_for_change(&self, path: &Path, stop: &StopFlag) -> bool {
        while !stop.is_set() {
            if Snapshot::take(path) != *self {
                return true;
            }
            thread::sleep(PAUSE);
        }
        false
    }

    fn add(&mut self, path: &Path, depth: usize) {
        let Ok(found) = fs::symlink_metadata(path) else {
            return;
        };
        let extension = path.extension().and_then(|extension| extension.to_str());
        if found.is_file() && extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
            let state = (found.modified().ok(), found.len());
            self.0.insert(path.to_path_buf(), state);
        } else if found.is_dir() && depth < DEEPEST {
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                if !entry.file_name().to_string_lossy().starts_with('.') {
                    self.add(&entry.path(), depth + 1);
                }
            }
        }
    }
}
