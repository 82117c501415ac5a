//! Where a library comes from.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Where a library comes from.
///
/// As text, in `saescript.lock` and in messages: `path+../probes`, `file+probes-0.1.0.tar.zst`,
/// `git+https://host/probes#v1`, `hf:org/probes#main`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Source {
    /// Its folder, relative to the manifest's.
    Path(String),
    /// Its archive, relative to the manifest's folder.
    File(String),
    /// A git repository.
    Git {
        /// Its address.
        url: String,
        /// Branch, tag or commit; `None`: the branch that the repository shows first.
        rev: Option<String>,
    },
    /// A repository on the hub.
    Hub {
        /// `ORG/REPO`.
        id: String,
        /// Branch, tag or commit; `None`: main.
        rev: Option<String>,
    },
}

impl Source {
    /// Reads a source as people write it on a command line: a folder or an archive, `git+URL#REV`, `hf:ORG/REPO#REV`.
    ///
    /// # Errors
    /// It is none of these; there is no such folder or archive.
    pub fn of_argument(text: &str) -> Result<Self> {
        if text.starts_with("git+") || text.starts_with("hf:") {
            return text.parse();
        }
        let path = Path::new(text);
        if path.is_dir() {
            return Ok(Source::Path(text.into()));
        }
        if path.is_file() {
            return Ok(Source::File(text.into()));
        }
        let error = Error::input(format!("there is neither a folder nor an archive `{text}`"));
        Err(if text.contains("://") || text.starts_with("git@") {
            error.hint(format!("for a git repository write `git+{text}`"))
        } else {
            error.hint("a library is added from its folder, its archive, `git+URL#REV` or `hf:ORG/REPO`")
        })
    }

    /// Returns whether it is a place on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Source::Path(_) | Source::File(_) => true,
            Source::Git { url, .. } => !url.contains(':') || url.starts_with("file:"),
            Source::Hub { .. } => false,
        }
    }

    /// Refuses what the program `git` could take for an option, or what no lock could keep.
    ///
    /// # Errors
    /// An address or a revision of another form.
    pub fn check(&self) -> Result<()> {
        let odd = |text: &str| text.is_empty() || text.starts_with('-') || text.contains(char::is_control);
        let (what, text, rev) = match self {
            Source::Path(path) => ("path", path, None),
            Source::File(path) => ("file", path, None),
            Source::Git { url, rev } => ("git", url, rev.as_ref()),
            Source::Hub { id, rev } => ("hub", id, rev.as_ref()),
        };
        if odd(text) || (!matches!(self, Source::Path(_) | Source::File(_)) && text.contains('#')) {
            return Err(Error::input(format!("{text:?} is no source of a library")).under(what));
        }
        match rev {
            Some(rev) if odd(rev) => Err(Error::input(format!(
                "{rev:?} is no revision: expected a branch, a tag or a commit"
            ))
            .under("rev")),
            _ => Ok(()),
        }
    }

    /// Returns the source of a dependency of what lies at `folder`, seen from the project: paths are joined and made
    /// plain, so that the same place is written the same.
    pub fn seen_from(&self, folder: &str) -> Self {
        let join = |path: &str| plain(&Path::new(folder).join(path));
        match self {
            Source::Path(path) => Source::Path(join(path)),
            Source::File(path) => Source::File(join(path)),
            Source::Git { url, rev } if !url.contains(':') => Source::Git {
                url: join(url),
                rev: rev.clone(),
            },
            other => other.clone(),
        }
    }
}

/// The path without `.`, and without `x/..`.
fn plain(path: &Path) -> String {
    let mut parts = PathBuf::new();
    for part in path.components() {
        let before = parts.components().next_back();
        match part {
            Component::CurDir => (),
            Component::ParentDir if matches!(before, Some(Component::Normal(_))) => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    match parts.to_string_lossy() {
        text if text.is_empty() => ".".into(),
        text => text.into_owned(),
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut with_rev = |start: &str, text: &str, rev: &Option<String>| match rev {
            Some(rev) => write!(formatter, "{start}{text}#{rev}"),
            None => write!(formatter, "{start}{text}"),
        };
        match self {
            Source::Path(path) => with_rev("path+", path, &None),
            Source::File(path) => with_rev("file+", path, &None),
            Source::Git { url, rev } => with_rev("git+", url, rev),
            Source::Hub { id, rev } => with_rev("hf:", id, rev),
        }
    }
}

impl FromStr for Source {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let with_rev = |rest: &str| match rest.split_once('#') {
            Some((before, rev)) => (before.to_string(), Some(rev.to_string())),
            None => (rest.to_string(), None),
        };
        let source = if let Some(path) = text.strip_prefix("path+") {
            Source::Path(path.into())
        } else if let Some(path) = text.strip_prefix("file+") {
            Source::File(path.into())
        } else if let Some(rest) = text.strip_prefix("git+") {
            let (url, rev) = with_rev(rest);
            Source::Git { url, rev }
        } else if let Some(rest) = text.strip_prefix("hf:") {
            let (id, rev) = with_rev(rest);
            Source::Hub { id, rev }
        } else {
            return Err(Error::input(format!("{text:?} is no source of a library")));
        };
        source.check()?;
        Ok(source)
    }
}

impl From<Source> for String {
    fn from(source: Source) -> String {
        source.to_string()
    }
}

impl TryFrom<String> for Source {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_as_they_are_written() {
        for text in [
            "path+../a b",
            "file+a#1.tar.zst",
            "git+https://host/a.git",
            "git+git@host:a/b.git#v1.0",
            "hf:org/repo#main",
        ] {
            let source: Source = text.parse().expect(text);
            assert_eq!(source.to_string(), text);
        }
        for text in [
            "",
            "a",
            "git+",
            "git+--upload-pack=x",
            "git+https://x#-x",
            "hf:a/b#",
            "path+a\nb",
        ] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }

    #[test]
    fn one_place_is_written_in_one_way() {
        let seen = |folder: &str, path: &str| Source::Path(path.into()).seen_from(folder).to_string();
        assert_eq!(seen("", "./a"), "path+a");
        assert_eq!(seen("../b", "../a/"), "path+../a");
        assert_eq!(seen("..", "../a"), "path+../../a");
        assert_eq!(seen("b", "/a"), "path+/a");
        assert_eq!(seen("b", ".."), "path+.");
    }

    #[test]
    fn an_address_without_its_kind_is_explained() {
        let error = Source::of_argument("https://host/probes").expect_err("no folder");
        assert_eq!(
            error.hints(),
            ["for a git repository write `git+https://host/probes`"]
        );
    }
}
