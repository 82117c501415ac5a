//! One file on its way into the cache: fetched, gone on with where it broke off, checked, put in its place.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::cache::RepoCache;
use super::checksum::{Checksum, Running};
use super::request::{Client, Metadata};
use crate::error::{Error, Result};
use crate::transfer::{self, Progress, Sink, Trouble};

const CHUNK: usize = 1 << 18;

/// Brings the file at `address` into the cache under the name that `metadata` gives its contents.
///
/// # Errors
/// What remains after all attempts. What arrived is kept and gone on with the next time, unless it was wrong.
pub(super) fn fetch(
    client: &Client,
    cache: &RepoCache,
    address: &str,
    metadata: &Metadata,
    progress: &Progress,
) -> Result<(), Trouble> {
    let blob = cache.blob(&metadata.etag);
    let _lock = cache.lock(&metadata.etag, progress)?;
    if let Ok(known) = fs::metadata(&blob)
        && metadata.size.is_none_or(|size| size == known.len())
    {
        progress.add(known.len());
        return Ok(());
    }
    let mut partial = Partial::open(cache.unfinished(&metadata.etag), metadata, progress)?;
    transfer::persist(&mut partial, progress, |partial| {
        attempt(client, address, metadata, partial, progress)
    })?;
    partial.keep_as(&blob)
}

/// Fetches what is missing and checks the whole.
fn attempt(
    client: &Client,
    address: &str,
    metadata: &Metadata,
    partial: &mut Partial,
    progress: &Progress,
) -> Result<(), Trouble> {
    progress.check()?;
    if metadata.size.is_none_or(|size| partial.length < size) {
        // Another server has another ETag for the same contents; there the checksum at the end has to do.
        let condition = (!metadata.elsewhere).then(|| ("if-range", format!("\"{}\"", metadata.etag)));
        transfer::receive(
            partial,
            condition,
            progress,
            |headers| client.get(address, headers, progress),
            |_| Ok(metadata.size),
        )?;
    }
    partial.check(metadata, progress)
}

/// The `.incomplete` file.
struct Partial {
    path: PathBuf,
    file: File,
    length: u64,
    checksum: Option<Checksum>,
    running: Option<Running>,
}

impl Partial {
    /// Opens what an earlier attempt left, or begins anew.
    fn open(path: PathBuf, metadata: &Metadata, progress: &Progress) -> Result<Self, Trouble> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
        let mut options = File::options();
        let file = options
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path);
        let checksum = Checksum::of(&metadata.etag, metadata.size);
        let mut partial = Partial {
            file: file.map_err(|error| Error::io("write", &path, error))?,
            path,
            length: 0,
            checksum,
            running: checksum.map(Checksum::begin),
        };
        let mut chunk = vec![0; CHUNK];
        loop {
            progress.check()?;
            let read = partial
                .file
                .read(&mut chunk)
                .map_err(|error| partial.failed(error))?;
            if read == 0 {
                break;
            }
            partial.count(&chunk[..read], progress);
        }
        if metadata.size.is_some_and(|size| partial.length > size) {
            partial.restart(progress)?;
        }
        Ok(partial)
    }

    fn count(&mut self, bytes: &[u8], progress: &Progress) {
        if let Some(running) = &mut self.running {
            running.add(bytes);
        }
        self.length += bytes.len() as u64;
        progress.add(bytes.len() as u64);
    }

    /// Is it the file that was announced? What is too short may be gone on with; what is wrong is thrown away.
    fn check(&mut self, metadata: &Metadata, progress: &Progress) -> Result<(), Trouble> {
        if let Some(size) = metadata.size.filter(|size| *size != self.length) {
            let what = format!("{} bytes arrived of {size}", self.length);
            return match self.length < size {
                true => Err(Trouble::Broken(what)),
                false => {
                    self.restart(progress)?;
                    Err(Trouble::Corrupt(what))
                }
            };
        }
        let sum = self.running.clone().map(Running::finish);
        match sum {
            Some(sum) if sum != metadata.etag => {
                self.restart(progress)?;
                Err(Trouble::Corrupt(format!(
                    "its checksum is {sum}, but the hub announced {}",
                    metadata.etag
                )))
            }
            _ => Ok(()),
        }
    }

    fn keep_as(self, blob: &Path) -> Result<(), Trouble> {
        self.file.sync_all().map_err(|error| self.failed(error))?;
        fs::rename(&self.path, blob).map_err(|error| Error::io("write", blob, error))?;
        Ok(())
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::io("write", &self.path, error)
    }
}

impl Sink for Partial {
    fn length(&self) -> u64 {
        self.length
    }

    fn append(&mut self, bytes: &[u8], progress: &Progress) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| self.failed(error))?;
        self.count(bytes, progress);
        Ok(())
    }

    fn restart(&mut self, progress: &Progress) -> Result<()> {
        progress.take_back(self.length);
        self.length = 0;
        self.running = self.checksum.map(Checksum::begin);
        let cleared = self
            .file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cleared.map(drop).map_err(|error| self.failed(error))
    }
}
