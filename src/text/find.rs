//! Files below a folder, and files that match a glob: looked for until the work shall end, and not for ever.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};

use crate::error::{Error, Result};
use crate::event::RunContext;

/// Files of one data set, far more than any has.
const MOST_FILES: usize = 1_000_000;

/// Folders within folders.
const DEEPEST: usize = 64;

/// How often it is looked whether the work shall end.
const TICK: Duration = Duration::from_millis(50);

/// Files that match `pattern`, sorted by name.
///
/// # Errors
/// No valid glob, nothing or far too much that matches, folders that cannot be read, an interruption.
pub(super) fn matching(pattern: &str, context: &RunContext) -> Result<Vec<PathBuf>> {
    let paths = glob::glob(pattern)
        .map_err(|error| Error::input(format!("`{pattern}` is not a valid glob: {}", error.msg)))?;
    // From one match to the next may be a walk over the whole disk, which cannot be interrupted; it is left behind.
    let (sender, found) = bounded(1024);
    thread::Builder::new()
        .name("saescript-glob".into())
        .spawn(move || {
            for path in paths {
                if sender.send(path).is_err() {
                    return;
                }
            }
        })
        .map_err(|error| Error::run(format!("cannot start a thread that looks for files: {error}")))?;
    let mut files = Vec::new();
    loop {
        context.check("looking for files")?;
        match found.recv_timeout(TICK) {
            Ok(Ok(path)) if path.is_file() => files.push(path),
            Ok(Ok(_)) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Err(error)) => {
                let path = error.path().to_path_buf();
                return Err(Error::io("read", path, error.into()));
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
        check_count(files.len(), pattern)?;
    }
    files.sort();
    if files.is_empty() {
        Err(Error::input(format!("no file matches `{pattern}`")))
    } else {
        Ok(files)
    }
}

/// Returns the paths of all files below `root`, relative to it and sorted; hidden folders are left out, and so is a
/// link to a folder that it lies in.
///
/// # Errors
/// Folders that cannot be read, far too many files, an interruption.
pub(super) fn below(root: &Path, context: &RunContext) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut open = vec![Folder {
        path: root.to_path_buf(),
        prefix: String::new(),
        around: vec![identity(root)?],
    }];
    while let Some(folder) = open.pop() {
        let failed = |error| Error::io("read", &folder.path, error);
        for entry in std::fs::read_dir(&folder.path).map_err(failed)? {
            context.check("looking for files")?;
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let file_name = entry.file_name().to_string_lossy().into_owned();
            let name = format!("{}{file_name}", folder.prefix);
            if !path.is_dir() {
                names.push(name);
                check_count(names.len(), &root.display().to_string())?;
            } else if !file_name.starts_with('.') {
                let identity = identity(&path)?;
                if !folder.around.contains(&identity) && folder.around.len() < DEEPEST {
                    let around = folder.around.iter().copied().chain([identity]).collect();
                    open.push(Folder {
                        path,
                        prefix: format!("{name}/"),
                        around,
                    });
                }
            }
        }
    }
    names.sort();
    Ok(names)
}

/// A folder that is to be looked through.
struct Folder {
    path: PathBuf,
    prefix: String,
    /// Itself and the folders around it.
    around: Vec<(u64, u64)>,
}

/// What tells one folder from another, whatever its path: device and inode.
fn identity(folder: &Path) -> Result<(u64, u64)> {
    let about = std::fs::metadata(folder).map_err(|error| Error::io("read", folder, error))?;
    Ok((about.dev(), about.ino()))
}

fn check_count(count: usize, place: &str) -> Result<()> {
    if count > MOST_FILES {
        Err(
            Error::input(format!("`{place}` stands for more than {MOST_FILES} files"))
                .hint("name the folder of the data set itself"),
        )
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_folder_that_links_to_itself_is_looked_through_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("a/b")).expect("made");
        std::fs::create_dir(at("other")).expect("made");
        for name in ["one.txt", "a/b/two.txt", "other/three.txt"] {
            std::fs::write(at(name), "x").expect("written");
        }
        symlink(folder.path(), at("a/b/up")).expect("a link");
        symlink(".", at("a/self")).expect("a link");
        symlink("../other", at("a/beside")).expect("a link");
        let names = below(folder.path(), &RunContext::default()).expect("readable");
        assert_eq!(
            names,
            ["a/b/two.txt", "a/beside/three.txt", "one.txt", "other/three.txt"]
        );
        let context = RunContext::default();
        context.stop.set();
        assert!(below(folder.path(), &context).is_err());
        assert!(matching("/**/*.no-such-extension", &context).is_err());
    }
}
