//! Lines of text files, plain or compressed, with the line number for every complaint.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::input::{self, Input, Watched};
use crate::error::{Error, Result};

/// Iterates over the lines of a file without their ends (`\n` or `\r\n`), numbered from 1.
pub(super) struct Lines {
    path: PathBuf,
    reader: BufReader<Watched<Box<dyn Read + Send>>>,
    number: u64,
    failed: bool,
}

impl Lines {
    /// Starts at the first line.
    pub(super) fn open(input: &Input) -> Result<Self> {
        Ok(Lines {
            path: input.path.clone(),
            reader: BufReader::with_capacity(1 << 18, input.text()?),
            number: 0,
            failed: false,
        })
    }

    /// Number of the line that was read last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line as bytes, or `None` at the end.
    fn next_bytes(&mut self) -> Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        let longest = input::longest_record();
        let read = self
            .reader
            .by_ref()
            .take(longest + 1)
            .read_until(b'\n', &mut bytes)
            .map_err(|error| broken(&self.path, self.number + 1, &error))?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if read as u64 > longest {
            return Err(input::too_long(&place(&self.path, self.number)));
        }
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        Ok(Some(bytes))
    }

    /// Counts the lines that are left and hold more than white space.
    pub(super) fn count_filled(mut self) -> Result<u64> {
        let mut filled = 0;
        while let Some(bytes) = self.next_bytes()? {
            filled += u64::from(!bytes.trim_ascii().is_empty());
        }
        Ok(filled)
    }
}

impl Iterator for Lines {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        if self.failed {
            return None;
        }
        let line = self.next_bytes().and_then(|bytes| match bytes {
            None => Ok(None),
            Some(bytes) => String::from_utf8(bytes)
                .map(Some)
                .map_err(|error| invalid_utf8(&self.path, self.number, &error)),
        });
        self.failed = line.is_err();
        line.transpose()
    }
}

/// Reading failed in the midst of a file.
pub(super) fn broken(path: &Path, line: u64, error: &std::io::Error) -> Error {
    input::broken(&place(path, line), error)
}

fn place(path: &Path, line: u64) -> String {
    format!("`{}`, line {line}", path.display())
}

fn invalid_utf8(path: &Path, line: u64, error: &std::string::FromUtf8Error) -> Error {
    let byte = error.utf8_error().valid_up_to() + 1;
    Error::input(format!(
        "`{}`, line {line}, byte {byte}: the text is not valid UTF-8",
        path.display()
    ))
    .hint("convert the file to UTF-8, e.g. with `iconv -f latin1 -t utf-8`")
}
