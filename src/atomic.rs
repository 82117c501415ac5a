//! Files that appear whole or not at all: written under a temporary name, synced, then renamed.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Writes the file at `path` through `fill`; a reader sees the old contents or the new ones, never a part.
///
/// Missing parent folders are made. On any failure the temporary file is removed and `path` is as before.
///
/// # Errors
/// The folder cannot be made or written, or the disk is full.
pub fn write_with(
    path: impl AsRef<Path>,
    fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
    replace(path, folder, fill).map_err(|error| Error::io("write", path, error))
}

/// Writes `bytes` to the file at `path`, whole or not at all; see [`write_with`].
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<()> {
    write_with(path, |file| file.write_all(bytes.as_ref()))
}

fn replace(
    path: &Path,
    folder: &Path,
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
}
