//! How much room a disk has.

use std::path::Path;

use crate::error::{Error, Result, byte_size};

/// Returns the bytes that the program may still write to the file system of `folder`.
pub(super) fn free(folder: &Path) -> Result<u64> {
    let disk = rustix::fs::statvfs(folder)
        .map_err(|error| Error::io("ask for the free space of", folder, error.into()))?;
    Ok(disk.f_bavail * disk.f_frsize)
}

/// Refuses to begin what the disk cannot hold: `needed` more bytes in `folder`.
pub(super) fn require(folder: &Path, needed: u64) -> Result<()> {
    let free = free(folder)?;
    if needed <= free {
        return Ok(());
    }
    Err(Error::run(format!(
        "the activations will take {} more in `{}`, where {} are free",
        byte_size(needed),
        folder.display(),
        byte_size(free)
    ))
    .hint("what is written so far is whole: free some space and run the same generation again to go on")
    .hint("or choose another folder, fewer tokens, or a dtype of 16 bits"))
}
