//! Digests of large files, kept from one process to the next in `saescript/digests.json` of the user's cache folder.
//!
//! The file is a convenience: one that is missing, damaged or cannot be written costs time and nothing else.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::{atomic, files};

/// Files that are remembered at most.
const MOST: usize = 4096;

/// A file that was changed so few seconds ago could be changed again without its times telling.
const SETTLED: i64 = 2;

/// What a file looks like from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    size: u64,
    /// Nanoseconds since 1970.
    modified: i64,
    /// The same of the last change of contents, owner or name, which no program can set.
    changed: i64,
    inode: u64,
}

impl Stamp {
    /// Returns the state of a file; `None` for a file that was changed only just now.
    pub(super) fn of(about: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let stamp = Stamp {
            size: about.size(),
            modified: nanoseconds(about.mtime(), about.mtime_nsec()),
            changed: nanoseconds(about.ctime(), about.ctime_nsec()),
            inode: about.ino(),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let settled = nanoseconds(now.as_secs() as i64 - SETTLED, 0);
        (stamp.modified.max(stamp.changed) < settled).then_some(stamp)
    }
}

fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    stamp: Stamp,
    digest: String,
}

/// Returns the digest of the file at `path`, if it looks as it did when that was found out.
pub(super) fn recall(path: &Path, stamp: &Stamp) -> Option<String> {
    recall_from(&place()?, path, stamp)
}

/// Keeps the digest of the file at `path`.
pub(super) fn remember(path: &Path, stamp: &Stamp, digest: &str) {
    if let Some(place) = place() {
        remember_in(&place, path, stamp, digest);
    }
}

fn place() -> Option<PathBuf> {
    Some(files::cache_folder()?.join("digests.json"))
}

fn read(place: &Path) -> BTreeMap<String, Entry> {
    let text = files::read(place, files::SETTINGS_MOST).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

fn recall_from(place: &Path, path: &Path, stamp: &Stamp) -> Option<String> {
    let entry = read(place).remove(path.to_str()?)?;
    (entry.stamp == *stamp).then_some(entry.digest)
}

fn remember_in(place: &Path, path: &Path, stamp: &Stamp, digest: &str) {
    let Some(name) = path.to_str() else { return };
    let mut entries = read(place);
    if entries.len() >= MOST {
        entries.retain(|name, _| Path::new(name).is_file());
    }
    if entries.len() >= MOST {
        entries.clear();
    }
    let entry = Entry {
        stamp: stamp.clone(),
        digest: digest.into(),
    };
    entries.insert(name.into(), entry);
    if let Ok(text) = serde_json::to_vec_pretty(&entries) {
        // The digest is known all the same.
        atomic::write(place, text).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(size: u64) -> Stamp {
        Stamp {
            size,
            modified: 1,
            changed: 2,
            inode: 3,
        }
    }

    #[test]
    fn a_digest_is_known_as_long_as_the_file_looks_the_same() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (place, file) = (folder.path().join("below/digests.json"), Path::new("/a/model"));
        assert_eq!(recall_from(&place, file, &stamp(1)), None);
        remember_in(&place, file, &stamp(1), "xxh3 1");
        assert_eq!(recall_from(&place, file, &stamp(1)).as_deref(), Some("xxh3 1"));
        assert_eq!(recall_from(&place, file, &stamp(2)), None);
        std::fs::write(&place, "{ damaged").expect("written");
        assert_eq!(recall_from(&place, file, &stamp(1)), None);
        remember_in(&place, file, &stamp(1), "xxh3 1");
        assert_eq!(recall_from(&place, file, &stamp(1)).as_deref(), Some("xxh3 1"));
    }

    #[test]
    fn a_place_that_cannot_be_written_is_no_error() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("written");
        remember_in(&file.join("below"), Path::new("/a"), &stamp(1), "xxh3 1");
        assert_eq!(recall_from(&file.join("below"), Path::new("/a"), &stamp(1)), None);
    }

    #[test]
    fn a_file_that_was_just_written_is_not_remembered() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        std::fs::write(&path, "x").expect("written");
        let about = std::fs::metadata(&path).expect("there");
        assert_eq!(Stamp::of(&about), None);
    }
}
