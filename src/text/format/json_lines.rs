//! Lines of JSON, one object each.

use std::path::Path;

use super::input::Input;
use super::json_value;
use super::lines::{Line, Lines, place};
use super::rows::{Entry, Rows, Selection};
use crate::error::{Error, Result};
use crate::text::cell::{Cell, Row, described};

/// The objects, one a line; blank lines are none.
pub(super) fn lines(input: &Input, selection: &Selection) -> Result<Rows> {
    let (path, wanted) = (input.path.clone(), selection.wanted.clone());
    let filled = Lines::open(input)?.filter(|line| !line.as_ref().is_ok_and(Line::is_blank));
    let filled = filled.skip(selection.skip as usize);
    Ok(Box::new(filled.map(move |line| {
        Ok(object(line?, &path).map(|row| wanted.of(row)))
    })))
}

/// Counts the lines that are not blank.
pub(super) fn count(input: &Input) -> Result<u64> {
    let mut lines = Lines::open(input)?;
    lines.try_fold(0, |count, line| Ok(count + u64::from(!line?.is_blank())))
}

/// The object in a line.
fn object(line: Line, path: &Path) -> Entry {
    let number = line.number;
    let text = line.text(path)?;
    record(&text).map_err(|wrong| {
        let place = place(path, number);
        match wrong.at {
            Some(at) => Error::input(format!(
                "{place}, column {}: {}",
                text[..at].chars().count() + 1,
                wrong.what
            )),
            None => Error::input(format!("{place}: {}", wrong.what)),
        }
    })
}

/// Why a text is no record.
pub(super) struct Wrong {
    pub what: String,
    /// The byte at which it shows, if there is one.
    pub at: Option<usize>,
}

/// The record that a JSON object is.
pub(super) fn record(text: &str) -> Result<Row, Wrong> {
    match json_value::parse(text) {
        Ok(Cell::Map(row)) => Ok(row),
        Ok(other) => Err(Wrong {
            what: format!(
                "expected a JSON object, for each record is one, but this {}",
                described(Some(&other))
            ),
            at: None,
        }),
        Err(broken) => Err(Wrong {
            what: format!("broken JSON: {}", broken.what),
            at: Some(broken.at),
        }),
    }
}
