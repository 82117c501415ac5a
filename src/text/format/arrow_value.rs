//! Cells of Arrow columns as plain values.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch, downcast_temporal_array};
use arrow_schema::DataType;

use super::Row;
use crate::config::Value;
use crate::error::{Error, Result};

/// Row `index` of `batch` as a map.
pub(super) fn row(batch: &RecordBatch, index: usize) -> Result<Row> {
    let schema = batch.schema_ref();
    let cells = schema.fields().iter().zip(batch.columns());
    cells
        .map(|(field, column)| Ok((field.name().clone(), value(column.as_ref(), index)?)))
        .collect()
}

/// Cell `index` of a column: strings, numbers, booleans, lists and structs of them. Dates and times are the whole
/// numbers that are stored, decimal numbers are texts, and binary data is a list of bytes.
///
/// # Errors
/// Columns of other types.
fn value(column: &dyn Array, index: usize) -> Result<Value> {
    if column.is_null(index) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(index).into(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(index).into(),
        DataType::Utf8View => column.as_string_view().value(index).into(),
        DataType::Boolean => column.as_boolean().value(index).into(),
        DataType::Int8 => column.as_primitive::<Int8Type>().value(index).into(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(index).into(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(index).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(index).into(),
        DataType::UInt8 => column.as_primitive::<UInt8Type>().value(index).into(),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().value(index).into(),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().value(index).into(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(index).into(),
        DataType::Float16 => column.as_primitive::<Float16Type>().value(index).to_f32().into(),
        DataType::Float32 => column.as_primitive::<Float32Type>().value(index).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(index).into(),
        DataType::List(_) => list(column.as_list::<i32>().value(index).as_ref())?,
        DataType::LargeList(_) => list(column.as_list::<i64>().value(index).as_ref())?,
        DataType::FixedSizeList(_, _) => list(column.as_fixed_size_list().value(index).as_ref())?,
        DataType::Struct(fields) => {
            let columns = column.as_struct().columns();
            let cells = fields.iter().zip(columns);
            let row: Result<Row> = cells
                .map(|(field, column)| Ok((field.name().clone(), value(column.as_ref(), index)?)))
                .collect();
            Value::Object(row?)
        }
        DataType::Dictionary(_, _) => {
            let coded = column.as_any_dictionary();
            value(coded.values().as_ref(), coded.normalized_keys()[index])?
        }
        DataType::Binary => bytes(column.as_binary::<i32>().value(index)),
        DataType::LargeBinary => bytes(column.as_binary::<i64>().value(index)),
        DataType::Decimal128(_, _) => column
            .as_primitive::<Decimal128Type>()
            .value_as_string(index)
            .into(),
        _ => downcast_temporal_array!(
            column => Value::from(column.value(index)),
            other => {
                return Err(Error::input(format!("columns of type {other} cannot be read"))
                    .hint("text columns are strings, token columns are lists of integers"));
            }
        ),
    })
}

fn bytes(bytes: &[u8]) -> Value {
    bytes.iter().map(|byte| Value::from(*byte)).collect()
}

fn list(items: &dyn Array) -> Result<Value> {
    let values: Result<Vec<Value>> = (0..items.len()).map(|index| value(items, index)).collect();
    values.map(Value::Array)
}
