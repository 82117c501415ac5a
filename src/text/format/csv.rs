//! CSV and TSV: the first line names the columns, and every cell is a text.

use std::io::Read;
use std::path::{Path, PathBuf};

use csv::{Reader, ReaderBuilder, StringRecordsIntoIter};

use super::input::{self, Record, Watched};
use super::{Format, Input, Row, Rows, Selection};
use crate::error::{Error, Result};

type Text = Watched<Box<dyn Read + Send>>;

pub(super) const FORMAT: Format = Format {
    name: "CSV",
    extensions: &["csv", "tsv"],
    compressible: true,
    columns: |input| header(&input.path, &mut reader(input)?.0),
    count: |input| super::count_rows(open(input, &Selection::default())?),
    open,
};

/// The reader, and what is told where each record begins.
fn reader(input: &Input) -> Result<(Reader<Text>, Record)> {
    let name = input.path.to_string_lossy();
    let tabs = name.contains(".tsv");
    let mut builder = ReaderBuilder::new();
    builder.delimiter(if tabs { b'\t' } else { b',' });
    let (text, record) = input.text()?.by_record();
    Ok((builder.from_reader(text), record))
}

fn header(path: &Path, reader: &mut Reader<Text>) -> Result<Vec<String>> {
    let names = reader.headers().map_err(|error| broken(path, &error))?;
    // Excel's byte-order mark is no part of the first name.
    let names = names
        .iter()
        .map(|name| name.trim_start_matches('\u{feff}').to_string());
    let names: Vec<String> = names.collect();
    let twice = names
        .iter()
        .enumerate()
        .find(|(at, name)| names[..*at].contains(name));
    match twice {
        Some((_, name)) => Err(Error::input(format!(
            "two columns of `{}` are called `{name}`",
            path.display()
        ))),
        None => Ok(names),
    }
}

fn open(input: &Input, selection: &Selection) -> Result<Rows> {
    let (mut reader, record) = reader(input)?;
    Ok(Box::new(CsvRows {
        path: input.path.clone(),
        columns: header(&input.path, &mut reader)?,
        record,
        records: reader.into_records(),
        column: selection.column.clone(),
        skip: selection.skip,
    }))
}

struct CsvRows {
    path: PathBuf,
    columns: Vec<String>,
    records: StringRecordsIntoIter<Text>,
    record: Record,
    column: Option<String>,
    skip: u64,
}

impl Iterator for CsvRows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        loop {
            self.record.begin();
            let record = match self.records.next()? {
                Ok(record) => record,
                Err(error) => return Some(Err(broken(&self.path, &error))),
            };
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            let cells = self.columns.iter().zip(record.iter());
            let wanted = cells.filter(|(name, _)| self.column.as_ref().is_none_or(|column| column == *name));
            return Some(Ok(wanted
                .map(|(name, cell)| (name.clone(), cell.into()))
                .collect()));
        }
    }
}

fn broken(path: &Path, error: &csv::Error) -> Error {
    let line = error
        .position()
        .map_or(String::new(), |at| format!(", line {}", at.line()));
    let place = format!("`{}`{line}", path.display());
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => Error::input(format!(
            "{place}: {len} cells, but the first line names {expected_len} columns"
        ))
        .hint("a cell with the separator or a line break in it stands in quotes: \"a, b\""),
        csv::ErrorKind::Utf8 { .. } => Error::input(format!("{place}: the text is not valid UTF-8"))
            .hint("convert the file to UTF-8, e.g. with `iconv -f latin1 -t utf-8`"),
        csv::ErrorKind::Io(error) => input::broken(&place, error),
        _ => Error::input(format!("{place}: the file cannot be read on: {error}"))
            .hint("the file may be cut short or damaged; fetch or write it again"),
    }
}
