//! What is granted of every kind of access.

use std::path::{Path, PathBuf};

use super::access::Access;
use super::hosts::Hosts;
use super::paths::Folders;

/// Names of environment variables; one that ends with `*` stands for all that begin so.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    all: bool,
    names: Vec<String>,
}

impl Names {
    /// Returns all names.
    pub fn all() -> Self {
        Names {
            all: true,
            names: Vec::new(),
        }
    }

    /// Adds a name.
    pub fn add(&mut self, name: String) {
        self.names.push(name);
    }

    /// Adds all names.
    pub fn add_everything(&mut self) {
        self.all = true;
    }

    /// Returns whether `name` is one of them.
    pub fn holds(&self, name: &str) -> bool {
        let is = |known: &String| match known.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => known == name,
        };
        self.all || self.names.iter().any(is)
    }
}

/// What is granted of every kind; nothing by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rights {
    /// Files and folders to read.
    pub read: Folders,
    /// Files and folders to write.
    pub write: Folders,
    /// Servers.
    pub net: Hosts,
    /// Variables of the environment.
    pub env: Names,
    /// Folders of this program's own, in which it works for scripts that name other things: models of the hub, say. No
    /// script can name a path there.
    pub own: Folders,
    /// Names of files that may be written only where they are named themselves: those that grant rights.
    pub guarded: &'static [&'static str],
    /// May they have a folder of their own among the temporary files?
    pub temporary: bool,
    /// What somebody allowed once.
    pub(super) once: Vec<(Access, PathBuf)>,
}

impl Rights {
    /// Returns everything.
    pub fn all() -> Self {
        Rights {
            read: Folders::everywhere(),
            write: Folders::everywhere(),
            net: Hosts::all(),
            env: Names::all(),
            ..Rights::default()
        }
    }

    /// Returns these rights, with the program's own folders and what is guarded.
    pub(super) fn with_those_of_the_program(
        mut self,
        own: &Folders,
        guarded: &'static [&'static str],
    ) -> Self {
        self.own = own.clone();
        self.guarded = guarded;
        self
    }

    /// Returns whether a script may name `path`, which has no links.
    pub(super) fn allows_path(&self, access: Access, path: &Path) -> bool {
        match access {
            Access::Read => self.read.hold(path),
            _ => self.may_write(path),
        }
    }

    fn may_write(&self, path: &Path) -> bool {
        let is_guarded = path
            .file_name()
            .is_some_and(|name| self.guarded.iter().any(|guarded| name == *guarded));
        if is_guarded {
            self.write.names(path)
        } else {
            self.write.hold(path)
        }
    }

    /// Returns whether the file may be used that lies at `path`, which has no links. What may be written is also opened
    /// to be read: to go on with it, or to compare.
    pub(super) fn allows_opened(&self, access: Access, path: &Path) -> bool {
        let was_allowed = |(known, at): &(Access, PathBuf)| *known == access && path.starts_with(at);
        self.allows_path(access, path)
            || self.write.hold(path)
            || self.own.hold(path)
            || self.once.iter().any(was_allowed)
    }

    /// Grants a path without links.
    pub(super) fn grant_path(&mut self, access: Access, path: PathBuf) {
        match access {
            Access::Read => self.read.add_resolved(path),
            _ => self.write.add_resolved(path),
        }
    }

    /// Lets a file be opened that a person allowed once.
    pub(super) fn allow_once(&mut self, access: Access, path: &Path) {
        self.once.push((access, path.to_path_buf()));
    }
}
