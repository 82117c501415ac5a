//! Tables of a store as JSON lines, CSV or Parquet.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::columns::ParquetFile;
use super::files::{self, Existing, failed};
use crate::error::{Error, Result};
use crate::findings::{Store, Table, TableCell};

/// How tables are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// An object a line; numbers that JSON has not are "NaN", "Infinity" and "-Infinity".
    JsonLines,
    /// Comma-separated, with the names of the columns first; lists are JSON in a cell.
    Csv,
    /// Parquet, lists as such.
    Parquet,
}

impl TableFormat {
    /// Returns how its files end.
    pub fn ending(self) -> &'static str {
        match self {
            TableFormat::JsonLines => "jsonl",
            TableFormat::Csv => "csv",
            TableFormat::Parquet => "parquet",
        }
    }
}

/// Rows of Parquet that are made at a time.
const TOGETHER: usize = 4096;

/// Writes `tables` of a store: one to the file `out`, several to files of their names in the folder `out`. Returns the
/// files.
///
/// # Errors
/// A file is there already; a damaged store; it cannot be written.
pub fn export_tables(
    store: &Store,
    tables: &[&Table],
    format: TableFormat,
    out: &Path,
    existing: Existing,
) -> Result<Vec<PathBuf>> {
    let paths: Vec<PathBuf> = match tables {
        [_] if out.extension().is_some() => vec![out.to_path_buf()],
        _ => tables
            .iter()
            .map(|table| out.join(format!("{}.{}", table.name, format.ending())))
            .collect(),
    };
    existing.admit(&paths)?;
    files::all_or_none(&paths, existing, || {
        for (table, path) in tables.iter().zip(&paths) {
            files::write(path, |file| match format {
                TableFormat::JsonLines => json_lines(store, table, file, path),
                TableFormat::Csv => csv(store, table, file, path),
                TableFormat::Parquet => parquet(store, table, file, path),
            })?;
        }
        Ok(())
    })?;
    Ok(paths)
}

fn json_lines(store: &Store, table: &Table, file: &mut impl Write, path: &Path) -> Result<()> {
    store.each_row(table, |row| {
        let cells = table.columns.iter().zip(row);
        let object: Map<String, Value> = cells
            .map(|(column, cell)| (column.name.to_string(), value(&cell)))
            .collect();
        writeln!(file, "{}", Value::Object(object)).map_err(failed(path))
    })
}

fn csv(store: &Store, table: &Table, file: &mut impl Write, path: &Path) -> Result<()> {
    let told = |error: csv::Error| Error::run(format!("cannot write `{}`: {error}", path.display()));
    let mut writer = csv::Writer::from_writer(file);
    let names = table.columns.iter().map(|column| column.name);
    writer.write_record(names).map_err(told)?;
    store.each_row(table, |row| {
        writer.write_record(row.iter().map(in_csv)).map_err(told)
    })?;
    writer.flush().map_err(failed(path))
}

fn parquet(store: &Store, table: &Table, file: &mut (impl Write + Send), path: &Path) -> Result<()> {
    let mut parquet = ParquetFile::begin(table, file, path)?;
    let mut held = Vec::with_capacity(TOGETHER);
    store.each_row(table, |row| {
        held.push(row);
        if held.len() < TOGETHER {
            return Ok(());
        }
        parquet.write(&held)?;
        held.clear();
        Ok(())
    })?;
    parquet.write(&held)?;
    parquet.finish()
}

/// Returns the float as JSON has it, or its name where JSON has none.
fn real(number: f64) -> Value {
    let name = || {
        if number.is_nan() {
            "NaN"
        } else if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
    };
    serde_json::Number::from_f64(number).map_or_else(|| name().into(), Value::Number)
}

/// Returns the float32 with no more digits than tell it from others.
fn short(number: f32) -> Value {
    if !number.is_finite() {
        return real(f64::from(number));
    }
    number.to_string().parse().map_or(Value::Null, real)
}

fn value(cell: &TableCell) -> Value {
    match cell {
        TableCell::Null => Value::Null,
        TableCell::Integer(number) => (*number).into(),
        TableCell::Real(number) => real(*number),
        TableCell::Text(text) => text.as_str().into(),
        TableCell::Integers(numbers) => numbers.clone().into(),
        TableCell::Reals(numbers) => numbers.iter().map(|number| short(*number)).collect(),
    }
}

fn in_csv(cell: &TableCell) -> String {
    match cell {
        TableCell::Null => String::new(),
        TableCell::Integer(number) => number.to_string(),
        TableCell::Real(number) => number.to_string(),
        TableCell::Text(text) => text.clone(),
        lists => value(lists).to_string(),
    }
}
