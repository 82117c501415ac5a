//! File formats of data sets: one file each, and one row in [`FORMATS`].

mod arrow;
mod arrow_value;
mod csv;
mod guarded;
mod input;
mod json;
mod json_lines;
mod json_value;
mod jsonl;
mod lines;
mod manner;
mod parquet;
mod parquet_footer;
mod plain;
mod reader;
mod rows;

use std::path::Path;

pub(super) use input::Input;
pub(super) use manner::Manner;
pub use manner::SampleBy;
pub(super) use reader::Format;
pub(super) use rows::{Entry, Rows, Selection, Wanted};

use crate::error::{Error, Result};

/// Every format that can be read.
pub(super) const FORMATS: &[Format] = &[
    parquet::FORMAT,
    jsonl::FORMAT,
    json::FORMAT,
    csv::FORMAT,
    arrow::FORMAT,
    plain::FORMAT,
];

/// The format of `path` by its extension (before `.gz` or `.zst`), if it is one of ours.
pub(super) fn of(path: &Path) -> Option<&'static Format> {
    let name = path.file_name()?.to_str()?;
    let stem = input::stem(path);
    let compressed = stem.len() < name.len();
    let (_, extension) = stem.rsplit_once('.')?;
    FORMATS
        .iter()
        .find(|format| format.extensions.contains(&extension) && (!compressed || format.compressible))
}

/// Returns the format of `path`, or an error that lists what can be read.
pub(super) fn required(path: &Path) -> Result<&'static Format> {
    of(path).ok_or_else(|| {
        Error::input(format!(
            "`{}` is not a kind of file that can be read as a data set",
            path.display()
        ))
        .hint(format!("known: {}", known_extensions()))
    })
}

/// Returns the formats that a setting is for, for messages.
pub(super) fn with_setting(key: &str) -> String {
    let formats = FORMATS.iter().filter(|format| format.settings.contains(&key));
    let names: Vec<&str> = formats.map(|format| format.name).collect();
    names.join(" and ")
}

/// Returns every format with its extensions, for messages.
pub(super) fn known_extensions() -> String {
    let known = FORMATS.iter().map(|format| {
        let dotted: Vec<String> = format.extensions.iter().map(|ext| format!(".{ext}")).collect();
        format!("{} ({})", format.name, dotted.join(", "))
    });
    let known: Vec<String> = known.collect();
    format!("{}; text formats also as .gz and .zst", known.join(", "))
}
