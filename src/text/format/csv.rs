//! CSV and TSV: the first line names the columns, and every cell is a text.
//!
//! As pandas reads them, through which Hugging Face's loader does: names that come twice are numbered, lines of blanks are
//! passed over, cells that a line lacks are null, and so is an empty cell. Types are not guessed: `1`, `NA` and `nan` are
//! the texts that they are.

use std::io::Read;
use std::path::PathBuf;

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::input::{self, Watched};
use super::{Entry, Format, Input, Rows, Selection, Wanted, rows};
use crate::error::{Error, Result};
use crate::text::cell::{Cell, Row};

type Text = Watched<Box<dyn Read + Send>>;

pub(super) const FORMAT: Format = Format {
    name: "CSV",
    extensions: &["csv", "tsv"],
    compressible: true,
    settings: &["sep"],
    columns: |input| Ok(Table::open(input, Wanted::default())?.columns),
    count: |input| rows::count_rows(open(input, &Selection::default())?),
    open,
};

/// Put behind a file: where it becomes a part of the last cell, that cell's quotes were never closed.
const END: &str = "\n\0\0\0\0\n";

fn open(input: &Input, selection: &Selection) -> Result<Rows> {
    let table = Table::open(input, selection.wanted.clone())?;
    Ok(Box::new(table.skip(selection.skip as usize)))
}

/// The records of a file.
struct Table {
    path: PathBuf,
    columns: Vec<String>,
    wanted: Wanted,
    reader: Reader<Text>,
    /// Is told where each record begins.
    begins: input::Record,
    ended: bool,
}

impl Table {
    fn open(input: &Input, wanted: Wanted) -> Result<Self> {
        let by_tabs = input::stem(&input.path).ends_with(".tsv");
        let separator = if by_tabs { b'\t' } else { b',' };
        let mut builder = ReaderBuilder::new();
        builder
            .delimiter(input.manner.separator.unwrap_or(separator))
            .has_headers(false)
            .flexible(true);
        let (text, begins) = input.text_then(END)?.by_record();
        let mut table = Table {
            path: input.path.clone(),
            columns: Vec::new(),
            wanted,
            reader: builder.from_reader(text),
            begins,
            ended: false,
        };
        if let Some(header) = table.read()? {
            let names = table.texts(&header)?;
            table.columns = numbered(names);
        }
        Ok(table)
    }

    /// The cells of the next record; `None` at the end.
    fn read(&mut self) -> Result<Option<ByteRecord>> {
        let mut record = ByteRecord::new();
        loop {
            self.begins.begin();
            let more = self.reader.read_byte_record(&mut record);
            if !more.map_err(|error| self.broken(&error))?
                || (record.len() == 1 && record[0] == *END.trim().as_bytes())
            {
                return Ok(None);
            }
            // An empty cell in quotes is a record; a line that is empty the reader passes over itself.
            let is_blank = record.len() == 1 && !record[0].is_empty() && record[0].trim_ascii().is_empty();
            if !is_blank {
                return Ok(Some(record));
            }
        }
    }

    fn broken(&self, error: &csv::Error) -> Error {
        let line = error.position().unwrap_or(self.reader.position()).line();
        let place = format!("`{}`, line {line}", self.path.display());
        match error.kind() {
            csv::ErrorKind::Io(error) => input::broken(&place, error),
            _ => Error::input(format!("{place}: the file cannot be read on: {error}"))
                .hint("the file may be cut short or damaged; fetch or write it again"),
        }
    }

    /// The cells as texts.
    ///
    /// # Errors
    /// They are not UTF-8, or the last one has no end.
    fn texts(&self, record: &ByteRecord) -> Result<Vec<String>> {
        let place = self.place(record);
        if record
            .iter()
            .next_back()
            .is_some_and(|cell| cell.ends_with(END.as_bytes()))
        {
            return Err(Error::input(format!("{place}: a cell in quotes has no end"))
                .hint("a quote within such a cell is written twice: \"the \"\"best\"\" one\""));
        }
        let texts = record.iter().map(|cell| String::from_utf8(cell.to_vec()));
        texts.collect::<Result<Vec<String>, _>>().map_err(|_| {
            Error::input(format!("{place}: the text is not valid UTF-8"))
                .hint("convert the file to UTF-8, e.g. with `iconv -f latin1 -t utf-8`")
        })
    }

    fn place(&self, record: &ByteRecord) -> String {
        let line = record.position().map_or(0, csv::Position::line);
        format!("`{}`, line {line}", self.path.display())
    }

    fn row(&self, record: &ByteRecord) -> Entry {
        let texts = self.texts(record)?;
        let (cells, columns) = (texts.len(), self.columns.len());
        if cells > columns {
            return Err(Error::input(format!(
                "{}: {cells} cells, but the first line names {columns} columns",
                self.place(record)
            ))
            .hint("a cell with the separator or a line break in it stands in quotes: \"a, b\""));
        }
        let cells = texts.into_iter().map(|text| {
            if text.is_empty() {
                Cell::Null
            } else {
                Cell::Text(text)
            }
        });
        let cells = cells.chain(std::iter::repeat(Cell::Null));
        let row: Row = self.columns.iter().cloned().zip(cells).collect();
        Ok(self.wanted.of(row))
    }
}

impl Iterator for Table {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        if self.ended {
            return None;
        }
        let record = self.read().transpose();
        self.ended = !matches!(record, Some(Ok(_)));
        record.map(|record| Ok(self.row(&record?)))
    }
}

/// The names of the columns as pandas makes them: `a`, `a.1` for a second `a`, `Unnamed: 2` where the third has none.
fn numbered(names: Vec<String>) -> Vec<String> {
    let names = names.into_iter().enumerate().map(|(at, name)| {
        if name.is_empty() {
            format!("Unnamed: {at}")
        } else {
            name
        }
    });
    let names: Vec<String> = names.collect();
    let mut made: Vec<String> = Vec::with_capacity(names.len());
    for name in &names {
        let others = (1..).map(|number| format!("{name}.{number}"));
        let mut candidates =
            std::iter::once(name.clone()).chain(others.filter(|other| !names.contains(other)));
        made.extend(candidates.find(|candidate| !made.contains(candidate)));
    }
    made
}

#[cfg(test)]
mod tests {
    use super::numbered;

    /// What `pandas.read_csv` makes of the same first lines.
    #[test]
    fn names_that_come_twice_are_numbered() {
        for (given, wanted) in [
            ("text,text,text.1", "text,text.2,text.1"),
            ("a,a,a", "a,a.1,a.2"),
            ("text,", "text,Unnamed: 1"),
        ] {
            let names = numbered(given.split(',').map(String::from).collect());
            assert_eq!(names, wanted.split(',').collect::<Vec<_>>(), "{given}");
        }
    }
}
