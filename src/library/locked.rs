//! `saescript.lock`: which contents of which libraries a project uses.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::manifest::Manifest;
use super::naming::{LOCK, check_name};
use super::source::Source;
use crate::atomic;
use crate::error::{Error, Result};
use crate::files::{SETTINGS_MOST, read_text};

/// Which form of the lock this program reads and writes.
const FORM: u32 = 1;

/// How many letters SHA-256 has.
const HASH_LENGTH: usize = 64;

const HEADER: &str = "# Written by saescript: which contents of which libraries this project uses.\n# Keep it with the \
                      project; do not change it by hand.\n\n";

/// Which contents of which libraries a project uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    form: u32,
    /// The libraries, in order of their names and versions.
    #[serde(default, rename = "library", skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<Locked>,
}

/// One library of which a project uses exactly these contents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Where it comes from; paths are relative to the project.
    pub source: Source,
    /// The commit, where the source has commits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The hash of its contents.
    pub contents: String,
    /// What it depends on, also locked here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Id>,
}

/// Which of the locked libraries is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Id {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
}

impl Locked {
    /// Returns which one it is.
    pub fn id(&self) -> Id {
        Id {
            name: self.name.clone(),
            version: self.version.clone(),
        }
    }

    /// Compares name and version with those that the library itself has.
    ///
    /// # Errors
    /// They differ, which no program writes.
    pub fn check_against(&self, manifest: &Manifest) -> Result<()> {
        let about = &manifest.package;
        if (&about.name, &about.version) == (&self.name, &self.version) {
            return Ok(());
        }
        Err(Error::input(format!(
            "`{LOCK}` has a library as `{}` that calls itself `{} {}`",
            self.id(),
            about.name,
            about.version
        ))
        .hint(format!(
            "the lock was changed by hand; run `saescript update {}`",
            self.name
        )))
    }
}

impl Lock {
    /// Builds a lock of `libraries`.
    pub fn new(mut libraries: Vec<Locked>) -> Self {
        libraries.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        Lock {
            form: FORM,
            libraries,
        }
    }

    /// Reads the lock of the project in `folder`; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(LOCK);
        let text = match read_text(&path, SETTINGS_MOST) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", &path, error)),
        };
        let damaged = |what: String| {
            Error::input(format!("the lock `{}` cannot be used: {what}", path.display()))
                .hint("take it from the project's history, or delete it and run `saescript update`")
        };
        let lock: Lock = toml::from_str(&text).map_err(|error| damaged(error.message().to_string()))?;
        if lock.form != FORM {
            return Err(damaged(format!(
                "it is of form {}, and this program knows {FORM}",
                lock.form
            )));
        }
        match lock.check() {
            Ok(()) => Ok(Some(lock)),
            Err(error) => Err(damaged(error.to_string())),
        }
    }

    /// Refuses what this program does not write: names are parts of paths, and commits are handed to git.
    fn check(&self) -> Result<()> {
        for (index, locked) in self.libraries.iter().enumerate() {
            let id = locked.id();
            let refused = |what: String| Err(Error::input(format!("`{id}` {what}")));
            check_name(&locked.name)?;
            let hash = locked.contents.strip_prefix("sha256:").unwrap_or_default();
            if hash.len() != HASH_LENGTH || !is_hexadecimal(hash) {
                return refused(format!("has {:?} for the hash of its contents", locked.contents));
            }
            if let Some(commit) = locked.commit.as_ref().filter(|commit| !is_hexadecimal(commit)) {
                return refused(format!("has {commit:?} for its commit"));
            }
            if self.libraries[..index].iter().any(|other| other.id() == id) {
                return refused("stands there twice".into());
            }
            for needed in &locked.dependencies {
                self.get(needed)?;
            }
        }
        Ok(())
    }

    /// Writes the lock of the project in `folder`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text =
            toml::to_string(self).map_err(|error| Error::run(format!("cannot write the lock: {error}")))?;
        atomic::write(folder.join(LOCK), format!("{HEADER}{text}"))
    }

    /// Returns the library that `id` means.
    ///
    /// # Errors
    /// The lock does not have it, which no program writes.
    pub fn get(&self, id: &Id) -> Result<&Locked> {
        let found = self.libraries.iter().find(|locked| locked.id() == *id);
        found.ok_or_else(|| {
            Error::input(format!("the lock names `{id}`, and does not say what that is")).hint(
                "take `saescript.lock` from the project's history, or delete it and run `saescript update`",
            )
        })
    }
}

fn is_hexadecimal(text: &str) -> bool {
    let is_digit = |letter: char| letter.is_ascii_digit() || ('a'..='f').contains(&letter);
    !text.is_empty() && text.chars().all(is_digit)
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.name, self.version)
    }
}

impl FromStr for Id {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = || Error::input(format!("{text:?} does not name a library and its version"));
        let (name, version) = text.split_once(' ').ok_or_else(refused)?;
        Ok(Id {
            name: name.into(),
            version: version.parse().map_err(|_| refused())?,
        })
    }
}

impl From<Id> for String {
    fn from(id: Id) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for Id {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(Lock::read(folder.path()).expect("none yet"), None);
        let locked = |name: &str, dependencies: &[&str]| Locked {
            name: name.into(),
            version: Version::new(1, 2, 3),
            source: "git+https://host/a#v1".parse().expect("a source"),
            commit: Some("abc".into()),
            contents: format!("sha256:{}", "0".repeat(64)),
            dependencies: dependencies.iter().map(|id| id.parse().expect("an id")).collect(),
        };
        let lock = Lock::new(vec![locked("b", &["a 1.2.3"]), locked("a", &[])]);
        assert_eq!(lock.libraries[0].name, "a");
        lock.write(folder.path()).expect("written");
        assert_eq!(Lock::read(folder.path()).expect("read"), Some(lock));
        let text = std::fs::read_to_string(folder.path().join(LOCK)).expect("there");
        for (from, to) in [
            ("form = 1", "form = 2"),
            ("sha256", "\""),
            ("git+", "svn+"),
            ("a 1.2.3", "a"),
            // What would lead out of the folders for libraries, or be an option of git.
            ("name = \"b\"", "name = \"../b\""),
            ("sha256:0000", "sha256:../0"),
            ("sha256:0000", "sha256:000"),
            ("\"abc\"", "\"--output=x\""),
            ("name = \"b\"", "name = \"a\""),
            ("a 1.2.3", "c 1.2.3"),
            ("form = 1", "<<<<<<< HEAD\nform = 1"),
        ] {
            assert!(text.contains(from), "{text}");
            atomic::write(folder.path().join(LOCK), text.replace(from, to)).expect("written");
            let error = Lock::read(folder.path()).expect_err(from);
            assert!(error.message().contains("cannot be used"), "{error}");
        }
    }
}
