//! Cells of Arrow columns.
//!
//! What JSON and CSV have no words for becomes what people write there: dates and times are texts in ISO 8601, decimal
//! numbers are texts with all their digits, durations are seconds.

use arrow_array::cast::AsArray;
use arrow_array::temporal_conversions::{as_date, as_datetime, as_time};
use arrow_array::types::{
    ArrowPrimitiveType, ArrowTemporalType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DecimalType, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType,
    DurationSecondType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, MapArray, PrimitiveArray, RecordBatch, StructArray, downcast_temporal_array};
use arrow_schema::{DataType, TimeUnit};

use crate::error::{Error, Result};
use crate::text::cell::{Cell, Row};

/// Returns row `index` of `batch`.
pub(super) fn row(batch: &RecordBatch, index: usize) -> Result<Row> {
    let schema = batch.schema_ref();
    let cells = schema.fields().iter().zip(batch.columns());
    cells
        .map(|(field, column)| Ok((field.name().clone(), cell(column.as_ref(), index)?)))
        .collect()
}

/// Cell `index` of a column.
///
/// # Errors
/// Columns of types that have no form here.
fn cell(column: &dyn Array, index: usize) -> Result<Cell> {
    if column.is_null(index) {
        return Ok(Cell::Null);
    }
    Ok(match column.data_type() {
        DataType::Null => Cell::Null,
        DataType::Utf8 => column.as_string::<i32>().value(index).into(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(index).into(),
        DataType::Utf8View => column.as_string_view().value(index).into(),
        DataType::Boolean => column.as_boolean().value(index).into(),
        DataType::Int8 => whole::<Int8Type>(column, index),
        DataType::Int16 => whole::<Int16Type>(column, index),
        DataType::Int32 => whole::<Int32Type>(column, index),
        DataType::Int64 => whole::<Int64Type>(column, index),
        DataType::UInt8 => whole::<UInt8Type>(column, index),
        DataType::UInt16 => whole::<UInt16Type>(column, index),
        DataType::UInt32 => whole::<UInt32Type>(column, index),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(index).into(),
        DataType::Float16 => column.as_primitive::<Float16Type>().value(index).to_f64().into(),
        DataType::Float32 => f64::from(column.as_primitive::<Float32Type>().value(index)).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(index).into(),
        DataType::Decimal32(..) => decimal::<Decimal32Type>(column, index),
        DataType::Decimal64(..) => decimal::<Decimal64Type>(column, index),
        DataType::Decimal128(..) => decimal::<Decimal128Type>(column, index),
        DataType::Decimal256(..) => decimal::<Decimal256Type>(column, index),
        DataType::Binary => bytes(column.as_binary::<i32>().value(index)),
        DataType::LargeBinary => bytes(column.as_binary::<i64>().value(index)),
        DataType::BinaryView => bytes(column.as_binary_view().value(index)),
        DataType::FixedSizeBinary(_) => bytes(column.as_fixed_size_binary().value(index)),
        _ => compound(column, index)?,
    })
}

/// Cell `index` of a column whose cells are made of others, or a point in time.
fn compound(column: &dyn Array, index: usize) -> Result<Cell> {
    match column.data_type() {
        DataType::List(_) => list(column.as_list::<i32>().value(index).as_ref()),
        DataType::LargeList(_) => list(column.as_list::<i64>().value(index).as_ref()),
        DataType::ListView(_) => list(column.as_list_view::<i32>().value(index).as_ref()),
        DataType::LargeListView(_) => list(column.as_list_view::<i64>().value(index).as_ref()),
        DataType::FixedSizeList(..) => list(column.as_fixed_size_list().value(index).as_ref()),
        DataType::Struct(_) => structure(column.as_struct(), index),
        DataType::Map(..) => map(column.as_map(), index),
        DataType::Duration(unit) => {
            let stored = match unit {
                TimeUnit::Second => column.as_primitive::<DurationSecondType>().value(index),
                TimeUnit::Millisecond => column.as_primitive::<DurationMillisecondType>().value(index),
                TimeUnit::Microsecond => column.as_primitive::<DurationMicrosecondType>().value(index),
                TimeUnit::Nanosecond => column.as_primitive::<DurationNanosecondType>().value(index),
            };
            Ok(Cell::Float(seconds(stored, *unit)))
        }
        DataType::Dictionary(..) => {
            let coded = column.as_any_dictionary();
            match cell(coded.keys(), index)? {
                Cell::Int(key) => cell(coded.values().as_ref(), key as usize),
                _ => Ok(Cell::Null),
            }
        }
        _ => downcast_temporal_array!(
            column => Ok(moment(column, index)),
            other => Err(Error::input(format!("columns of type {other} cannot be read"))
                .hint("text columns are strings, token columns are lists of integers")),
        ),
    }
}

fn whole<T: ArrowPrimitiveType>(column: &dyn Array, index: usize) -> Cell
where
    i64: From<T::Native>,
{
    Cell::Int(column.as_primitive::<T>().value(index).into())
}

fn decimal<T: DecimalType + ArrowPrimitiveType>(column: &dyn Array, index: usize) -> Cell {
    column.as_primitive::<T>().value_as_string(index).into()
}

fn bytes(bytes: &[u8]) -> Cell {
    Cell::List(bytes.iter().map(|byte| Cell::Int((*byte).into())).collect())
}

fn list(items: &dyn Array) -> Result<Cell> {
    let cells: Result<Vec<Cell>> = (0..items.len()).map(|index| cell(items, index)).collect();
    cells.map(Cell::List)
}

fn structure(column: &StructArray, index: usize) -> Result<Cell> {
    let cells = column.fields().iter().zip(column.columns());
    let row: Result<Row> = cells
        .map(|(field, column)| Ok((field.name().clone(), cell(column.as_ref(), index)?)))
        .collect();
    row.map(Cell::Map)
}

/// A map's entries by their keys; of two with the same key the last counts. Keys that are no texts are written as JSON.
fn map(column: &MapArray, index: usize) -> Result<Cell> {
    let entries = column.value(index);
    let (keys, values) = (entries.column(0), entries.column(1));
    let entry = |at: usize| {
        let key = match cell(keys.as_ref(), at)? {
            Cell::Text(key) => key,
            other => {
                let mut key = Vec::new();
                other
                    .write_json(&mut key)
                    .map_err(|error| Error::run(error.to_string()))?;
                String::from_utf8_lossy(&key).into_owned()
            }
        };
        Ok((key, cell(values.as_ref(), at)?))
    };
    let row: Result<Row> = (0..entries.len()).map(entry).collect();
    row.map(Cell::Map)
}

/// A date, a time, or both in ISO 8601, as Python's `isoformat` writes them, with a time zone in UTC. What no calendar has
/// stays the whole number that is stored.
fn moment<T: ArrowTemporalType>(column: &PrimitiveArray<T>, index: usize) -> Cell
where
    i64: From<T::Native>,
{
    let stored = i64::from(column.value(index));
    let text = match column.data_type() {
        DataType::Date32 | DataType::Date64 => as_date::<T>(stored).map(|date| date.to_string()),
        DataType::Time32(_) | DataType::Time64(_) => {
            as_time::<T>(stored).map(|time| shortened(&time.format("%H:%M:%S%.9f").to_string()))
        }
        DataType::Timestamp(_, zone) => as_datetime::<T>(stored).map(|moment| {
            let text = shortened(&moment.format("%Y-%m-%dT%H:%M:%S%.9f").to_string());
            if zone.is_some() { text + "+00:00" } else { text }
        }),
        _ => None,
    };
    text.map_or(Cell::Int(stored), Cell::Text)
}

/// Nine decimals of a second cut to six or none where the others are zeros.
fn shortened(text: &str) -> String {
    let short = text.strip_suffix("000").unwrap_or(text);
    short.strip_suffix(".000000").unwrap_or(short).to_string()
}

fn seconds(stored: i64, unit: TimeUnit) -> f64 {
    let in_a_second = match unit {
        TimeUnit::Second => 1.0,
        TimeUnit::Millisecond => 1e3,
        TimeUnit::Microsecond => 1e6,
        TimeUnit::Nanosecond => 1e9,
    };
    stored as f64 / in_a_second
}
