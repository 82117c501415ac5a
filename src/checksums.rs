//! `checksums.json`: size and checksum of the files of a folder, written with them and compared when they are read.
//!
//! Folders of trained weights and checkpoints have one. It is a JSON object of file names, each with `bytes` and
//! `xxh3` (XXH3 of 64 bits, in hexadecimal). Files that it does not name are not checked, and a folder without it, as
//! other programs write them, is not checked at all.

use std::collections::BTreeMap;
use std::fs;
use std::hash::Hasher;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use crate::atomic;
use crate::error::{Error, Result};
use crate::files::{self, SETTINGS_MOST};

/// The name of the list in its folder.
pub const FILE: &str = "checksums.json";

/// What is known of one file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    bytes: u64,
    xxh3: String,
}

type Entries = BTreeMap<String, Entry>;

/// Returns the checksum of `bytes`: XXH3, 64 bits in hexadecimal.
pub fn of_bytes(bytes: &[u8]) -> String {
    format!("{:016x}", XxHash3_64::oneshot(bytes))
}

/// Returns the checksum of the file at `path`, read in pieces.
///
/// # Errors
/// It cannot be read.
pub fn of_file(path: &Path) -> Result<String> {
    let failed = |error| Error::io("read", path, error);
    let mut file = files::open(path).map_err(failed)?;
    let mut hasher = XxHash3_64::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece).map_err(failed)? {
            0 => return Ok(format!("{:016x}", hasher.finish())),
            read => hasher.write(&piece[..read]),
        }
    }
}

/// Returns whether `folder` has a list.
pub fn exist(folder: &Path) -> bool {
    folder.join(FILE).exists()
}

/// Takes `names` off the list of `folder`, before they are written: a crash until they are [`record`]ed leaves files
/// that are not checked, not files that seem to be altered.
///
/// # Errors
/// The list is damaged, or cannot be written.
pub fn forget(folder: &Path, names: &[&str]) -> Result<()> {
    let Some(mut entries) = read(folder)? else {
        return Ok(());
    };
    let before = entries.len();
    entries.retain(|name, _| !names.contains(&name.as_str()));
    if entries.len() == before {
        Ok(())
    } else {
        write(folder, &entries)
    }
}

/// Puts the files `names`, which were just written, on the list of `folder`, which is made where it is missing.
///
/// # Errors
/// A file cannot be read, the list is damaged or cannot be written.
pub fn record(folder: &Path, names: &[&str]) -> Result<()> {
    let mut entries = read(folder)?.unwrap_or_default();
    for name in names {
        entries.insert((*name).to_string(), entry(&folder.join(name))?);
    }
    write(folder, &entries)
}

/// Puts every file that `folder` itself holds and that is not on its list yet there.
///
/// # Errors
/// As of [`record`].
pub fn record_rest(folder: &Path) -> Result<()> {
    let mut entries = read(folder)?.unwrap_or_default();
    let failed = |error| Error::io("read", folder, error);
    for found in fs::read_dir(folder).map_err(failed)? {
        let path = found.map_err(failed)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_file() && name != FILE && !entries.contains_key(&name) {
            entries.insert(name, entry(&path)?);
        }
    }
    write(folder, &entries)
}

/// Compares the files `names` of `folder` with its list; those that are not on it pass.
///
/// # Errors
/// A file was altered, cut short or removed; the list is damaged.
pub fn check(folder: &Path, names: &[&str]) -> Result<()> {
    for (name, entry) in read(folder)?.unwrap_or_default() {
        if names.contains(&name.as_str()) {
            compare(&folder.join(name), &entry)?;
        }
    }
    Ok(())
}

/// Compares every file on the list of `folder` with it. Files that are not on it do not matter.
///
/// # Errors
/// As of [`check`].
pub fn check_all(folder: &Path) -> Result<()> {
    let entries = read(folder)?.unwrap_or_default();
    entries
        .iter()
        .try_for_each(|(name, entry)| compare(&folder.join(name), entry))
}

fn compare(path: &Path, entry: &Entry) -> Result<()> {
    let altered = |what: String| {
        Error::input(format!(
            "`{}` was altered after it was written: {what}",
            path.display()
        ))
        .hint(format!(
            "take an intact copy; if it was changed on purpose, delete `{}` to read it unchecked",
            path.with_file_name(FILE).display()
        ))
    };
    let bytes = match fs::metadata(path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(altered("it is missing".into())),
        Err(error) => return Err(Error::io("read", path, error)),
    };
    if bytes != entry.bytes {
        return Err(altered(format!("it has {bytes} bytes, and had {}", entry.bytes)));
    }
    let sum = of_file(path)?;
    if sum == entry.xxh3 {
        Ok(())
    } else {
        Err(altered(format!("its checksum is {sum}, and was {}", entry.xxh3)))
    }
}

fn entry(path: &Path) -> Result<Entry> {
    let found = fs::metadata(path).map_err(|error| Error::io("read", path, error))?;
    Ok(Entry {
        bytes: found.len(),
        xxh3: of_file(path)?,
    })
}

/// The list of `folder`; `None` where there is none.
fn read(folder: &Path) -> Result<Option<Entries>> {
    let path: PathBuf = folder.join(FILE);
    let text = match files::read(&path, SETTINGS_MOST) {
        Ok(text) => text,
        // A link to nothing was a list once.
        Err(error) if error.kind() == ErrorKind::NotFound && fs::symlink_metadata(&path).is_err() => {
            return Ok(None);
        }
        Err(error) => return Err(Error::io("read", &path, error)),
    };
    match serde_json::from_slice::<Entries>(&text) {
        // Nothing writes an empty list: it was cut down since.
        Ok(entries) if !entries.is_empty() => Ok(Some(entries)),
        Ok(_) => Err(damaged(&path, "it names no file")),
        Err(error) => Err(damaged(&path, &error.to_string())),
    }
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::input(format!(
        "the list of checksums `{}` is damaged: {what}",
        path.display()
    ))
    .hint("take an intact copy of the folder, or delete the list to read the files unchecked")
}

fn write(folder: &Path, entries: &Entries) -> Result<()> {
    let path = folder.join(FILE);
    if entries.is_empty() {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", &path, error)),
            _ => Ok(()),
        };
    }
    let text = serde_json::to_string_pretty(entries)
        .map_err(|error| Error::run(format!("cannot write the checksums: {error}")))?;
    atomic::write(path, text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_altered_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        check_all(folder.path()).expect("without a list nothing is checked");
        for name in ["a", "b"] {
            fs::write(at(name), "contents").expect("written");
        }
        record(folder.path(), &["a"]).expect("recorded");
        record_rest(folder.path()).expect("recorded");
        check_all(folder.path()).expect("as they were written");
        fs::write(at("surplus"), "more").expect("written");
        check_all(folder.path()).expect("what is not on the list does not matter");
        let refusal = || {
            check_all(folder.path())
                .expect_err("altered")
                .message()
                .to_string()
        };
        fs::write(at("b"), "contentt").expect("written");
        assert!(
            refusal().contains("/b` was altered") && refusal().contains("its checksum is"),
            "{}",
            refusal()
        );
        check(folder.path(), &["a"]).expect("only b was altered");
        fs::write(at("b"), "").expect("written");
        assert!(refusal().contains("it has 0 bytes, and had 8"), "{}", refusal());
        fs::remove_file(at("b")).expect("removed");
        assert!(refusal().contains("it is missing"), "{}", refusal());
        forget(folder.path(), &["b"]).expect("written");
        check_all(folder.path()).expect("forgotten");
        for text in ["", "{}", "{\"a\""] {
            fs::write(at(FILE), text).expect("written");
            assert!(refusal().contains("is damaged"), "{}", refusal());
        }
    }
}
