//! Data files opened for reading: regular files only, and no more of them than the reader can hold. Also tells whether
//! an open file still lies where it was opened.
//!
//! A pipe would keep its reader waiting for ever and a device such as `/dev/zero` would fill the memory, so neither is
//! read where a file of weights, settings or records is expected. The errors are those of [`std::io`], for
//! [`Error::io`](crate::error::Error::io) to put into words.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::memory;
use crate::policy::{self, Access};

/// The most bytes that a file of settings may have: far more than any `config.json` or TOML file needs.
pub const SETTINGS_MOST: u64 = 64 << 20;

/// Opens the regular file at `path` for reading; links are followed.
///
/// # Errors
/// There is none, it may not be read, or it is a folder, a named pipe, a socket or a device; whom this thread works for may
/// not read it.
pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
    let path = path.as_ref();
    // Asked before it is opened as well: opening alone makes a pipe wait and some devices act.
    require_regular(std::fs::metadata(path)?.file_type())?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // For a pipe that took the file's place since; regular files ignore it.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    }
    let file = options.open(path)?;
    require_regular(file.metadata()?.file_type())?;
    policy::confirm(Access::Read, &file, path)?;
    Ok(file)
}

/// Returns the bytes of the regular file at `path`, at most `most` of them.
///
/// # Errors
/// As of [`open`]; it is longer than `most`, or than the memory budget has room for.
pub fn read(path: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    if length > most {
        return Err(too_long(most));
    }
    memory::admit(length, "the file")
        .map_err(|error| io::Error::new(io::ErrorKind::OutOfMemory, error.message().to_string()))?;
    let mut bytes = Vec::with_capacity(length as usize);
    // What grows while it is read, and what the system makes up as it goes (`/proc`), tells no length.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        Err(too_long(most))
    } else {
        Ok(bytes)
    }
}

/// Returns the text of the regular file at `path`, at most `most` bytes of UTF-8.
///
/// # Errors
/// As of [`read`]; it is not UTF-8.
pub fn read_text(path: impl AsRef<Path>, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it is not UTF-8 text (byte {at})"),
        )
    })
}

/// Returns `text` without the byte-order mark that some editors put before it.
pub fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Returns the folder for what this program can find again if it is lost: `$XDG_CACHE_HOME/saescript`, or in `~/.cache`.
/// `None` where the environment names neither.
pub fn cache_folder() -> Option<PathBuf> {
    let absolute = |variable: &str| {
        let path = PathBuf::from(std::env::var_os(variable)?);
        path.is_absolute().then_some(path)
    };
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("saescript"))
}

/// Opens the file at `path` to lock it, and makes it where it is missing; links are not followed, and nothing in it is
/// changed.
///
/// # Errors
/// It cannot be made, or it is something else than a regular file.
pub fn open_lock(path: impl AsRef<Path>) -> io::Result<File> {
    let path = path.as_ref();
    if let Ok(found) = std::fs::symlink_metadata(path) {
        require_regular(found.file_type())?;
    }
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.custom_flags(flags.bits() as i32);
    }
    let file = options.open(path)?;
    policy::confirm(Access::Write, &file, path)?;
    Ok(file)
}

/// Refuses what is no regular file, saying what it is.
///
/// # Errors
/// It is a folder, a named pipe, a socket or a device.
pub fn require_regular(kind: FileType) -> io::Result<()> {
    if kind.is_file() {
        return Ok(());
    }
    let (error, what) = if kind.is_dir() {
        (io::ErrorKind::IsADirectory, "a folder")
    } else {
        (io::ErrorKind::InvalidInput, special(kind))
    };
    Err(io::Error::new(error, format!("it is {what}, not a regular file")))
}

/// Refuses to go on writing to `file` when it no longer is what lies at `path`: what is written would be lost.
///
/// # Errors
/// The file, or a folder above it, was removed, renamed or replaced since `file` was opened.
pub fn require_still_at(file: &File, path: impl AsRef<Path>) -> io::Result<()> {
    let there = match std::fs::symlink_metadata(&path) {
        // A link that its user put there is followed, as it was when the file was opened.
        Ok(found) if found.is_symlink() => std::fs::metadata(&path),
        found => found,
    };
    match there {
        Ok(found) if same_file(&found, &file.metadata()?) => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Err(io::Error::other(
            "it was removed or replaced while it was being written, so nothing more is written",
        )),
    }
}

#[cfg(unix)]
fn same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn same_file(_: &Metadata, _: &Metadata) -> bool {
    true
}

#[cfg(unix)]
fn special(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_symlink() => "a link",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn special(_: FileType) -> &'static str {
    "something else"
}

fn too_long(most: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it has more than {most} bytes, the most that are read of such a file"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal<T>(result: io::Result<T>) -> String {
        match result {
            Ok(_) => panic!("it was read"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .expect("a pipe");
        std::os::unix::fs::symlink("/dev/zero", at("link")).expect("a link");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
        for (path, what) in [
            (at("pipe"), "a named pipe"),
            (at("link"), "a device"),
            (at("socket"), "a socket"),
            (folder.path().to_path_buf(), "a folder"),
        ] {
            let error = refusal(read(path, SETTINGS_MOST));
            assert_eq!(error, format!("it is {what}, not a regular file"));
        }
        assert!(refusal(open_lock(at("link"))).contains("a link"));
        open_lock(at("lock")).expect("made");
        let missing = open(at("missing")).expect_err("there is none");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn an_open_file_is_missed_once_it_is_gone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("below/log");
        let make = || {
            std::fs::create_dir_all(folder.path().join("below")).expect("made");
            File::create(&path).expect("made")
        };
        let file = make();
        require_still_at(&file, &path).expect("it is there");
        std::fs::remove_dir_all(folder.path().join("below")).expect("removed");
        assert!(refusal(require_still_at(&file, &path)).contains("removed or replaced"));
        let other = make();
        assert!(refusal(require_still_at(&file, &path)).contains("removed or replaced"));
        require_still_at(&other, &path).expect("it is there");
    }

    #[test]
    fn no_more_is_read_than_allowed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("text");
        std::fs::write(&path, "äbc").expect("written");
        assert_eq!(read_text(&path, 4).expect("four bytes"), "äbc");
        assert!(refusal(read(&path, 3)).contains("more than 3 bytes"));
        // A file of the kernel's own says that it has no bytes.
        assert!(refusal(read("/proc/self/maps", 10)).contains("more than 10 bytes"));
        std::fs::write(&path, b"a\xff").expect("written");
        assert!(refusal(read_text(&path, 9)).contains("byte 1"));
    }
}
