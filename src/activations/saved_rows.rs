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

/// Writes all columns of `rows`.
pub(super) fn write(path: &Path, rows: &Batch) -> Result<()> {
    let columns = rows.columns();
    let named: Vec<(String, &Tensor)> = columns.iter().map(|(column, x)| (name_of(column), *x)).collect();
    let tensors: Vec<(&str, &Tensor)> = named.iter().map(|(name, x)| (name.as_str(), *x)).collect();
    let metadata = match &rows.meta {
        Some(meta) => BTreeMap::from([(META.to_string(), Value::from(meta.clone()).to_string())]),
        None => BTreeMap::new(),
    };
    safetensors::write(path, &tensors, &metadata)
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// A damaged file, or one that does not hold `count` rows in each column.
pub(super) fn read(path: &Path, count: usize, device: Device) -> Result<Batch> {
    let file = safetensors::read(path)?;
    let damaged = |what: String| Error::input(format!("`{}` is no saved buffer: {what}", path.display()));
    let mut columns = Vec::new();
    for name in file.names() {
        let column = column_of(&name).ok_or_else(|| damaged(format!("it holds a tensor `{name}`")))?;
        let x = file.tensor(&name, device, None)?;
        if x.size().first() != Some(&(count as i64)) {
            return Err(damaged(format!(
                "`{name}` has shape {:?} instead of {count} rows",
                x.size()
            )));
        }
        columns.push((column, x));
    }
    let meta = match file.metadata().get(META) {
        Some(text) => {
            Some(serde_json::from_str(text).map_err(|error| damaged(format!("its origins: {error}")))?)
        }
        None => None,
    };
    Ok(Batch {
        meta,
        ..Batch::from_columns(columns)
    })
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
