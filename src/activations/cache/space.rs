//! How much room a disk has.

use std::path::Path;

use crate::error::{Error, Result};

/// Returns the bytes that the program may still write to the file system of `folder`.
pub(super) fn free(folder: &Path) -> Result<u64> {
    let disk = rustix::fs::statvfs(folder)
        .map_err(|error| Error::io("ask for the free space of", folder, error.into()))?;
    Ok(disk.f_bavail * disk.f_frsize)
}

/// Returns a number of bytes as people read it, e.g. `1.23 TB`.
pub fn readable(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut amount = bytes as f64;
    let mut unit = 0;
    while amount >= 1000.0 && unit + 1 < units.len() {
        amount /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{amount:.2} {}", units[unit]),
    }
}

/// Refuses to begin what the disk cannot hold: `needed` more bytes in `folder`.
pub(super) fn require(folder: &Path, needed: u64) -> Result<()> {
    let free = free(folder)?;
    if needed <= free {
        return Ok(());
    }
    Err(Error::run(format!(
        "the activations will take {} more in `{}`, where {} are free",
        readable(needed),
        folder.display(),
        readable(free)
    ))
    .hint("what is written so far is whole: free some space and run the same generation again to go on")
    .hint("or choose another folder, fewer tokens, or a dtype of 16 bits"))
}
