//! Folders in use: whoever writes into one holds its lock, so that two runs never mix there.
//!
//! The lock is the operating system's, on the file `.lock` in the folder: it ends with its process, however that ends.
//! The file says who holds it. Reading a folder takes no lock.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{Access, access};
use rustix::io::Errno;

use crate::clock::timestamp;
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::files;

/// The most that is read of what a lock's file says.
const LONGEST_NOTE: u64 = 256;

/// A folder that is held. Clones hold it together; it is free again when the last is gone.
#[derive(Clone, Debug)]
pub struct FolderLock {
    _held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    folder: PathBuf,
    /// What is held, for messages: "folder" or "store", and its path.
    what: (&'static str, PathBuf),
    /// Did the folder come into being with the lock?
    made: bool,
    path: PathBuf,
    /// `None` on a file system without locks.
    file: Option<File>,
}

impl FolderLock {
    /// Holds `folder`, which is made where it is missing, for `doing` ("training").
    ///
    /// # Errors
    /// Another process holds it; it cannot be written.
    pub fn take(folder: &Path, doing: &str, context: &RunContext) -> Result<Self> {
        Self::take_part(folder, ".lock", doing, context)
    }

    /// Holds, as [`take`](Self::take) does, one of several parts that are written side by side, each with a file
    /// `name`.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn take_part(folder: &Path, name: &str, doing: &str, context: &RunContext) -> Result<Self> {
        Self::hold(Held::new(folder, name), doing, context)
    }

    /// Holds the store at `path`, one file among others, by the file `.NAME.lock` beside it.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn take_store(path: &Path, doing: &str, context: &RunContext) -> Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("store");
        let mut held = Held::new(folder, &format!(".{name}.lock"));
        held.what = ("store", path.to_path_buf());
        Self::hold(held, doing, context)
    }

    fn hold(mut held: Held, doing: &str, context: &RunContext) -> Result<Self> {
        let folder = held.folder.clone();
        let made = !folder.exists();
        fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
        held.made = made;
        held.file = held.lock(doing)?;
        if held.file.is_none() {
            context.events.warn(format!(
                "the file system of `{}` has no locks: see to it that nothing else writes there meanwhile",
                folder.display()
            ))?;
        }
        Ok(FolderLock {
            _held: Arc::new(held),
        })
    }

    /// Refuses what [`take`](Self::take) refuses, and changes nothing.
    ///
    /// # Errors
    /// A process holds the folder; it cannot be made or written.
    pub fn look(folder: &Path) -> Result<()> {
        Self::look_at_part(folder, ".lock")
    }

    /// Looks, as [`look`](Self::look) does, at a part with a file `name`.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub fn look_at_part(folder: &Path, name: &str) -> Result<()> {
        require_makeable(folder).map_err(|code| Error::io("create", folder, code.into()))?;
        let held = Held::new(folder, name);
        if folder.exists() {
            access(folder, Access::WRITE_OK | Access::EXEC_OK)
                .map_err(|code| held.unwritable(code.into()))?;
        }
        if fs::symlink_metadata(&held.path).is_ok() {
            let file = held.open()?;
            if let Err(TryLockError::WouldBlock) = file.try_lock_shared() {
                return Err(held.in_use(file));
            }
        }
        Ok(())
    }
}

/// Why `folder` cannot be made, unless it is there.
fn require_makeable(folder: &Path) -> rustix::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if fs::symlink_metadata(folder).is_ok() {
        return Err(Errno::EXIST);
    }
    let named = folder.ancestors().skip(1).map(|above| {
        if above.as_os_str().is_empty() {
            Path::new(".")
        } else {
            above
        }
    });
    match named.into_iter().find(|above| above.exists()) {
        Some(above) if !above.is_dir() => Err(Errno::NOTDIR),
        Some(above) => access(above, Access::WRITE_OK | Access::EXEC_OK),
        None => Ok(()),
    }
}

impl Held {
    /// Returns what is to hold `folder`, or a part of it, by its file `name`.
    fn new(folder: &Path, name: &str) -> Self {
        Held {
            folder: folder.to_path_buf(),
            what: ("folder", folder.to_path_buf()),
            made: false,
            path: folder.join(name),
            file: None,
        }
    }

    fn lock(&self, doing: &str) -> Result<Option<File>> {
        let failed = |error| Error::io("lock", &self.path, error);
        loop {
            let mut file = self.open()?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(self.in_use(file)),
                Err(TryLockError::Error(error)) if has_no_locks(&error) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            // Whoever held it before may have removed the file between its opening and its locking.
            let ours = file.metadata().map_err(failed)?;
            if fs::symlink_metadata(&self.path).is_ok_and(|there| there.ino() == ours.ino()) {
                let note = format!(
                    "{}, {doing} since {}\n",
                    ourselves(),
                    timestamp(SystemTime::now())
                );
                let written = file.set_len(0).and_then(|()| file.write_all(note.as_bytes()));
                written.map_err(failed)?;
                return Ok(Some(file));
            }
        }
    }

    /// The lock's file; never what a link leads to.
    fn open(&self) -> Result<File> {
        files::open_lock(&self.path).map_err(|error| self.unwritable(error))
    }

    fn unwritable(&self, error: std::io::Error) -> Error {
        Error::io("write", &self.path, error).hint(format!(
            "without it the {0} cannot be locked; choose another {0}",
            self.what.0
        ))
    }

    fn in_use(&self, file: File) -> Error {
        let mut note = String::new();
        let holder = match file.take(LONGEST_NOTE).read_to_string(&mut note) {
            Ok(_) if !note.trim().is_empty() => note.trim(),
            _ => "another process",
        };
        let (what, path) = &self.what;
        Error::input(format!("the {what} `{}` is in use: {holder}", path.display()))
            .hint(format!("wait until that has ended, or choose another {what}"))
    }
}

impl Drop for Held {
    /// Removes the file while it is still locked, and the folder if nothing came of it.
    fn drop(&mut self) {
        if self.file.is_some() {
            fs::remove_file(&self.path).ok();
        }
        if self.made {
            fs::remove_dir(&self.folder).ok();
        }
    }
}

fn has_no_locks(error: &std::io::Error) -> bool {
    let code = error.raw_os_error();
    error.kind() == ErrorKind::Unsupported || code == Some(libc::ENOLCK) || code == Some(libc::EOPNOTSUPP)
}

fn ourselves() -> String {
    let host = rustix::system::uname();
    format!(
        "process {} on {}",
        std::process::id(),
        host.nodename().to_string_lossy()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(folder: &Path) -> Result<FolderLock> {
        FolderLock::take(folder, "training", &RunContext::default())
    }

    #[test]
    fn one_holds_a_folder_at_a_time_and_leaves_nothing() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let folder = parent.path().join("results");
        let first = take(&folder).expect("free");
        let shared = first.clone();
        drop(first);
        let error = take(&folder).expect_err("in use").to_string();
        assert!(
            error.contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        assert!(error.contains(", training since 20"), "{error}");
        drop(shared);
        assert!(!folder.exists(), "nothing came of it");
        fs::create_dir(&folder).expect("made");
        drop(take(&folder).expect("free"));
        assert_eq!(fs::read_dir(&folder).expect("there").count(), 0);
    }

    #[test]
    fn a_look_refuses_what_taking_refuses_and_changes_nothing() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| parent.path().join(name);
        fs::write(at("file"), "").expect("written");
        for wrong in [at("file"), at("file/below"), at("file/below/it")] {
            let taken = take(&wrong).expect_err("refused").to_string();
            let looked = FolderLock::look(&wrong).expect_err("refused").to_string();
            assert_eq!(looked, taken);
        }
        FolderLock::look(&at("new/folder")).expect("free");
        assert!(!at("new").exists());
        let lock = take(&at("held")).expect("free");
        let looked = FolderLock::look(&at("held")).expect_err("in use").to_string();
        assert_eq!(looked, take(&at("held")).expect_err("in use").to_string());
        drop(lock);
        fs::create_dir(at("held")).expect("made");
        FolderLock::look(&at("held")).expect("free again");
        assert_eq!(fs::read_dir(at("held")).expect("there").count(), 0);
    }

    #[test]
    fn what_a_killed_process_left_is_taken_over_and_no_link_is_followed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(".lock");
        fs::write(&path, "process 1 on elsewhere, training since long ago").expect("written");
        drop(take(folder.path()).expect("free"));
        let precious = folder.path().join("precious");
        fs::write(&precious, "kept").expect("written");
        std::os::unix::fs::symlink(&precious, &path).expect("linked");
        assert!(take(folder.path()).is_err());
        assert_eq!(fs::read_to_string(&precious).expect("read"), "kept");
    }
}
