//! Arrow IPC, the stream form that Python's `datasets` writes and the file form, a batch at a time.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, SchemaRef};

use super::input::Watched;
use super::{Entry, Format, Input, Rows, Selection, Wanted, arrow_value, rows};
use crate::error::{Error, Result};

pub(super) const FORMAT: Format = Format {
    name: "Arrow",
    extensions: &["arrow"],
    compressible: false,
    settings: &[],
    columns: |input| {
        let schema = Batches::open(input, &Wanted::default())?.schema;
        Ok(schema.fields().iter().map(|field| field.name().clone()).collect())
    },
    count,
    open,
};

/// What the file form begins with.
const FILE_MAGIC: &[u8] = b"ARROW1";

/// What a stream that was written to its end ends with.
const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// The batches of a file and their columns.
struct Batches {
    schema: SchemaRef,
    batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>,
}

impl Batches {
    fn open(input: &Input, wanted: &Wanted) -> Result<Self> {
        let path = &input.path;
        let mut file = input.file()?;
        let failed = |error: std::io::Error| Error::io("read", path, error);
        let mut start = Vec::new();
        file.by_ref()
            .take(FILE_MAGIC.len() as u64)
            .read_to_end(&mut start)
            .map_err(failed)?;
        let is_stream = start != FILE_MAGIC;
        if is_stream {
            let mut end = [0; END_OF_STREAM.len()];
            let whole = file
                .seek(SeekFrom::End(-(end.len() as i64)))
                .and_then(|_| file.read_exact(&mut end))
                .is_ok_and(|()| end == END_OF_STREAM);
            if !whole {
                return Err(broken(path, "its end is missing"));
            }
        }
        Self::read(input, is_stream, wanted)?.map_err(|error| broken(path, &error.to_string()))
    }

    fn read(input: &Input, is_stream: bool, wanted: &Wanted) -> Result<Result<Self, ArrowError>> {
        let (first, second) = (input.file()?, input.file()?);
        Ok(Self::of(first, second, is_stream, wanted))
    }

    /// The batches in `second`, after a look at the schema in `first`, which is the same file.
    fn of(
        first: Watched<File>,
        second: Watched<File>,
        is_stream: bool,
        wanted: &Wanted,
    ) -> Result<Self, ArrowError> {
        let (first, second) = (BufReader::new(first), BufReader::new(second));
        let schema = if is_stream {
            StreamReader::try_new(first, None)?.schema()
        } else {
            FileReader::try_new(first, None)?.schema()
        };
        let only = wanted.columns().map(|_| {
            let mut only: Vec<usize> = (0..schema.fields().len())
                .filter(|index| wanted.takes(schema.field(*index).name()))
                .collect();
            // A record that has none of the columns is one all the same.
            if only.is_empty() {
                only.extend(schema.fields().first().map(|_| 0));
            }
            only
        });
        Ok(Batches {
            schema,
            batches: if is_stream {
                Box::new(StreamReader::try_new(second, only)?)
            } else {
                Box::new(FileReader::try_new(second, only)?)
            },
        })
    }
}

fn count(input: &Input) -> Result<u64> {
    let mut rows = 0;
    for batch in Batches::open(input, &Wanted::default())?.batches {
        input.check()?;
        rows += batch
            .map_err(|error| broken(&input.path, &error.to_string()))?
            .num_rows() as u64;
    }
    Ok(rows)
}

fn open(input: &Input, selection: &Selection) -> Result<Rows> {
    let batches = Batches::open(input, &selection.wanted)?.batches;
    Ok(Box::new(ArrowRows {
        input: input.clone(),
        batches,
        batch: None,
        next: 0,
        skip: selection.skip,
        wanted: selection.wanted.clone(),
    }))
}

fn broken(path: &Path, what: &str) -> Error {
    let what = what.lines().next().unwrap_or("unknown error");
    if rows::is_of_encoding(what) {
        return rows::not_utf8(path);
    }
    Error::input(format!("`{}` is not a whole Arrow file: {what}", path.display()))
        .hint("the file may be cut short or damaged; fetch or write it again")
}

struct ArrowRows {
    input: Input,
    batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>,
    batch: Option<RecordBatch>,
    next: usize,
    skip: u64,
    wanted: Wanted,
}

impl Iterator for ArrowRows {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        loop {
            if let Some(batch) = self.batch.as_ref().filter(|batch| self.next < batch.num_rows()) {
                let row = arrow_value::row(batch, self.next);
                self.next += 1;
                let row = row.map_err(|error| error.context(format!("in `{}`", self.input.path.display())));
                return Some(row.map(|row| Ok(self.wanted.of(row))));
            }
            if let Err(error) = self.input.check() {
                return Some(Err(error));
            }
            match self.batches.next()? {
                Ok(batch) => {
                    // A batch that is left out as a whole costs no more than its bytes.
                    let left_out = self.skip.min(batch.num_rows() as u64);
                    self.skip -= left_out;
                    self.next = left_out as usize;
                    self.batch = Some(batch);
                }
                Err(error) => return Some(Err(broken(&self.input.path, &error.to_string()))),
            }
        }
    }
}
