//! JSON files: one list of records, or an object in which some key holds it; the keys of a record are the columns. An
//! object that has the column of the text is a record itself.
//!
//! A list is read record by record, so its length does not matter; a text in it is a record with the one column `text`. A
//! file of one object a line is read as JSON lines, which many data sets have under this extension, and so are objects
//! that have several lines each.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use super::input::{self, Watched};
use super::lines::{Line, Lines};
use super::{Entry, Format, Input, Rows, Selection, Wanted, json_lines, json_value, lines, rows};
use crate::error::{Error, Result};
use crate::text::cell::{self, Cell, Row};

pub(super) const FORMAT: Format = Format {
    name: "JSON",
    extensions: &["json"],
    compressible: true,
    settings: &["field"],
    columns: |input| rows::sampled_keys(open(input, &Selection::default(), WRAPPED)?),
    count: |input| count(input, WRAPPED),
    open: |input, selection| open(input, selection, WRAPPED),
};

/// One object that holds a list of records is that list.
const WRAPPED: bool = true;

/// The one column of texts that stand in a list as they are.
const COLUMN: &str = "text";

/// Returns the records; with `wrapped`, an object around a list of them is passed over.
pub(super) fn open(input: &Input, selection: &Selection, wrapped: bool) -> Result<Rows> {
    match Shape::of(input, wrapped)? {
        Shape::Lines => json_lines::lines(input, selection),
        Shape::Values { bytes, in_list } => Ok(Box::new(Elements {
            bytes,
            in_list,
            wanted: selection.wanted.clone(),
            skip: selection.skip,
            ended: false,
        })),
    }
}

/// Returns the number of records, as [`open`] gives them.
pub(super) fn count(input: &Input, wrapped: bool) -> Result<u64> {
    match Shape::of(input, wrapped)? {
        Shape::Lines => json_lines::count(input),
        Shape::Values { .. } => rows::count_rows(open(input, &Selection::default(), wrapped)?),
    }
}

/// How the records stand in a file.
enum Shape {
    /// One a line.
    Lines,
    /// One after the other from here on, in a list or as they are.
    Values { bytes: Bytes, in_list: bool },
}

impl Shape {
    fn of(input: &Input, wrapped: bool) -> Result<Self> {
        let mut bytes = Bytes::open(input)?;
        let first = bytes.after_blanks()?;
        let in_list = |bytes| Ok(Shape::Values { bytes, in_list: true });
        if let Some(field) = &input.manner.field {
            if first == Some(b'{') && bytes.enter_list(Some(field))? {
                return in_list(bytes);
            }
            let path = input.path.display();
            return Err(Error::input(format!("`{path}` has no key `{field}` with a list")).under("field"));
        }
        match first {
            Some(b'[') => {
                bytes.take()?;
                in_list(bytes)
            }
            // Whatever is broken shows when the records are read.
            Some(b'{')
                if wrapped
                    && is_wrapper(input).unwrap_or(true)
                    && bytes.enter_list(None).unwrap_or(false) =>
            {
                in_list(bytes)
            }
            Some(b'{') if is_by_line(input)? => Ok(Shape::Lines),
            Some(b'{') => {
                let mut bytes = Bytes::open(input)?;
                bytes.after_blanks()?;
                Ok(Shape::Values {
                    bytes,
                    in_list: false,
                })
            }
            Some(_) if wrapped => {
                Err(bytes.broken("expected a list of records, or an object that holds one"))
            }
            _ => Ok(Shape::Lines),
        }
    }
}

/// Is the first object none of the records? It is one if another follows, or if it has the column of the text itself.
fn is_wrapper(input: &Input) -> Result<bool> {
    let mut bytes = Bytes::open(input)?;
    bytes.after_blanks()?;
    bytes.take()?;
    loop {
        match bytes.after_blanks()? {
            Some(b',') => drop(bytes.take()?),
            Some(b'"') => {
                let key = bytes.value()?;
                if text_of(&key).is_some_and(|key| cell::begins(&input.manner.text_column, &key)) {
                    return Ok(false);
                }
            }
            Some(b':') => {
                bytes.take()?;
                bytes.after_blanks()?;
                bytes.pass_over()?;
            }
            Some(b'}') => {
                bytes.take()?;
                return Ok(bytes.after_blanks()? != Some(b'{'));
            }
            _ => return Err(bytes.cut_short()),
        }
    }
}

/// Is the first line a whole value, or what begins there no object that the end of the file or another one follows?
fn is_by_line(input: &Input) -> Result<bool> {
    let filled = Lines::open(input)?.find(|line| !line.as_ref().is_ok_and(Line::is_blank));
    let first = filled.transpose()?.map(|line| line.text(&input.path));
    let is_value = |text: &str| json_value::parse(text).is_ok();
    if first.is_none_or(|line| line.is_ok_and(|line| is_value(&line))) {
        return Ok(true);
    }
    let mut bytes = Bytes::open(input)?;
    bytes.after_blanks()?;
    // Whatever is wrong with it is told line by line.
    let value = bytes.value().ok().and_then(|value| String::from_utf8(value).ok());
    let is_object = value.is_some_and(|value| is_value(&value));
    Ok(!is_object || !matches!(bytes.after_blanks()?, None | Some(b'{')))
}

/// Records one after the other.
struct Elements {
    bytes: Bytes,
    in_list: bool,
    wanted: Wanted,
    skip: u64,
    ended: bool,
}

impl Iterator for Elements {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        while !self.ended {
            let entry = self.element().transpose();
            self.ended = !matches!(entry, Some(Ok(_)));
            match entry {
                Some(Ok(_)) if self.skip > 0 => self.skip -= 1,
                entry => return entry,
            }
        }
        None
    }
}

impl Elements {
    fn element(&mut self) -> Result<Option<Entry>> {
        let Some((line, text)) = self.bytes.next_element(self.in_list)? else {
            return Ok(None);
        };
        let row = self.row(text).map_err(|what| {
            let place = lines::place(&self.bytes.path, line);
            Error::input(format!("{place}: {what}"))
        });
        Ok(Some(row.map(|row| self.wanted.of(row))))
    }

    fn row(&self, text: Vec<u8>) -> Result<Row, String> {
        let text = String::from_utf8(text).map_err(|_| "the text is not valid UTF-8".to_string())?;
        if self.in_list
            && text.starts_with('"')
            && let Ok(text @ Cell::Text(_)) = json_value::parse(&text)
        {
            return Ok(Row::from_iter([(COLUMN.to_string(), text)]));
        }
        json_lines::record(&text).map_err(|wrong| wrong.what)
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
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
            self.take()?;
        }
        Ok(None)
    }

    /// Goes to the start of the list under the key `field`, or of the first list of objects; false if there is none.
    fn enter_list(&mut self, field: Option<&str>) -> Result<bool> {
        self.take()?;
        let mut key = Vec::new();
        loop {
            match self.after_blanks()? {
                Some(b'"') => key = self.value()?,
                Some(b',') => drop(self.take()?),
                Some(b':') => {
                    self.take()?;
                    let is_list = self.after_blanks()? == Some(b'[');
                    if !is_list || field.is_some_and(|field| text_of(&key).as_deref() != Some(field)) {
                        self.pass_over()?;
                        continue;
                    }
                    self.take()?;
                    if field.is_some() || self.after_blanks()? == Some(b'{') {
                        return Ok(true);
                    }
                    self.read_closed(1, |_| true)?;
                }
                _ => return Ok(false),
            }
        }
    }

    /// The next record's text and the line in which it begins, or `None` at the end.
    fn next_element(&mut self, in_list: bool) -> Result<Option<(u64, Vec<u8>)>> {
        loop {
            match self.after_blanks()? {
                Some(b',') if in_list => drop(self.take()?),
                Some(b']') if in_list => return Ok(None),
                Some(_) => return Ok(Some((self.line, self.value()?))),
                None if in_list => return Err(self.cut_short()),
                None => return Ok(None),
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
        if empty {
            Err(self.broken("broken JSON: a value is missing"))
        } else {
            Ok(())
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

/// The text that a JSON string stands for.
fn text_of(quoted: &[u8]) -> Option<String> {
    match json_value::parse(std::str::from_utf8(quoted).ok()?) {
        Ok(Cell::Text(text)) => Some(text),
        _ => None,
    }
}
