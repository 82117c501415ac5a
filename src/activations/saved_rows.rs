//! The rows of a stream's buffer in a safetensors file of a checkpoint.

use std::collections::BTreeMap;
use std::path::Path;

use super::columns::Column;
use crate::activations::stream::Batch;
use crate::config::Value;
use crate::error::{Error, Result};
use crate::tensor::{Device, Tensor, safetensors};

/// Stands before the names of hook points, so that none can be mistaken for another column.
const ACTIVATION: &str = "activation.";
/// The origins of 2D rows in the file's metadata, as a JSON list.
const META: &str = "meta";

/// Writes all columns of `rows`; of these, those whose numbers `order` has, in that order, if it is given.
pub(super) fn write(path: &Path, rows: &Batch, order: Option<&[usize]>) -> Result<()> {
    let columns = rows.columns();
    let named: Vec<(String, &Tensor)> = columns.iter().map(|(column, x)| (name_of(column), *x)).collect();
    let tensors: Vec<(&str, &Tensor)> = named.iter().map(|(name, x)| (name.as_str(), *x)).collect();
    let metadata = match &rows.meta {
        Some(meta) => {
            let meta = match order {
                Some(order) => order.iter().map(|row| meta[*row].clone()).collect(),
                None => meta.clone(),
            };
            BTreeMap::from([(META.to_string(), Value::from(meta).to_string())])
        }
        None => BTreeMap::new(),
    };
    match order {
        Some(order) => safetensors::write_rows(path, &tensors, order, &metadata),
        None => safetensors::write(path, &tensors, &metadata),
    }
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// A damaged file, or one that does not hold `count` rows in each column.
pub(super) fn read(path: &Path, count: usize, device: Device) -> Result<Batch> {
    let mut all = Batch::default();
    read_parts(path, (count, count), device, |_, rows| {
        all = rows;
        Ok(())
    })?;
    Ok(all)
}

/// Reads what [`write()`] wrote, `most` rows at a time, and calls `with` with the number of the first and the rows.
///
/// # Errors
/// As of [`read`]; those of `with`.
pub(super) fn read_parts(
    path: &Path,
    (count, most): (usize, usize),
    device: Device,
    mut with: impl FnMut(usize, Batch) -> Result<()>,
) -> Result<()> {
    let file = safetensors::read(path)?;
    let damaged = |what: String| Error::input(format!("`{}` is no saved buffer: {what}", path.display()));
    let mut columns = Vec::new();
    for name in file.names() {
        let column = column_of(&name).ok_or_else(|| damaged(format!("it holds a tensor `{name}`")))?;
        let shape = file.shape(&name).unwrap_or_default();
        if shape.first() != Some(&(count as i64)) {
            return Err(damaged(format!(
                "`{name}` has shape {shape:?} instead of {count} rows"
            )));
        }
        columns.push((column, name));
    }
    let meta: Option<Vec<Value>> = match file.metadata().get(META) {
        Some(text) => {
            Some(serde_json::from_str(text).map_err(|error| damaged(format!("its origins: {error}")))?)
        }
        None => None,
    };
    if meta.as_ref().is_some_and(|meta| meta.len() != count) {
        return Err(damaged(format!("it does not have {count} origins")));
    }
    for start in (0..count).step_by(most.max(1)) {
        let rows = start..(start + most).min(count);
        let read = |(column, name): &(Column, String)| {
            let numbers = rows.start as i64..rows.end as i64;
            Ok((column.clone(), file.rows(name, numbers, device, None)?))
        };
        let columns = columns.iter().map(read).collect::<Result<Vec<_>>>()?;
        let meta = meta.as_ref().map(|meta| meta[rows.clone()].to_vec());
        with(
            start,
            Batch {
                meta,
                ..Batch::from_columns(columns)
            },
        )?;
    }
    Ok(())
}

fn name_of(column: &Column) -> String {
    match column {
        Column::Activation(hook_point) => format!("{ACTIVATION}{hook_point}"),
        other => other.to_string(),
    }
}

fn column_of(name: &str) -> Option<Column> {
    let integers = [Column::Tokens, Column::Mask, Column::AttentionMask];
    let hook_point = name.strip_prefix(ACTIVATION);
    match hook_point {
        Some(hook_point) => Some(Column::Activation(hook_point.to_string())),
        None => integers.into_iter().find(|column| name_of(column) == name),
    }
}
