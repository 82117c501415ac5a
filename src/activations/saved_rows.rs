//! The rows of a stream's buffer in a safetensors file of a checkpoint.

use std::path::Path;

use super::columns::Column;
use super::stream::Batch;
use crate::config::Value;
use crate::error::{Error, Result};
use crate::tensor::{Device, Tensor};

/// Stands before the names of hook points, so that none can be mistaken for another column.
const ACTIVATION: &str = "activation.";
/// The origins of 2D rows, as the bytes of a JSON list.
const META: &str = "meta";

/// Writes all columns of `rows`.
pub(super) fn write(path: &Path, rows: &Batch) -> Result<()> {
    let mut tensors: Vec<(String, Tensor)> = rows
        .columns()
        .into_iter()
        .map(|(column, x)| {
            let name = match &column {
                Column::Activation(hook_point) => format!("{ACTIVATION}{hook_point}"),
                other => other.to_string(),
            };
            Ok((name, x.f_to_device(Device::Cpu)?.f_contiguous()?))
        })
        .collect::<Result<_>>()?;
    if let Some(meta) = &rows.meta {
        let text = serde_json::to_vec(meta)
            .map_err(|error| Error::run(format!("cannot write the origins of the rows: {error}")))?;
        tensors.push((META.into(), Tensor::f_from_slice(&text)?));
    }
    Tensor::write_safetensors(&tensors, path).map_err(|error| {
        Error::from(error).context(format!("writing `{}`", path.display()))
    })
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// A damaged file, or one that does not hold `count` rows in each column.
pub(super) fn read(path: &Path, count: usize) -> Result<Batch> {
    let tensors = Tensor::read_safetensors(path).map_err(|error| {
        Error::input(format!("`{}` is damaged: {error}", path.display()))
    })?;
    let mut meta = None;
    let mut columns = Vec::new();
    for (name, x) in tensors {
        let column = match name.as_str() {
            META => {
                let bytes = Vec::<u8>::try_from(&x)?;
                let values: Vec<Value> = serde_json::from_slice(&bytes)
                    .map_err(|error| Error::input(format!("`{}` is damaged: {error}", path.display())))?;
                meta = Some(values);
                continue;
            }
            "tokens" => Column::Tokens,
            "mask" => Column::Mask,
            "attention_mask" => Column::AttentionMask,
            other => match other.strip_prefix(ACTIVATION) {
                Some(hook_point) => Column::Activation(hook_point.to_string()),
                None => return Err(Error::input(format!("`{}` holds an unknown tensor `{other}`", path.display()))),
            },
        };
        if x.size().first() != Some(&(count as i64)) {
            return Err(Error::input(format!(
                "`{}` holds {:?} rows of `{column}` instead of {count}",
                path.display(),
                x.size().first()
            )));
        }
        columns.push((column, x));
    }
    Ok(Batch {
        meta,
        ..Batch::from_columns(columns)
    })
}
