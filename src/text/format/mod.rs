//! File formats of data sets: one file each, and one row in [`FORMATS`].

mod arrow;
mod arrow_value;
mod csv;
mod guarded;
mod input;
mod json;
mod json_value;
mod jsonl;
mod lines;
mod parquet;
mod parquet_footer;
mod plain;

use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use input::Input;

use super::cell::{self, Row};
use crate::error::{Error, Result};
use crate::guard;

/// What stands in the place of a record: its row, or what is wrong with it.
pub(super) type Entry = Result<Row, Error>;

/// The records of one file, in order. Ends after the first error from which the file cannot be read on; what is wrong
/// with one record alone is an [`Entry`].
pub(super) type Rows = Box<dyn Iterator<Item = Result<Entry>> + Send>;

/// Which columns to read.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted(Option<Arc<[String]>>);

impl Wanted {
    /// Takes these columns, each by its name or by a path such as `meta.text` into one.
    pub(super) fn only(columns: Vec<String>) -> Self {
        Wanted(Some(columns.into()))
    }

    /// Returns whether the column called `name` is to be read. All are where nothing else is said.
    pub(super) fn takes(&self, name: &str) -> bool {
        let begins = |columns: &Arc<[String]>| columns.iter().any(|column| cell::begins(column, name));
        self.0.as_ref().is_none_or(begins)
    }

    /// The columns by their names or paths; `None`: all.
    fn columns(&self) -> Option<&[String]> {
        self.0.as_deref()
    }

    /// The wanted columns of `row`.
    fn of(&self, mut row: Row) -> Row {
        if self.0.is_some() {
            row.retain(|name, _| self.takes(name));
        }
        row
    }
}

/// Which part of a file to read.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    /// The columns.
    pub wanted: Wanted,
    /// Leave out so many rows at the start, as cheaply as the format allows.
    pub skip: u64,
}

/// How plain text is cut into records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SampleBy {
    /// Each line is a record, a blank one too.
    #[default]
    Line,
    /// Blank lines stand between records.
    Paragraph,
    /// Each file is a record.
    Document,
}

impl SampleBy {
    /// Its name in settings.
    pub(super) fn name(self) -> &'static str {
        match self {
            SampleBy::Line => "line",
            SampleBy::Paragraph => "paragraph",
            SampleBy::Document => "document",
        }
    }
}

/// What the settings say of how files are to be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Manner {
    /// What stands between the cells of CSV; `None`: a comma, or a tab in `.tsv`.
    pub separator: Option<u8>,
    /// The key of a JSON object under which the list of records is.
    pub field: Option<String>,
    /// The column that a record of text has, or a path to it.
    pub text_column: String,
    /// How plain text is cut.
    pub sample_by: SampleBy,
}

/// How to read one kind of file.
pub(super) struct Format {
    /// What people call it.
    pub name: &'static str,
    /// File name extensions without the dot.
    pub extensions: &'static [&'static str],
    /// Can it be read through a `.gz` or `.zst` stream?
    pub compressible: bool,
    /// The settings of a data set that tell how to read it, beyond those for every format.
    pub settings: &'static [&'static str],
    /// The column names, found out without reading the file through.
    columns: fn(&Input) -> Result<Vec<String>>,
    /// The number of rows.
    count: fn(&Input) -> Result<u64>,
    /// The rows.
    open: fn(&Input, &Selection) -> Result<Rows>,
}

/// Files are anyone's: whatever a format's reader panics at is an error that names the file.
impl Format {
    /// Returns the column names, found out without reading the file through.
    pub(super) fn columns(&self, input: &Input) -> Result<Vec<String>> {
        caught(input, || (self.columns)(input))
    }

    /// Returns the number of rows.
    pub(super) fn count(&self, input: &Input) -> Result<u64> {
        caught(input, || (self.count)(input))
    }

    /// Returns the rows.
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

/// Records that are looked at to find out the columns, and bytes of texts in them.
const SAMPLE: (usize, usize) = (1000, 8 << 20);

/// The keys of the first records, each of which may lack some.
///
/// # Errors
/// What is wrong with the first record, if none of them can be read.
fn sampled_keys(rows: Rows) -> Result<Vec<String>> {
    let mut keys = Row::new();
    let (mut bytes, mut wrong) = (0, None);
    for entry in rows.take(SAMPLE.0) {
        match entry.flatten() {
            Ok(row) => {
                bytes += row
                    .values()
                    .filter_map(cell::Cell::as_str)
                    .map(str::len)
                    .sum::<usize>();
                keys.extend(row);
            }
            Err(error) => {
                wrong.get_or_insert(error);
            }
        }
        if bytes > SAMPLE.1 {
            break;
        }
    }
    match wrong.filter(|_| keys.is_empty()) {
        Some(error) => Err(error),
        None => Ok(keys.into_keys().collect()),
    }
}

/// The number of records, by reading them.
fn count_rows(mut rows: Rows) -> Result<u64> {
    rows.try_fold(0, |count, entry| entry.map(|_| count + 1))
}

/// Do Arrow's readers say in this way that a text is not UTF-8? They have no other.
fn is_of_encoding(what: &str) -> bool {
    let what = what.to_lowercase();
    what.contains("utf-8") || what.contains("utf8")
}

/// A file of a format that promises UTF-8 holds a text that is none. Its readers give up a whole batch of records then.
fn not_utf8(path: &Path) -> Error {
    Error::input(format!(
        "`{}` holds a text that is not valid UTF-8, which its format promises",
        path.display()
    ))
    .hint("write it again from valid texts; what wrote it did not check them")
}

/// The name of a file in lower case, and without the `.gz` or `.zst` of a compressed one.
fn stem(path: &Path) -> String {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let stem = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst"));
    stem.unwrap_or(&name).to_string()
}

/// Returns the format of `path` by its extension (before `.gz` or `.zst`), if it is one of ours.
pub(super) fn of(path: &Path) -> Option<&'static Format> {
    let name = path.file_name()?.to_str()?;
    let stem = stem(path);
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
