//! Parquet, read a few hundred rows at a time and only the columns asked for.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::{Format, Row, Rows, Selection, arrow_value};
use crate::error::{Error, Result};

/// Rows decoded at once: enough to make decoding cheap, few enough to stay small with long texts.
const ROWS_AT_ONCE: usize = 256;

pub(super) const FORMAT: Format = Format {
    name: "Parquet",
    extensions: &["parquet"],
    compressible: false,
    columns,
    count,
    open,
};

fn columns(path: &Path) -> Result<Vec<String>> {
    let builder = builder(path)?;
    Ok(builder
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect())
}

fn count(path: &Path) -> Result<u64> {
    let rows = builder(path)?.metadata().file_metadata().num_rows();
    Ok(rows.max(0) as u64)
}

fn open(path: &Path, selection: &Selection) -> Result<Rows> {
    let mut builder = builder(path)?.with_batch_size(ROWS_AT_ONCE);
    if let Some(column) = &selection.column {
        let mask = ProjectionMask::columns(builder.parquet_schema(), [column.as_str()]);
        builder = builder.with_projection(mask);
    }
    let reader = builder
        .with_offset(selection.skip as usize)
        .build()
        .map_err(|error| broken(path, &error))?;
    Ok(Box::new(ParquetRows {
        path: path.to_path_buf(),
        reader,
        batch: None,
        next: 0,
    }))
}

fn builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file = File::open(path).map_err(|error| Error::io("read", path, error))?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| broken(path, &error))
}

fn broken(path: &Path, error: &dyn std::fmt::Display) -> Error {
    let what = error.to_string();
    let what = what.lines().next().unwrap_or("unknown error");
    Error::input(format!(
        "`{}` is not a whole Parquet file: {what}",
        path.display()
    ))
    .hint("the file may be cut short or damaged; fetch or write it again")
}

struct ParquetRows {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    batch: Option<RecordBatch>,
    next: usize,
}

impl Iterator for ParquetRows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        loop {
            if let Some(batch) = self.batch.as_ref().filter(|batch| self.next < batch.num_rows()) {
                let row = arrow_value::row(batch, self.next);
                self.next += 1;
                return Some(row.map_err(|error| error.context(format!("in `{}`", self.path.display()))));
            }
            match self.reader.next()? {
                Ok(batch) => {
                    self.batch = Some(batch);
                    self.next = 0;
                }
                Err(error) => return Some(Err(broken(&self.path, &error))),
            }
        }
    }
}
