//! Free space where something big is written.

use std::env;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::byte_size;
/// Free space where something big is written.
#[derive(Debug, Serialize)]
pub(super) struct Disk {
    pub(super) purpose: &'static str,
    pub(super) path: PathBuf,
    /// In bytes, for this user.
    pub(super) free: u64,
    #[serde(skip)]
    pub(super) remedy: &'static str,
}

impl Disk {
    pub(super) fn line(&self) -> String {
        format!(
            "{} free for {} ({})",
            byte_size(self.free),
            self.purpose,
            self.path.display()
        )
    }
}

/// Returns the free space for runs, downloads and temporary files.
pub(super) fn disks(cache: &Path) -> Vec<Disk> {
    let places = [
        (
            "runs in this folder",
            env::current_dir().unwrap_or_default(),
            "write runs elsewhere, or free some space",
        ),
        (
            "models and data sets",
            cache.to_path_buf(),
            "set HF_HOME to a folder on another disk, or free some space",
        ),
        (
            "temporary files",
            env::temp_dir(),
            "set TMPDIR to a folder on another disk, or free some space",
        ),
    ];
    let measured = places.into_iter().filter_map(|(purpose, path, remedy)| {
        // The cache may not exist yet; what counts is the disk it would be on.
        let existing = path.ancestors().find(|folder| folder.exists())?;
        let disk = rustix::fs::statvfs(existing).ok()?;
        Some(Disk {
            purpose,
            free: disk.f_bavail * disk.f_frsize,
            path,
            remedy,
        })
    });
    measured.collect()
}
