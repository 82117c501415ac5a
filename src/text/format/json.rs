//! JSON files: one list of records, or an object in which some key holds it; the keys of a record are the columns.
//!
//! A list is read record by record, so its length does not matter. A file of one object a line is read as JSON lines,
//! which many data sets have under this extension.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use super::input::{self, Watched};
use super::{Format, Input, Row, Rows, Selection, jsonl, lines};
use crate::config::Value;
use crate::error::{Error, Result};

pub(super) const FORMAT: Format = Format {
    name: "JSON",
    extensions: &["json"],
    compressible: true,
    columns: |input| super::first_keys(open(input, &Selection::default())?),
    count: |input| super::count_rows(open(input, &Selection::default())?),
    open,
};

fn open(input: &Input, selection: &Selection) -> Result<Rows> {
    let mut bytes = Bytes::open(input)?;
    match bytes.after_blanks()? {
        Some(b'[') => bytes.start_list()?,
        Some(b'{') if is_lines(input)? || !bytes.enter_list_in_object()? => {
            return jsonl::open(input, selection);
        }
        Some(b'{') => {}
        _ => return Err(bytes.broken("expected a list of records, or an object that holds one")),
    }
    Ok(Box::new(Elements {
        bytes,
        column: selection.column.clone(),
        skip: selection.skip,
        ended: false,
    }))
}

/// Does another object follow the first?
fn is_lines(input: &Input) -> Result<bool> {
    let mut bytes = Bytes::open(input)?;
    bytes.after_blanks()?;
    bytes.pass_over()?;
    Ok(bytes.after_blanks()? == Some(b'{'))
}

/// The records of a list.
struct Elements {
    bytes: Bytes,
    column: Option<String>,
    skip: u64,
    ended: bool,
}

impl Iterator for Elements {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        while !self.ended {
            let row = self.element().transpose();
            self.ended = !matches!(row, Some(Ok(_)));
            match row {
                Some(Ok(_)) if self.skip > 0 => self.skip -= 1,
                row => return row,
            }
        }
        None
    }
}

impl Elements {
    fn element(&mut self) -> Result<Option<Row>> {
        let Some(text) = self.bytes.next_element()? else {
            return Ok(None);
        };
        match serde_json::from_slice(&text) {
            Ok(Value::Object(mut row)) => {
                if let Some(column) = &self.column {
                    row.retain(|name, _| name == column);
                }
                Ok(Some(row))
            }
            Ok(_) => Err(self.bytes.broken("expected an object, for each record is one")),
            Err(error) => {
                let what = error.to_string();
                let what = what.split(" at line ").next().unwrap_or(&what);
                Err(self.bytes.broken(&format!("broken JSON: {what}")))
            }
        }
    }
}

/// The bytes of a file, with just enough of JSON's grammar to cut values out.
struct Bytes {
    path: PathBuf,
    reader: BufReader<Watched<Box<dyn Read + Send>>>,
    line: u64,
}

impl Bytes {
    fn open(input: &Input) -> Result<Self> {
        Ok(Bytes {
            path: input.path.clone(),
            reader: BufReader::with_capacity(1 << 18, input.text()?),
            line: 1,
        })
    }

    fn broken(&self, what: &str) -> Error {
        Error::input(format!("`{}`, line {}: {what}", self.path.display(), self.line))
    }

    fn too_long(&self) -> Error {
        input::too_long(&format!("`{}`, line {}", self.path.display(), self.line))
    }

    fn cut_short(&self) -> Error {
        self.broken("the file ends in the middle of a value")
            .hint("the file may be cut short; fetch or write it again")
    }

    fn peek(&mut self) -> Result<Option<u8>> {
        match self.reader.fill_buf() {
            Ok(bytes) => Ok(bytes.first().copied()),
            Err(error) => Err(lines::broken(&self.path, self.line, &error)),
        }
    }

    fn take(&mut self) -> Result<Option<u8>> {
        let byte = self.peek()?;
        if let Some(byte) = byte {
            self.reader.consume(1);
            self.line += u64::from(byte == b'\n');
        }
        Ok(byte)
    }

    /// The next byte that is not blank, left in place.
    fn after_blanks(&mut self) -> Result<Option<u8>> {
        while let Some(byte) = self.peek()? {
            // A byte-order mark counts as blank.
            if !byte.is_ascii_whitespace() && !matches!(byte, 0xef | 0xbb | 0xbf) {
                return Ok(Some(byte));
            }
            self.take()?;
        }
        Ok(None)
    }

    fn start_list(&mut self) -> Result<()> {
        self.take().map(drop)
    }

    /// Goes to the start of the first value in the object that is a list of objects; false if there is none.
    fn enter_list_in_object(&mut self) -> Result<bool> {
        self.take()?;
        loop {
            match self.after_blanks()? {
                Some(b'"') => self.pass_over()?,
                Some(b',' | b':') => {
                    let separator = self.take()?;
                    if separator == Some(b':') && self.after_blanks()? == Some(b'[') {
                        self.take()?;
                        if self.after_blanks()? == Some(b'{') {
                            return Ok(true);
                        }
                        self.read_closed(1, |_| true)?;
                    } else if separator == Some(b':') {
                        self.pass_over()?;
                    }
                }
                _ => return Ok(false),
            }
        }
    }

    /// The text of the next element of a list, or `None` at its end.
    fn next_element(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            match self.after_blanks()? {
                Some(b',') => drop(self.take()?),
                Some(b']') => return Ok(None),
                Some(_) => return self.value().map(Some),
                None => return Err(self.cut_short()),
            }
        }
    }

    /// The text of one value.
    fn value(&mut self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        let longest = input::longest_record();
        self.read_value(|byte| {
            text.push(byte);
            text.len() as u64 <= longest
        })?;
        Ok(text)
    }

    /// Leaves one value out, however long it is.
    fn pass_over(&mut self) -> Result<()> {
        self.read_value(|_| true)
    }

    /// Reads one value: up to its closing bracket or quote, or up to what ends a bare word.
    /// `keep` says whether there is room for more.
    fn read_value(&mut self, mut keep: impl FnMut(u8) -> bool) -> Result<()> {
        if matches!(self.peek()?, Some(b'{' | b'[' | b'"')) {
            return self.read_closed(0, keep);
        }
        let mut empty = true;
        while let Some(byte) = self.peek()?
            && !matches!(byte, b',' | b']' | b'}')
            && !byte.is_ascii_whitespace()
        {
            if !keep(byte) {
                return Err(self.too_long());
            }
            empty = false;
            self.take()?;
        }
        match empty {
            true => Err(self.broken("broken JSON: a value is missing")),
            false => Ok(()),
        }
    }

    /// Reads up to where as many brackets are closed as are open, `depth` of them before.
    fn read_closed(&mut self, mut depth: usize, mut keep: impl FnMut(u8) -> bool) -> Result<()> {
        let mut quoted = false;
        while let Some(byte) = self.take()? {
            if !keep(byte) {
                return Err(self.too_long());
            }
            match byte {
                b'\\' if quoted => {
                    if let Some(escaped) = self.take()? {
                        keep(escaped);
                    }
                }
                b'"' => quoted = !quoted,
                b'{' | b'[' if !quoted => depth += 1,
                b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
                _ => continue,
            }
            if depth == 0 && !quoted {
                return Ok(());
            }
        }
        Err(self.cut_short())
    }
}
