//! Rows and where they came from; those of files, one file after the other.

use std::path::Path;
use std::sync::Arc;

use super::data_file::DataFile;
use super::format::{Entry, Rows, Selection, Wanted};
use crate::error::Result;

/// Rows, or what is wrong with them, and where they came from, in order. Ends after the first error of a file.
pub(super) type PlacedRows = Box<dyn Iterator<Item = Result<(Origin, Entry)>> + Send>;

/// Returns the rows of `files` from number `start` on; only the columns of each that are wanted.
pub(super) fn read(files: Arc<[Arc<DataFile>]>, wanted: Wanted, start: u64) -> PlacedRows {
    Box::new(FileReader {
        files,
        wanted,
        skip: start,
        file: 0,
        row: 0,
        index: start,
        open: None,
    })
}

/// Walks through the files; those that lie wholly before the start are only counted.
struct FileReader {
    files: Arc<[Arc<DataFile>]>,
    wanted: Wanted,
    skip: u64,
    file: usize,
    row: u64,
    index: u64,
    open: Option<Rows>,
}

impl FileReader {
    fn advance(&mut self) -> Result<Option<(Origin, Entry)>> {
        loop {
            let Some(file) = self.files.get(self.file).cloned() else {
                return Ok(None);
            };
            if self.open.is_none() {
                if self.skip > 0 && file.rows()? <= self.skip {
                    self.skip -= file.rows()?;
                    self.file += 1;
                    continue;
                }
                let selection = Selection {
                    wanted: self.wanted.clone(),
                    skip: self.skip,
                };
                self.open = Some(file.open(&selection)?);
                self.row = self.skip;
                self.skip = 0;
                if let Some(next) = self.files.get(self.file + 1) {
                    next.fetch_ahead();
                }
            }
            if let Some(row) = self.open.as_mut().and_then(|rows| rows.next()) {
                let origin = Origin {
                    file: file.path()?,
                    row: self.row,
                    index: self.index,
                };
                self.row += 1;
                self.index += 1;
                return Ok(Some((origin, row?)));
            }
            self.open = None;
            self.file += 1;
        }
    }
}

impl Iterator for FileReader {
    type Item = Result<(Origin, Entry)>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.advance();
        if item.is_err() {
            self.file = usize::MAX;
            self.open = None;
        }
        item.transpose()
    }
}

/// Where a record came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The file.
    pub file: Arc<Path>,
    /// Row in the file, from 0.
    pub row: u64,
    /// Row in the whole data set, from 0.
    pub index: u64,
}
