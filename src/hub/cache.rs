//! One repository's place in the cache, in the layout of `huggingface_hub`.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use hf_hub::{Cache, CacheRepo, Repo};

use crate::atomic;
use crate::error::{Error, Result};
use crate::files;
use crate::transfer::{Progress, Trouble};

/// How often a lock that another process holds is tried again.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// The folder of one repository: `models--ORG--NAME/{blobs,refs,snapshots,.no_exist}`.
#[derive(Debug)]
pub(super) struct RepoCache {
    names: CacheRepo,
    root: PathBuf,
    locks: PathBuf,
    revision: String,
}

/// What the cache knows of a file in one commit.
pub(super) enum Known {
    /// It is here.
    Here(PathBuf),
    /// The hub said that the commit does not have it.
    Absent,
    /// It was never asked for.
    Unknown,
}

impl RepoCache {
    pub(super) fn new(cache: &Cache, repo: &Repo) -> Self {
        RepoCache {
            names: cache.repo(repo.clone()),
            root: cache.path().join(repo.folder_name()),
            locks: cache.path().join(".locks").join(repo.folder_name()),
            revision: repo.revision().to_string(),
        }
    }

    /// Returns the commit that the revision stood for when the hub was asked last.
    pub(super) fn commit(&self) -> Option<String> {
        if is_commit(&self.revision) {
            return Some(self.revision.clone());
        }
        let path = self.root.join("refs").join(&self.revision);
        let text = files::read_text(path, files::SETTINGS_MOST).ok()?;
        let commit = text.trim();
        is_name(commit).then(|| commit.to_string())
    }

    /// Notes what the revision stands for now.
    pub(super) fn set_commit(&self, commit: &str) -> Result<()> {
        if self.commit().as_deref() == Some(commit) {
            Ok(())
        } else {
            atomic::write(self.root.join("refs").join(&self.revision), commit)
        }
    }

    /// Returns the folder with the files of a commit.
    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.names.pointer_path(commit)
    }

    /// Returns what is known of `file` in `commit`.
    pub(super) fn known(&self, commit: &str, file: &str) -> Known {
        let pointer = self.snapshot(commit).join(file);
        // Follows the link: one whose blob was deleted counts for nothing.
        if pointer.is_file() {
            Known::Here(pointer)
        } else if self.absent(commit, file).exists() {
            Known::Absent
        } else {
            Known::Unknown
        }
    }

    /// Notes that `commit` has no `file`.
    pub(super) fn note_absent(&self, commit: &str, file: &str) -> Result<()> {
        atomic::write(self.absent(commit, file), "")
    }

    fn absent(&self, commit: &str, file: &str) -> PathBuf {
        self.root.join(".no_exist").join(commit).join(file)
    }

    /// Returns where the contents with this ETag lie.
    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.names.blob_path(etag)
    }

    /// Returns where they lie as long as they are not whole.
    pub(super) fn unfinished(&self, etag: &str) -> PathBuf {
        self.names.blob_path(&format!("{etag}.incomplete"))
    }

    /// Returns where the names of all files of a commit are kept. Python has no such list and passes over it.
    pub(super) fn listing(&self, commit: &str) -> PathBuf {
        self.root.join(".files").join(format!("{commit}.json"))
    }

    /// Makes `file` of `commit` a link to its contents.
    pub(super) fn link(&self, commit: &str, file: &str, etag: &str) -> Result<PathBuf> {
        let pointer = self.snapshot(commit).join(file);
        let folder = pointer.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
        let mut target = PathBuf::new();
        for _ in 0..=Path::new(file).components().count() {
            target.push("..");
        }
        target.push("blobs");
        target.push(etag);
        let linked = tempfile::Builder::new()
            .prefix(".link-")
            .make_in(folder, |path| make_link(&target, &self.blob(etag), path))
            .and_then(|link| Ok(link.into_temp_path().persist(&pointer)?));
        linked.map_err(|error| Error::io("link", &pointer, error))?;
        Ok(pointer)
    }

    /// Waits until no other process or thread works at the contents with this ETag. The lock ends with the file.
    pub(super) fn lock(&self, etag: &str, progress: &Progress) -> Result<File, Trouble> {
        let path = self.locks.join(format!("{etag}.lock"));
        let failed = |error| Error::io("lock", &path, error);
        fs::create_dir_all(&self.locks).map_err(|error| Error::io("create", &self.locks, error))?;
        let file = files::open_lock(&path).map_err(failed)?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {
                    if !told {
                        progress.remark("waiting for another process that downloads the same file".into());
                        told = true;
                    }
                    progress.check()?;
                    thread::sleep(LOCK_PAUSE);
                }
                // Some network file systems have no locks; the checksum then still finds what two writers mixed up.
                Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
                    return Ok(file);
                }
                Err(TryLockError::Error(error)) => return Err(failed(error).into()),
            }
        }
    }
}

#[cfg(unix)]
fn make_link(target: &Path, _: &Path, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn make_link(_: &Path, blob: &Path, path: &Path) -> std::io::Result<()> {
    fs::hard_link(blob, path)
}

/// Returns whether `revision` is a commit's own name, which never stands for anything else.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns whether `text` can be the name of a file in the cache: a commit or an ETag.
pub(super) fn is_name(text: &str) -> bool {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && text.len() <= 200 && !text.starts_with('.') && text.bytes().all(usual)
}
