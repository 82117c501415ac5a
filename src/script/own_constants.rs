//! What every script finds: its arguments, and where it lies.

use std::path::Path;

use rhai::{Array, Dynamic};

/// Returns `ARGS`, `SCRIPT_DIR` and `SCRIPT_PATH` of the script at `path`; without one it lies in the working folder.
pub fn own_constants(arguments: &[String], path: Option<&Path>) -> [(&'static str, Dynamic); 3] {
    let folder = path.and_then(Path::parent).map(|folder| {
        if folder.as_os_str().is_empty() {
            ".".to_string()
        } else {
            folder.display().to_string()
        }
    });
    let arguments: Array = arguments.iter().map(|text| text.clone().into()).collect();
    let file = path.map(|path| path.display().to_string()).unwrap_or_default();
    [
        ("ARGS", arguments.into()),
        ("SCRIPT_DIR", folder.unwrap_or_else(|| ".".into()).into()),
        ("SCRIPT_PATH", file.into()),
    ]
}
