//! The records of one file, and which of them are wanted.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::text::cell::{self, Row};

/// What stands in the place of a record: its row, or what is wrong with it.
pub(in crate::text) type Entry = Result<Row, Error>;

/// The records of one file, in order. Ends after the first error from which the file cannot be read on; what is wrong
/// with one record alone is an [`Entry`].
pub(in crate::text) type Rows = Box<dyn Iterator<Item = Result<Entry>> + Send>;

/// Which columns to read.
#[derive(Clone, Debug, Default)]
pub(in crate::text) struct Wanted(Option<Arc<[String]>>);

impl Wanted {
    /// These columns, each by its name or by a path such as `meta.text` into one.
    pub(in crate::text) fn only(columns: Vec<String>) -> Self {
        Wanted(Some(columns.into()))
    }

    /// Is the column called `name` to be read? All are where nothing else is said.
    pub(in crate::text) fn takes(&self, name: &str) -> bool {
        let begins = |columns: &Arc<[String]>| columns.iter().any(|column| cell::begins(column, name));
        self.0.as_ref().is_none_or(begins)
    }

    /// The columns by their names or paths; `None`: all.
    pub(super) fn columns(&self) -> Option<&[String]> {
        self.0.as_deref()
    }

    /// The wanted columns of `row`.
    pub(super) fn of(&self, mut row: Row) -> Row {
        if self.0.is_some() {
            row.retain(|name, _| self.takes(name));
        }
        row
    }
}

/// Which part of a file to read.
#[derive(Clone, Debug, Default)]
pub(in crate::text) struct Selection {
    /// The columns.
    pub wanted: Wanted,
    /// Leave out so many rows at the start, as cheaply as the format allows.
    pub skip: u64,
}

/// Records that are looked at to find out the columns, and bytes of texts in them.
const SAMPLE: (usize, usize) = (1000, 8 << 20);

/// The keys of the first records, each of which may lack some.
///
/// # Errors
/// What is wrong with the first record, if none of them can be read.
pub(super) fn sampled_keys(rows: Rows) -> Result<Vec<String>> {
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
pub(super) fn count_rows(mut rows: Rows) -> Result<u64> {
    rows.try_fold(0, |count, entry| entry.map(|_| count + 1))
}

/// Do Arrow's readers say in this way that a text is not UTF-8? They have no other.
pub(super) fn is_of_encoding(what: &str) -> bool {
    let what = what.to_lowercase();
    what.contains("utf-8") || what.contains("utf8")
}

/// A file of a format that promises UTF-8 holds a text that is none. Its readers give up a whole batch of records then.
pub(super) fn not_utf8(path: &Path) -> Error {
    Error::input(format!(
        "`{}` holds a text that is not valid UTF-8, which its format promises",
        path.display()
    ))
    .hint("write it again from valid texts; what wrote it did not check them")
}
