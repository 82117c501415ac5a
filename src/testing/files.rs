//! The scripts that have tests.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files::{SETTINGS_MOST, read};
use crate::script::TEST_PREFIX;

/// Folders whose scripts are other people's, or made by programs.
const OTHERS: [&str; 3] = ["vendor", "target", "node_modules"];

/// How deep folders are looked into.
const DEEPEST: usize = 32;

/// Returns the scripts at `path` with functions `test_*`, sorted: the file itself, or those of the folder and of all
/// below it. Hidden folders, `vendor`, `target` and `node_modules` are left out, and links are not followed.
///
/// # Errors
/// There is nothing at that place, or it cannot be read.
pub fn files_with_tests(path: &Path) -> Result<Vec<PathBuf>> {
    let kind = fs::metadata(path).map_err(|error| Error::io("read", path, error))?;
    if !kind.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut found = Vec::new();
    for script in scripts_below(path)? {
        let bytes = read(&script, SETTINGS_MOST).map_err(|error| Error::io("read", &script, error))?;
        let function = format!("fn {TEST_PREFIX}");
        if String::from_utf8_lossy(&bytes).contains(&function) {
            found.push(script);
        }
    }
    Ok(found)
}

/// Returns all scripts in `folder` and below, sorted, but for the same folders.
///
/// # Errors
/// A folder cannot be read.
pub(super) fn scripts_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    gather(folder, 0, &mut found)?;
    found.sort();
    Ok(found)
}

fn gather(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |error| Error::io("read", folder, error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(failed)?;
        let path = match folder.strip_prefix(".") {
            Ok(below) => below.join(entry.file_name()),
            Err(_) => entry.path(),
        };
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() && depth < DEEPEST && !OTHERS.contains(&name.as_str()) {
            gather(&entry.path(), depth + 1, found)?;
        } else if kind.is_file() && name.ends_with(".rhai") {
            found.push(path);
        }
    }
    Ok(())
}
