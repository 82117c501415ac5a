//! What no script may read, whatever it was granted: tokens, and the files that they are kept in. The programs' own
//! clients use them, each for its own server.

use std::path::{Component, Path};
use std::sync::Arc;

use super::paths::Folders;

/// Names of variables, and files.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    variables: Vec<String>,
    files: Folders,
}

impl Secrets {
    /// Returns the secrets in these variables and files.
    pub fn new<S: Into<String>, P: AsRef<Path>>(
        variables: impl IntoIterator<Item = S>,
        files: impl IntoIterator<Item = P>,
    ) -> Self {
        Secrets(Arc::new(Inner {
            variables: variables.into_iter().map(Into::into).collect(),
            files: files.into_iter().collect(),
        }))
    }

    /// Returns whether the variable `name` is one.
    pub(super) fn holds_variable(&self, name: &str) -> bool {
        self.0.variables.iter().any(|known| known == name)
    }

    /// Returns whether the file at `path`, which has no links, is one. The system shows the environments and the memory
    /// of programs as files, too.
    pub(super) fn holds_file(&self, path: &Path) -> bool {
        self.0.files.hold(path) || shows_a_program(path)
    }
}

/// `/proc/PROCESS/environ`, and what else shows what a program holds.
fn shows_a_program(path: &Path) -> bool {
    const SHOWN: [&str; 2] = ["environ", "mem"];
    let mut parts = path.components();
    let is_proc =
        parts.next() == Some(Component::RootDir) && parts.next() == Some(Component::Normal("proc".as_ref()));
    is_proc && parts.any(|part| SHOWN.iter().any(|name| part.as_os_str() == *name))
}
