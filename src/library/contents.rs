//! The files of a library, held in memory: what was compared with a hash is what is used.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::manifest::Manifest;
use super::naming::{MANIFEST, belongs, check_file};
use crate::atomic;
use crate::error::{Error, Result, byte_size};
use crate::files::{self, without_byte_order_mark};

/// The most bytes that a library may have.
const MOST_BYTES: u64 = 64 << 20;

/// The most files that a library may have.
const MOST_FILES: usize = 10_000;

/// How deep the folders of a library may lie in each other.
const DEEPEST: usize = 32;

/// The files of a library, by their paths in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    files: BTreeMap<String, Vec<u8>>,
    /// Their paths in small letters: some systems take `a` and `A` for one.
    folded: BTreeSet<String>,
    bytes: u64,
}

impl Contents {
    /// Reads what belongs to the library in `folder`.
    ///
    /// # Errors
    /// A file cannot be read; there is a link, a pipe or a device among them, a name that a library cannot have, or too
    /// much of them.
    pub fn of_folder(folder: &Path) -> Result<Self> {
        let mut contents = Contents::default();
        contents.read_folder(folder, "", 0)?;
        Ok(contents)
    }

    fn read_folder(&mut self, folder: &Path, before: &str, depth: usize) -> Result<()> {
        let failed = |error| Error::io("read", folder, error);
        if depth > DEEPEST {
            return Err(Error::input(format!(
                "`{}` lies more than {DEEPEST} folders deep in its library",
                folder.display()
            )));
        }
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let name = format!("{before}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().map_err(failed)?;
            let inside = format!("{name}/");
            if !belongs(&name) || kind.is_dir() && !belongs(&format!("{inside}_")) {
                continue;
            }
            if entry.file_name().to_str().is_none() {
                return Err(Error::input(format!(
                    "the name of `{}` is not UTF-8, so it cannot be in a library",
                    path.display()
                )));
            }
            if kind.is_symlink() {
                return Err(link_refused(&path.display().to_string()));
            }
            if kind.is_dir() {
                self.read_folder(&path, &inside, depth + 1)?;
            } else {
                let most = MOST_BYTES.saturating_sub(self.bytes);
                if entry.metadata().map_err(failed)?.len() > most {
                    return Err(too_much());
                }
                let bytes = files::read(&path, most).map_err(|error| Error::io("read", &path, error))?;
                self.insert(&name, bytes)?;
            }
        }
        Ok(())
    }

    /// Adds a file, unless it does not belong to what is published of a library.
    ///
    /// # Errors
    /// A name that a library cannot have, or that it has already; too much of them.
    pub fn insert(&mut self, name: &str, bytes: Vec<u8>) -> Result<()> {
        check_file(name)?;
        if !belongs(name) {
            return Ok(());
        }
        self.bytes += bytes.len() as u64;
        if self.bytes > MOST_BYTES || self.files.len() >= MOST_FILES {
            return Err(too_much());
        }
        self.check_new(name)?;
        self.folded.insert(name.to_lowercase());
        self.files.insert(name.into(), bytes);
        Ok(())
    }

    /// Refuses a second file of that name, also where only capital letters differ, and a file in the place of a folder.
    fn check_new(&self, name: &str) -> Result<()> {
        let folded = name.to_lowercase();
        if self.folded.contains(&folded) {
            let error = Error::input(format!("the library has two files called `{name}`"));
            return Err(if self.files.contains_key(name) {
                error
            } else {
                error.hint("they differ in capital letters, which some systems take for the same; rename one")
            });
        }
        let below = format!("{folded}/");
        let mut after = self.folded.range(below.clone()..);
        let is_folder = after.next().is_some_and(|known| known.starts_with(&below));
        let mut above = folded.match_indices('/').map(|(end, _)| &folded[..end]);
        match above.find(|folder| self.folded.contains(*folder)) {
            Some(file) => Err(Error::input(format!(
                "the library has `{file}` as a file and as a folder"
            ))),
            None if is_folder => Err(Error::input(format!(
                "the library has `{name}` as a file and as a folder"
            ))),
            None => Ok(()),
        }
    }

    /// Returns the files with their paths, in order of these.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// Returns the text of a script, if there is a file of that name.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        let Some(bytes) = self.files.get(name) else {
            return Ok(None);
        };
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Error::input(format!("`{name}` of the library is not UTF-8 text")))?;
        Ok(Some(without_byte_order_mark(text)))
    }

    /// Returns the library's manifest; errors call it `file`.
    ///
    /// # Errors
    /// It has none, or one that is wrong.
    pub fn manifest(&self, file: &str) -> Result<Manifest> {
        let text = self.text(MANIFEST)?.ok_or_else(|| {
            Error::input(format!("there is no `{file}`, so this is no library"))
                .hint("`saescript new NAME --lib` begins one")
        })?;
        Manifest::of_text(file, text)
    }

    /// Returns the hash of all names and bytes: SHA-256 of a list with a line `SHA-256 of the file, two blanks, path`
    /// for each file in order of paths, as Go hashes its modules (`golang.org/x/mod/sumdb/dirhash`). Neither times nor
    /// permissions count.
    pub fn hash(&self) -> String {
        let mut list = String::new();
        for (name, bytes) in self.files() {
            let _ = writeln!(list, "{}  {name}", hexadecimal(&Sha256::digest(bytes)));
        }
        format!("sha256:{}", hexadecimal(&Sha256::digest(list.as_bytes())))
    }

    /// Writes all files below `folder`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        for (name, bytes) in self.files() {
            atomic::write(folder.join(name), bytes)?;
        }
        Ok(())
    }
}

/// Refuses a link in a library.
pub fn link_refused(name: &str) -> Error {
    Error::input(format!("`{name}` is a link, and a library consists of files"))
        .hint("put the file itself there")
}

fn too_much() -> Error {
    Error::input(format!(
        "a library has at most {MOST_FILES} files and {} in all",
        byte_size(MOST_BYTES)
    ))
    .hint("a library is scripts and what they need to run; keep data sets, weights and results elsewhere")
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(files: &[(&str, &str)]) -> Contents {
        let mut contents = Contents::default();
        for (name, text) in files {
            contents.insert(name, text.as_bytes().to_vec()).expect(name);
        }
        contents
    }

    #[test]
    fn the_hash_tells_names_and_bytes_and_nothing_else() {
        let first = contents(&[("a", "1"), ("b", "2")]);
        assert_eq!(first.hash(), contents(&[("b", "2"), ("a", "1")]).hash());
        for other in [
            &[("a", "1")][..],
            &[("a", "1"), ("b", "3")],
            &[("a", "1"), ("c", "2")],
            &[("a", "12"), ("b", "")],
            &[("a", "2"), ("b", "1")],
        ] {
            assert_ne!(first.hash(), contents(other).hash(), "{other:?}");
        }
        // `printf hello > a; sha256sum a | sha256sum`
        let known = "sha256:4b4a26c2f1d891924105322b0c53b3857b475f6022cb4974dc75a375bbdf3738";
        assert_eq!(contents(&[("a", "hello")]).hash(), known);
    }

    #[test]
    fn names_that_meet_on_some_system_are_refused() {
        for (first, second, said) in [
            ("a.rhai", "a.rhai", "two files called `a.rhai`"),
            ("a.rhai", "A.rhai", "two files called `A.rhai`"),
            ("src/Ä", "src/ä", "two files called"),
            ("a", "a/b", "`a` as a file and as a folder"),
            ("a/b/c", "a", "`a` as a file and as a folder"),
            ("A/b", "a", "`a` as a file and as a folder"),
        ] {
            let mut contents = contents(&[(first, "1")]);
            let error = contents.insert(second, Vec::new()).expect_err(second);
            assert!(error.message().contains(said), "{error}");
        }
        contents(&[("a-b", "1"), ("a/b", "2"), ("a.b", "3"), ("a/c", "4")]);
    }

    #[test]
    fn a_folder_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let written = contents(&[("saescript.toml", "x"), ("src/deep/a.rhai", "1")]);
        written.write(folder.path()).expect("written");
        for extra in [".git/config", "vendor/b/lib.rhai", "saescript.lock"] {
            atomic::write(folder.path().join(extra), "not of it").expect("written");
        }
        assert_eq!(Contents::of_folder(folder.path()).expect("read"), written);
    }

    #[test]
    fn links_and_pipes_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        atomic::write(at("a.rhai"), "1").expect("written");
        std::os::unix::fs::symlink("a.rhai", at("b.rhai")).expect("linked");
        let error = Contents::of_folder(folder.path()).expect_err("a link");
        assert!(error.message().contains("b.rhai` is a link"), "{error}");
        fs::remove_file(at("b.rhai")).expect("removed");
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, mode, 0)
            .expect("a pipe");
        let error = Contents::of_folder(folder.path()).expect_err("a pipe");
        assert!(error.message().contains("named pipe"), "{error}");
    }
}
