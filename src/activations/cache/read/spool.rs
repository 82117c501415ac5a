//! Files that were fetched from elsewhere, kept as long as they are mapped.
//!
//! They have no name: whatever happens to this program, the disk has its room back afterwards.

use std::env;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use memmap2::Mmap;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::activations::cache::index::changed;
use crate::activations::cache::space;
use crate::error::{Error, Result, byte_size};
use crate::tensor::safetensors::{self, SafeFile};
use crate::transfer::{Progress, Sink};

/// The variable that names the folder.
const FOLDER: &str = "SAESCRIPT_SPOOL";

/// A file that is being filled.
pub(super) struct Spool {
    /// What messages call the file that is fetched.
    name: PathBuf,
    /// The size that it should have, where that is known.
    bytes: Option<u64>,
    file: File,
    folder: PathBuf,
    length: u64,
}

impl Spool {
    /// Returns an empty one in the folder that `SAESCRIPT_SPOOL` names, or among the system's temporary files.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub(super) fn new(name: PathBuf, bytes: Option<u64>) -> Result<Self> {
        let given = env::var_os(FOLDER).filter(|value| !value.is_empty());
        let folder = given.map_or_else(env::temp_dir, PathBuf::from);
        let file = tempfile::tempfile_in(&folder)
            .map_err(|error| Error::io("write to", &folder, error).hint(advice()))?;
        Ok(Spool {
            name,
            bytes,
            file,
            folder,
            length: 0,
        })
    }

    /// Makes sure of room for `size` bytes.
    fn reserve(&self, size: u64) -> Result<()> {
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, size.max(1)) {
            Ok(()) => Ok(()),
            Err(Errno::NOSPC) => Err(self.full(size)),
            // Not every file system can reserve.
            Err(_) => {
                if space::free(&self.folder)? < size {
                    Err(self.full(size))
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Returns the bytes that arrived.
    ///
    /// # Errors
    /// The file cannot be mapped.
    pub(super) fn contents(&self) -> Result<Mmap> {
        // SAFETY: nobody else has this file, which has no name.
        unsafe { Mmap::map(&self.file) }.map_err(|error| Error::io("read from", &self.folder, error))
    }

    /// Maps the tensors of the whole file.
    ///
    /// # Errors
    /// What arrived is no file of tensors.
    pub(super) fn map(self) -> Result<SafeFile> {
        safetensors::map(&self.file, &self.name)
    }

    fn full(&self, size: u64) -> Error {
        let free = space::free(&self.folder).map_or("too few".into(), byte_size);
        Error::run(format!(
            "`{}` of {} has to be fetched to `{}`, where {free} are free",
            self.name.display(),
            byte_size(size),
            self.folder.display()
        ))
        .hint(advice())
        .hint("or take a smaller `prefetch` or `buffer_size`: fetched chunks are kept until their last row is used")
    }

    fn failed(&self, error: std::io::Error) -> Error {
        match error.kind() {
            std::io::ErrorKind::StorageFull => self.full(self.length),
            _ => Error::io("write to", &self.folder, error),
        }
    }
}

fn advice() -> String {
    format!("set {FOLDER} to a folder on a disk with more room")
}

impl Sink for Spool {
    fn length(&self) -> u64 {
        self.length
    }

    fn expect(&mut self, size: u64) -> Result<()> {
        match self.bytes.filter(|bytes| *bytes != size) {
            Some(bytes) => Err(changed(
                &self.name,
                &format!("it has {size} bytes, and had {bytes}"),
            )),
            None => self.reserve(size),
        }
    }

    fn append(&mut self, bytes: &[u8], progress: &Progress) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| self.failed(error))?;
        self.length += bytes.len() as u64;
        progress.add(bytes.len() as u64);
        Ok(())
    }

    fn restart(&mut self, progress: &Progress) -> Result<()> {
        progress.take_back(self.length);
        self.length = 0;
        let cleared = self
            .file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cleared.map(drop).map_err(|error| self.failed(error))
    }
}
