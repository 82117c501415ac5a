//! File formats of data sets: one file each, and one row in [`FORMATS`].

mod arrow;
mod arrow_value;
mod csv;
mod guarded;
mod input;
mod json;
mod jsonl;
mod lines;
mod parquet;
mod parquet_footer;
mod plain;

use std::path::Path;

pub(super) use input::Input;

use crate::config::{Map, Value};
use crate::error::{Error, Result};
use crate::guard;

/// One record as it stands in the file: column name → value.
pub type Row = Map<String, Value>;

/// The rows of one file, in order. Ends after the first error.
pub(super) type Rows = Box<dyn Iterator<Item = Result<Row>> + Send>;

/// Which part of a file to read.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    /// Only this column; `None` reads all of them.
    pub column: Option<String>,
    /// Leave out so many rows at the start, as cheaply as the format allows.
    pub skip: u64,
}

/// How to read one kind of file.
pub(super) struct Format {
    /// What people call it.
    pub name: &'static str,
    /// File name extensions without the dot.
    pub extensions: &'static [&'static str],
    /// Can it be read through a `.gz` or `.zst` stream?
    pub compressible: bool,
    /// The column names, found out without reading the file through.
    columns: fn(&Input) -> Result<Vec<String>>,
    /// The number of rows.
    count: fn(&Input) -> Result<u64>,
    /// The rows.
    open: fn(&Input, &Selection) -> Result<Rows>,
}

/// Files are anyone's: whatever a format's reader panics at is an error that names the file.
impl Format {
    /// The column names, found out without reading the file through.
    pub(super) fn columns(&self, input: &Input) -> Result<Vec<String>> {
        caught(input, || (self.columns)(input))
    }

    /// The number of rows.
    pub(super) fn count(&self, input: &Input) -> Result<u64> {
        caught(input, || (self.count)(input))
    }

    /// The rows.
    pub(super) fn open(&self, input: &Input, selection: &Selection) -> Result<Rows> {
        let rows = caught(input, || (self.open)(input, selection))?;
        Ok(guarded::guarded(input.path.clone(), rows))
    }
}

fn caught<T>(input: &Input, work: impl FnOnce() -> Result<T>) -> Result<T> {
    guard::caught(&format!("reading `{}`", input.path.display()), work)
}

/// Every format that can be read.
pub(super) const FORMATS: &[Format] = &[
    parquet::FORMAT,
    jsonl::FORMAT,
    json::FORMAT,
    csv::FORMAT,
    arrow::FORMAT,
    plain::FORMAT,
];

/// The keys of the first record.
fn first_keys(mut rows: Rows) -> Result<Vec<String>> {
    match rows.next() {
        Some(row) => Ok(row?.keys().cloned().collect()),
        None => Ok(Vec::new()),
    }
}

/// The number of records, by reading them.
fn count_rows(mut rows: Rows) -> Result<u64> {
    rows.try_fold(0, |count, row| row.map(|_| count + 1))
}

/// The format of `path` by its extension (before `.gz` or `.zst`), if it is one of ours.
pub(super) fn of(path: &Path) -> Option<&'static Format> {
    let name = path.file_name()?.to_str()?.to_lowercase();
    let (stem, compressed) = match name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")) {
        Some(stem) => (stem, true),
        None => (name.as_str(), false),
    };
    let (_, extension) = stem.rsplit_once('.')?;
    FORMATS
        .iter()
        .find(|format| format.extensions.contains(&extension) && (!compressed || format.compressible))
}

/// The format of `path`, or an error that lists what can be read.
pub(super) fn required(path: &Path) -> Result<&'static Format> {
    of(path).ok_or_else(|| {
        Error::input(format!(
            "`{}` is not a kind of file that can be read as a data set",
            path.display()
        ))
        .hint(format!("known: {}", known_extensions()))
    })
}

/// Every format with its extensions, for messages.
pub(super) fn known_extensions() -> String {
    let known = FORMATS.iter().map(|format| {
        let dotted: Vec<String> = format.extensions.iter().map(|ext| format!(".{ext}")).collect();
        format!("{} ({})", format.name, dotted.join(", "))
    });
    let known: Vec<String> = known.collect();
    format!("{}; text formats also as .gz and .zst", known.join(", "))
}
