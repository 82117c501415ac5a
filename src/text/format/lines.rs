//! Lines of text files, plain or compressed, with the line number for every complaint.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::input::{self, Input, Watched};
use crate::error::{Error, Result};

/// A line without its end, or several as one text.
pub(super) struct Line {
    pub bytes: Vec<u8>,
    /// Its number, from 1.
    pub number: u64,
    /// It has an end; the last line of a file may have none.
    pub is_ended: bool,
}

impl Line {
    /// Returns a text that begins with line `number`, still without it.
    pub(super) fn begun(number: u64) -> Self {
        Line {
            bytes: Vec::new(),
            number,
            is_ended: false,
        }
    }

    /// Puts `line` behind, with its end as `\n`.
    ///
    /// # Errors
    /// The whole becomes too long for one record.
    pub(super) fn append(&mut self, line: Line, path: &Path) -> Result<()> {
        self.bytes.extend(line.bytes);
        if line.is_ended {
            self.bytes.push(b'\n');
        }
        if self.bytes.len() as u64 > input::longest_record() {
            return Err(input::too_long(&place(path, self.number)));
        }
        Ok(())
    }

    /// Its text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub(super) fn text(self, path: &Path) -> Result<String> {
        let number = self.number;
        String::from_utf8(self.bytes).map_err(|error| invalid_utf8(path, number, &error))
    }

    /// Returns whether it holds nothing but white space.
    pub(super) fn is_blank(&self) -> bool {
        self.bytes.trim_ascii().is_empty()
    }
}

/// Iterates over the lines of a file. A line ends with `\n`, `\r\n` or `\r`, as Python reads text files.
pub(super) struct Lines {
    path: PathBuf,
    reader: BufReader<Watched<Box<dyn Read + Send>>>,
    number: u64,
    /// The last line ended with `\r`, of which a `\n` may be a part.
    after_return: bool,
    failed: bool,
}

impl Lines {
    /// Starts at the first line.
    pub(super) fn open(input: &Input) -> Result<Self> {
        Ok(Lines {
            path: input.path.clone(),
            reader: BufReader::with_capacity(1 << 18, input.text()?),
            number: 0,
            after_return: false,
            failed: false,
        })
    }

    /// The next line, or `None` at the end.
    fn next_line(&mut self) -> Result<Option<Line>> {
        let mut bytes = Vec::new();
        let longest = input::longest_record();
        loop {
            let part = self
                .reader
                .fill_buf()
                .map_err(|error| broken(&self.path, self.number + 1, &error))?;
            if part.is_empty() {
                break;
            }
            if std::mem::take(&mut self.after_return) && part[0] == b'\n' {
                self.reader.consume(1);
                continue;
            }
            let end = part.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            bytes.extend_from_slice(&part[..end.unwrap_or(part.len())]);
            self.after_return = end.is_some_and(|end| part[end] == b'\r');
            let read = end.map_or(part.len(), |end| end + 1);
            self.reader.consume(read);
            if bytes.len() as u64 > longest {
                return Err(input::too_long(&place(&self.path, self.number + 1)));
            }
            if end.is_some() {
                self.number += 1;
                return Ok(Some(Line {
                    bytes,
                    number: self.number,
                    is_ended: true,
                }));
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(Line {
            bytes,
            number: self.number,
            is_ended: false,
        }))
    }
}

impl Iterator for Lines {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Result<Line>> {
        if self.failed {
            return None;
        }
        let line = self.next_line();
        self.failed = line.is_err();
        line.transpose()
    }
}

/// Says that reading failed in the midst of a file.
pub(super) fn broken(path: &Path, line: u64, error: &std::io::Error) -> Error {
    input::broken(&place(path, line), error)
}

/// Returns where a line is, for messages.
pub(super) fn place(path: &Path, line: u64) -> String {
    format!("`{}`, line {line}", path.display())
}

fn invalid_utf8(path: &Path, line: u64, error: &std::string::FromUtf8Error) -> Error {
    let byte = error.utf8_error().valid_up_to() + 1;
    Error::input(format!(
        "{}, byte {byte}: the text is not valid UTF-8",
        place(path, line)
    ))
    .hint("convert the file to UTF-8, e.g. with `iconv -f latin1 -t utf-8`")
}
