//! Text files, and what there is on disk: `read_text`, `write_text`, `exists`, `list_dir`, `glob`.

use std::path::Path;

use rhai::plugin::*;
use rhai::{Array, Dynamic, Module};

use crate::atomic;
use crate::error::{Error, Result};
use crate::files;
use crate::memory;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::script::permissions::ask_to_read;

/// Puts the functions into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "files", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// The names in a folder, in order. Such as are not text are left out.
fn names_in(folder: &str) -> Result<Vec<String>> {
    let refused = |error| Error::io("list", folder, error);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(refused)? {
        names.extend(entry.map_err(refused)?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

/// The paths that a pattern matches and the script may read, in order.
fn matching(context: &NativeCallContext, pattern: &str) -> Result<Vec<String>> {
    let paths = glob::glob(pattern).map_err(|error| {
        Error::input(format!("`{pattern}` is no pattern of paths: {}", error.msg))
            .hint("`*` stands for any part of a name, `**` for any folders, `?` for one letter, `[ab]` for one of these")
    })?;
    let mut found = Vec::new();
    for path in paths {
        let path = path
            .map_err(|error| Error::io("list", error.path(), std::io::Error::from(error.error().kind())))?;
        // A link leads elsewhere than the pattern says.
        ask_to_read(context, &path)?;
        found.extend(path.into_os_string().into_string().ok());
    }
    Ok(found)
}

fn array(texts: Vec<String>) -> Array {
    texts.into_iter().map(Dynamic::from).collect()
}

#[export_module(manifest)]
mod functions {
    /// Returns whether there is a file or folder of that path; a link that leads nowhere is none.
    #[rhai_fn(volatile)]
    pub fn exists(path: &str) -> bool {
        Path::new(path).exists()
    }

    /// Returns whether there is a file of that path.
    #[rhai_fn(volatile)]
    pub fn is_file(path: &str) -> bool {
        Path::new(path).is_file()
    }

    /// Returns whether there is a folder of that path.
    #[rhai_fn(volatile)]
    pub fn is_dir(path: &str) -> bool {
        Path::new(path).is_dir()
    }

    /// Returns the names of the files and folders in a folder, in order: `list_dir(".")`.
    #[rhai_fn(return_raw, volatile)]
    pub fn list_dir(path: &str) -> RhaiResultOf<Array> {
        names_in(path).map(array).raise()
    }

    /// Returns the paths that a pattern matches, in order: `glob("runs/*/metrics.jsonl")`, `glob("**/*.rhai")`.
    #[rhai_fn(return_raw, volatile)]
    pub fn glob(context: NativeCallContext, pattern: &str) -> RhaiResultOf<Array> {
        matching(&context, pattern).map(array).raise()
    }

    /// Returns the text of a file in UTF-8. Pipes and devices are refused.
    #[rhai_fn(return_raw, volatile)]
    pub fn read_text(path: &str) -> RhaiResultOf<String> {
        files::read_text(path, memory::limit() / 4)
            .map_err(|error| Error::io("read", path, error))
            .raise()
    }

    /// Writes a text into a file, whole or not at all; its folder is made where it is missing. A link stays, and what
    /// it leads to is written; pipes and devices are refused.
    #[rhai_fn(return_raw, volatile)]
    pub fn write_text(path: &str, text: &str) -> RhaiResultOf<()> {
        atomic::write(path, text).raise()
    }
}
