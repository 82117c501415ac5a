//! Parquet, read a few hundred rows at a time and only the columns asked for.

use std::fs::File;
use std::path::Path;

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor};

use super::{Entry, Format, Input, Rows, Selection, Wanted, arrow_value, input, parquet_footer, rows};
use crate::error::{Error, Result};
use crate::files;
use crate::text::cell;

/// Rows decoded at once: enough to make decoding cheap, few enough to stay small with long texts.
const ROWS_AT_ONCE: usize = 256;

pub(super) const FORMAT: Format = Format {
    name: "Parquet",
    extensions: &["parquet"],
    compressible: false,
    settings: &[],
    columns,
    count,
    open,
};

fn columns(input: &Input) -> Result<Vec<String>> {
    let builder = builder(input)?;
    Ok(builder
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect())
}

fn count(input: &Input) -> Result<u64> {
    let rows = builder(input)?.metadata().file_metadata().num_rows();
    Ok(rows.max(0) as u64)
}

fn open(input: &Input, selection: &Selection) -> Result<Rows> {
    let mut builder = builder(input)?.with_batch_size(ROWS_AT_ONCE);
    check_sizes(input, &builder, &selection.wanted)?;
    if let Some(columns) = selection.wanted.columns() {
        let leaves = leaves(builder.parquet_schema(), columns);
        let mask = ProjectionMask::leaves(builder.parquet_schema(), leaves);
        builder = builder.with_projection(mask);
    }
    let reader = builder
        .with_offset(selection.skip as usize)
        .build()
        .map_err(|error| broken(&input.path, &error))?;
    Ok(Box::new(ParquetRows {
        input: input.clone(),
        reader,
        batch: None,
        next: 0,
    }))
}

/// The numbers of the leaves that hold `columns`; where a path leads to leaves of a struct, only these.
fn leaves(schema: &SchemaDescriptor, columns: &[String]) -> Vec<usize> {
    let of_column = |column: &String| {
        let numbers = |takes: &dyn Fn(&ColumnDescPtr) -> bool| -> Vec<usize> {
            let leaves = schema.columns().iter().enumerate();
            leaves
                .filter(|(_, leaf)| takes(leaf))
                .map(|(number, _)| number)
                .collect()
        };
        let exact = numbers(&|leaf| cell::begins(&leaf.path().string(), column));
        if !exact.is_empty() {
            return exact;
        }
        // The path goes on within a list or a map, whose leaves have names of their own.
        numbers(&|leaf| {
            let root = leaf.path().parts().first();
            root.is_some_and(|root| cell::begins(column, root))
        })
    };
    columns.iter().flat_map(of_column).collect()
}

type Builder = ParquetRecordBatchReaderBuilder<File>;

fn builder(input: &Input) -> Result<Builder> {
    let path = &input.path;
    let failed = |error| Error::io("read", path, error);
    let mut file = files::open(path).map_err(failed)?;
    if parquet_footer::is_too_deep(&mut file).map_err(failed)? {
        let deepest = parquet_footer::DEEPEST;
        let what = format!("its columns are nested deeper than {deepest} groups, or its footer is damaged");
        return Err(broken(path, &what));
    }
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| broken(path, &error))
}

/// Packed this well, a column is no text: a page of it would fill the memory.
const BEST_PACKING: u64 = 1000;

/// Looks for columns that unpack to absurd sizes.
fn check_sizes(input: &Input, builder: &Builder, wanted: &Wanted) -> Result<()> {
    for (group, about) in builder.metadata().row_groups().iter().enumerate() {
        for chunk in about.columns() {
            let name = chunk.column_path().parts().first().map_or("", String::as_str);
            let size = |bytes: i64| u64::try_from(bytes).unwrap_or(u64::MAX);
            let (packed, unpacked) = (size(chunk.compressed_size()), size(chunk.uncompressed_size()));
            if wanted.takes(name) && unpacked > input::longest_record() && unpacked / BEST_PACKING > packed {
                let place = format!("`{}`, row group {}", input.path.display(), group + 1);
                return Err(input::too_long(&place));
            }
        }
    }
    Ok(())
}

fn broken(path: &Path, error: &dyn std::fmt::Display) -> Error {
    let what = error.to_string();
    let what = what.lines().next().unwrap_or("unknown error");
    if rows::is_of_encoding(what) {
        return rows::not_utf8(path);
    }
    Error::input(format!(
        "`{}` is not a whole Parquet file: {what}",
        path.display()
    ))
    .hint("the file may be cut short or damaged; fetch or write it again")
}

struct ParquetRows {
    input: Input,
    reader: ParquetRecordBatchReader,
    batch: Option<RecordBatch>,
    next: usize,
}

impl Iterator for ParquetRows {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        loop {
            if let Some(batch) = self.batch.as_ref().filter(|batch| self.next < batch.num_rows()) {
                let row = arrow_value::row(batch, self.next);
                self.next += 1;
                let row = row.map_err(|error| error.context(format!("in `{}`", self.input.path.display())));
                return Some(row.map(Ok));
            }
            if let Err(error) = self.input.check() {
                return Some(Err(error));
            }
            match self.reader.next()? {
                Ok(batch) => {
                    self.batch = Some(batch);
                    self.next = 0;
                }
                Err(error) => return Some(Err(broken(&self.input.path, &error))),
            }
        }
    }
}
