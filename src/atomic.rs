//! Files that appear whole or not at all: written under a temporary name, synced, then renamed.
//!
//! The temporary name is random and made afresh, so that nothing planted beside the file is written through. A link at
//! the path stays, and the regular file it stands for is replaced; pipes, sockets, devices and folders are refused.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files;
use crate::policy;

/// Links that may lead from one to the next, as the system has it.
const MOST_LINKS: usize = 40;

/// Writes the file at `path` through `fill`; a reader sees the old contents or the new ones, never a part.
///
/// Missing parent folders are made. A link is followed, also one whose target is still missing. The permissions of a
/// file that is replaced are kept, and its owner where the system allows that. On any failure the temporary file is
/// removed and `path` is as before.
///
/// # Errors
/// The folder cannot be made or written, the disk is full, or there is something else than a regular file.
pub fn write_with(
    path: impl AsRef<Path>,
    fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    let failed = |error| Error::io("write", path, error);
    let (target, old) = target_of(path).map_err(failed)?;
    let settled = policy::settled(&target).map_err(failed)?;
    let folder = folder_of(&settled);
    fs::create_dir_all(folder).map_err(|error| Error::io("create", folder_of(&target), error))?;
    replace(&settled, folder, old.as_ref(), fill).map_err(failed)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Writes `bytes` to the file at `path`, whole or not at all; see [`write_with`].
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<()> {
    write_with(path, |file| file.write_all(bytes.as_ref()))
}

/// The file that is replaced when `path` is written, after all links, and what it is now if it exists.
fn target_of(path: &Path) -> io::Result<(PathBuf, Option<Metadata>)> {
    let mut target = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        let found = match fs::symlink_metadata(&target) {
            Ok(found) => found,
            // A parent that is no folder is told when the folder is made.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok((target, None));
            }
            Err(error) => return Err(error),
        };
        if !found.is_symlink() {
            files::require_regular(found.file_type())?;
            return Ok((target, Some(found)));
        }
        let next = fs::read_link(&target)?;
        target = target.parent().unwrap_or(Path::new("")).join(next);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "its links lead to each other without end",
    ))
}

fn replace(
    path: &Path,
    folder: &Path,
    old: Option<&Metadata>,
    fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".unfinished-");
    #[cfg(unix)]
    {
        // As `open` would have it, narrowed by the umask; tempfile's own default is private to the user.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(Permissions::from_mode(0o666));
    }
    let temporary = builder.tempfile_in(folder)?;
    policy::confirm_replacing(temporary.as_file(), path)?;
    if let Some(old) = old {
        keep_access(temporary.as_file(), old)?;
    }
    let mut writer = BufWriter::with_capacity(1 << 20, temporary.as_file());
    fill(&mut writer)?;
    writer.flush()?;
    drop(writer);
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    // The rename itself is only durable once the folder is; not every file system can sync one.
    File::open(folder).and_then(|folder| folder.sync_all()).ok();
    Ok(())
}

/// Gives `file` the owner and the permissions of the file that it replaces.
#[cfg(unix)]
fn keep_access(file: &File, old: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        // Only the administrator may give files away; anybody else goes on as the owner.
        fchown(file, Some(old.uid()), Some(old.gid())).ok();
    }
    file.set_permissions(Permissions::from_mode(old.permissions().mode() & 0o777))
}

#[cfg(not(unix))]
fn keep_access(file: &File, old: &Metadata) -> io::Result<()> {
    file.set_permissions(old.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("deep/er/file");
        write(&path, "old").expect("the first write succeeds");
        let error = write_with(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("pulled out"))
        })
        .expect_err("the second write fails");
        assert!(error.message().contains("pulled out"));
        assert_eq!(fs::read_to_string(&path).expect("still there"), "old");
        let names = fs::read_dir(path.parent().expect("a parent")).expect("a folder");
        assert_eq!(names.count(), 1, "the temporary file is gone");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("file");
        write(&file, "").expect("a plain file");
        let error = write(file.join("below/x"), "").expect_err("a file is no folder");
        assert!(error.message().contains("below"), "{error}");
    }

    #[test]
    fn links_stay_and_lead_to_what_is_written() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("elsewhere")).expect("made");
        write(at("elsewhere/file"), "old").expect("written");
        fs::set_permissions(at("elsewhere/file"), Permissions::from_mode(0o640)).expect("set");
        symlink("elsewhere/file", at("link")).expect("linked");
        symlink(at("link"), at("second")).expect("linked");
        symlink("elsewhere/later", at("dangling")).expect("linked");
        symlink("round", at("round")).expect("linked");
        write(at("second"), "new").expect("written");
        write(at("dangling"), "first").expect("written");
        for (name, text) in [("elsewhere/file", "new"), ("elsewhere/later", "first")] {
            assert_eq!(fs::read_to_string(at(name)).expect("there"), text);
        }
        for name in ["link", "second", "dangling"] {
            assert!(
                fs::symlink_metadata(at(name)).expect("there").is_symlink(),
                "{name}"
            );
        }
        let mode = fs::metadata(at("elsewhere/file"))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o640, "the permissions are kept");
        let error = write(at("round"), "x").expect_err("without end");
        assert!(error.message().contains("without end"), "{error}");
    }

    #[test]
    fn what_is_no_regular_file_is_not_replaced() {
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
        std::os::unix::fs::symlink("/dev/null", at("null")).expect("linked");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
        fs::create_dir(at("folder")).expect("made");
        for (name, what) in [
            ("pipe", "a named pipe"),
            ("null", "a device"),
            ("socket", "a socket"),
            ("folder", "a folder"),
        ] {
            let before = fs::symlink_metadata(at(name)).expect("there").file_type();
            let error = write(at(name), "x").expect_err(name);
            assert!(error.message().contains(what), "{error}");
            assert_eq!(
                fs::symlink_metadata(at(name)).expect("there").file_type(),
                before,
                "{name}"
            );
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 4);
    }
}
