//! One file on its way into the cache: fetched, gone on with where it broke off, checked, put in its place.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::cache::RepoCache;
use super::checksum::{Checksum, Running};
use super::request::{Client, Metadata};
use crate::error::{Error, Result};
use crate::files;
use crate::policy::{self, Access};
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
    if let Some(length) = whole_blob(&blob, metadata, progress)? {
        progress.add(length);
        return Ok(());
    }
    let mut partial = Partial::open(cache.unfinished(&metadata.etag), metadata, progress)?;
    transfer::persist(&mut partial, progress, |partial| {
        attempt(client, address, metadata, partial, progress)
    })?;
    partial.keep_as(&blob)
}

/// The length of `blob` if it is there, and is what `metadata` announces: links to it are only made then.
fn whole_blob(blob: &Path, metadata: &Metadata, progress: &Progress) -> Result<Option<u64>, Trouble> {
    let mut file = match files::open(blob) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", blob, error).into()),
    };
    let failed = |error| Error::io("read", blob, error);
    let length = file.metadata().map_err(failed)?.len();
    if metadata.size.is_some_and(|size| size != length) {
        return Ok(None);
    }
    let Some(checksum) = Checksum::of(&metadata.etag, Some(length)) else {
        return Ok(Some(length));
    };
    let mut running = checksum.begin();
    let mut chunk = vec![0; CHUNK];
    loop {
        progress.check()?;
        match file.read(&mut chunk).map_err(failed)? {
            0 => break,
            read => running.add(&chunk[..read]),
        }
    }
    if running.finish() == metadata.etag {
        return Ok(Some(length));
    }
    progress.remark(format!(
        "`{}` is not what its name says it is; it is fetched again",
        blob.display()
    ));
    Ok(None)
}

/// Opens the `.incomplete` file at `path`, or begins it. What is no plain file of this cache alone (a link, a pipe,
/// another name of some file elsewhere) is removed first: writing must not reach through it.
fn open_partial(path: &Path) -> io::Result<File> {
    if fs::symlink_metadata(path).is_ok_and(|found| !is_plain(&found)) {
        fs::remove_file(path)?;
    }
    let mut options = File::options();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.custom_flags(flags.bits() as i32);
    }
    let file = options.open(path)?;
    files::require_regular(file.metadata()?.file_type())?;
    policy::confirm(Access::Write, &file, path)?;
    Ok(file)
}

#[cfg(unix)]
fn is_plain(found: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    found.is_file() && found.nlink() == 1
}

#[cfg(not(unix))]
fn is_plain(found: &fs::Metadata) -> bool {
    found.is_file()
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
        let file = open_partial(&path);
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
            return if self.length < size {
                Err(Trouble::Broken(what))
            } else {
                self.restart(progress)?;
                Err(Trouble::Corrupt(what))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_files_are_not_written_through_links() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("precious"), "kept").expect("written");
        std::os::unix::fs::symlink(at("precious"), at("link")).expect("linked");
        fs::hard_link(at("precious"), at("name")).expect("linked");
        fs::write(at("begun"), "half").expect("written");
        for name in ["link", "name", "new"] {
            let mut file = open_partial(&at(name)).expect(name);
            file.write_all(b"weights").expect("written");
            assert_eq!(
                fs::read_to_string(at("precious")).expect("there"),
                "kept",
                "{name}"
            );
            assert_eq!(fs::read_to_string(at(name)).expect("there"), "weights");
        }
        let mut text = String::new();
        let mut begun = open_partial(&at("begun")).expect("opened");
        begun.read_to_string(&mut text).expect("read");
        assert_eq!(text, "half", "what is there is gone on with");
    }

    #[test]
    fn blobs_are_compared_with_their_names() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let blob = folder.path().join("blob");
        // Git's name of the blob `hello\n`.
        let metadata = Metadata {
            etag: "ce013625030ba8dba906f756967f9e9ca394464a".into(),
            size: Some(6),
            commit: String::new(),
            elsewhere: false,
        };
        let progress = Progress::default();
        for (text, whole) in [("hello\n", Some(6)), ("jello\n", None), ("hello", None)] {
            fs::write(&blob, text).expect("written");
            let found = whole_blob(&blob, &metadata, &progress)
                .map_err(|_| "trouble")
                .expect("read");
            assert_eq!(found, whole, "{text:?}");
        }
    }
}
