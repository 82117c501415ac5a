//! New projects and libraries.

use std::fs;
use std::path::Path;

use super::naming::{MANIFEST, check_name};
use crate::atomic;
use crate::error::{Error, Result};

/// What is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Scripts that are run.
    Project,
    /// Functions that other scripts import.
    Library,
}

type Files = &'static [(&'static str, &'static str)];

const PROJECT: Files = &[("main.rhai", include_str!("scaffold/main.rhai"))];

const LIBRARY: Files = &[
    ("lib.rhai", include_str!("scaffold/lib.rhai")),
    ("tests/share.rhai", include_str!("scaffold/test.rhai")),
    ("examples/share.rhai", include_str!("scaffold/example.rhai")),
    ("README.md", include_str!("scaffold/README.md")),
];

/// What others want to know of a library.
const LIBRARY_ABOUT: &str = r#"description = "What it is for, in a sentence"
# license = "MIT OR Apache-2.0"
# authors = ["Ada Lovelace <ada@example.org>"]
"#;

/// Begins a project or a library in `folder`, which is made, and is called as the folder. Returns the files that were
/// written, relative to it.
///
/// # Errors
/// There is something in the folder already; its name is none for a library; it cannot be written.
pub fn scaffold(folder: &Path, kind: Kind) -> Result<Vec<String>> {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    check_name(name)?;
    let is_free = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !is_free {
        return Err(
            Error::input(format!("there is something at `{}` already", folder.display()))
                .hint("choose another name, or write `saescript.toml` there yourself"),
        );
    }
    let files = match kind {
        Kind::Project => PROJECT,
        Kind::Library => LIBRARY,
    };
    let mut written = vec![MANIFEST.to_string()];
    atomic::write(folder.join(MANIFEST), manifest(name, kind))?;
    for (file, text) in files {
        let text = text
            .replace("{name}", name)
            .replace("{folder}", &folder.display().to_string());
        atomic::write(folder.join(file), text)?;
        written.push((*file).to_string());
    }
    Ok(written)
}

fn manifest(name: &str, kind: Kind) -> String {
    let about = match kind {
        Kind::Project => "",
        Kind::Library => LIBRARY_ABOUT,
    };
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n{about}saescript = \"{}\" # or later\n\n[dependencies]\n",
        env!("CARGO_PKG_VERSION")
    )
}
