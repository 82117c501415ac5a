//! Rows of a table as Arrow columns, written as Parquet.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int64Builder, ListBuilder};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};
use crate::findings::{CellKind, Table, TableCell};

/// A Parquet file that is being written, some rows at a time.
pub(super) struct ParquetFile<'a, W: Write + Send> {
    table: &'a Table,
    schema: Arc<Schema>,
    writer: ArrowWriter<W>,
    path: &'a Path,
}

fn told<'a>(path: &'a Path) -> impl Fn(String) -> Error + 'a {
    move |error| Error::run(format!("cannot write `{}`: {error}", path.display()))
}

fn field(name: &str, kind: CellKind) -> Field {
    let list = |item: DataType| DataType::List(Arc::new(Field::new("item", item, true)));
    let kind = match kind {
        CellKind::Integer => DataType::Int64,
        CellKind::Real => DataType::Float64,
        CellKind::Text => DataType::Utf8,
        CellKind::Integers => list(DataType::Int64),
        CellKind::Reals => list(DataType::Float32),
    };
    Field::new(name, kind, true)
}

/// Returns what the rows have in column `at`, as Arrow has it.
fn array(rows: &[Vec<TableCell>], at: usize, kind: CellKind) -> ArrayRef {
    let cells = rows.iter().map(|row| &row[at]);
    match kind {
        CellKind::Integer => Arc::new(Int64Array::from_iter(cells.map(|cell| match cell {
            TableCell::Integer(number) => Some(*number),
            _ => None,
        }))),
        CellKind::Real => Arc::new(Float64Array::from_iter(cells.map(|cell| match cell {
            TableCell::Real(number) => Some(*number),
            _ => None,
        }))),
        CellKind::Text => Arc::new(StringArray::from_iter(cells.map(|cell| match cell {
            TableCell::Text(text) => Some(text.as_str()),
            _ => None,
        }))),
        CellKind::Integers => {
            let mut lists = ListBuilder::new(Int64Builder::new());
            for cell in cells {
                if let TableCell::Integers(numbers) = cell {
                    lists.values().append_slice(numbers);
                }
                lists.append(matches!(cell, TableCell::Integers(_)));
            }
            Arc::new(lists.finish())
        }
        CellKind::Reals => {
            let mut lists = ListBuilder::new(Float32Builder::new());
            for cell in cells {
                if let TableCell::Reals(numbers) = cell {
                    lists.values().append_slice(numbers);
                }
                lists.append(matches!(cell, TableCell::Reals(_)));
            }
            Arc::new(lists.finish())
        }
    }
}

impl<'a, W: Write + Send> ParquetFile<'a, W> {
    /// Begins the file of a table.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn begin(table: &'a Table, file: W, path: &'a Path) -> Result<Self> {
        let fields = table.columns.iter().map(|column| field(column.name, column.kind));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(Default::default()))
            .build();
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties));
        Ok(ParquetFile {
            table,
            schema,
            writer: writer.map_err(|error| told(path)(error.to_string()))?,
            path,
        })
    }

    /// Writes some rows.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&mut self, rows: &[Vec<TableCell>]) -> Result<()> {
        let columns = self.table.columns.iter().enumerate();
        let arrays = columns.map(|(at, column)| array(rows, at, column.kind)).collect();
        let failed = |error: String| told(self.path)(error);
        let batch =
            RecordBatch::try_new(self.schema.clone(), arrays).map_err(|error| failed(error.to_string()))?;
        self.writer
            .write(&batch)
            .map_err(|error| failed(error.to_string()))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn finish(self) -> Result<()> {
        let failed = told(self.path);
        self.writer
            .close()
            .map(drop)
            .map_err(|error| failed(error.to_string()))
    }
}
