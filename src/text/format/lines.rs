//! Lines of text files, plain or compressed, with the line number for every complaint.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Opens `path`, unpacking `.gz` and `.zst` on the way.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read + Send>> {
    let file = File::open(path).map_err(|error| Error::io("read", path, error))?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => Ok(Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file)))),
        Some("zst") => zstd::Decoder::new(file)
            .map(|decoder| Box::new(decoder) as Box<dyn Read + Send>)
            .map_err(|error| broken(path, 1, &error)),
        _ => Ok(Box::new(file)),
    }
}

/// Iterates over the lines of a file without their ends (`\n` or `\r\n`), numbered from 1.
pub(super) struct Lines {
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    number: u64,
    failed: bool,
}

impl Lines {
    /// Starts at the first line.
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(Lines {
            path: path.to_path_buf(),
            reader: BufReader::with_capacity(1 << 18, open(path)?),
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
        let read = self
            .reader
            .read_until(b'\n', &mut bytes)
            .map_err(|error| broken(&self.path, self.number + 1, &error))?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
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
    Error::input(format!(
        "`{}` cannot be read on from line {line}: {error}",
        path.display()
    ))
    .hint("the file may be cut short or damaged; fetch or write it again")
}

fn invalid_utf8(path: &Path, line: u64, error: &std::string::FromUtf8Error) -> Error {
    let byte = error.utf8_error().valid_up_to() + 1;
    Error::input(format!(
        "`{}`, line {line}, byte {byte}: the text is not valid UTF-8",
        path.display()
    ))
    .hint("convert the file to UTF-8, e.g. with `iconv -f latin1 -t utf-8`")
}
