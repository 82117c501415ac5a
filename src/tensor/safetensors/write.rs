//! Files written whole, with the same bytes every time.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use safetensors::tensor::Dtype;
use serde_json::{Map, Value, json};
use tch::{Device, Tensor};

use super::dtypes::{DTYPES, NOTES};
use crate::atomic;
use crate::error::{Error, Result};

/// Rows that are copied at a time.
const ROWS: usize = 4096;

/// Writes `tensors` to `path`, whole or not at all. The same tensors give the same bytes, whatever their order.
///
/// Tensors may live on any device; each is brought to the CPU when its turn comes.
///
/// # Errors
/// Two tensors of one name, a name or dtype that the format lacks, a folder that cannot be written, a full disk.
pub fn write(
    path: impl AsRef<Path>,
    tensors: &[(&str, &Tensor)],
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    write_all(path.as_ref(), tensors, None, metadata)
}

/// Writes as [`write()`] does, but of each tensor the rows whose numbers `order` has, in that order. Some are copied at a time, so
/// that it takes no memory to speak of.
///
/// # Errors
/// As of [`write()`]; a row that is not there.
pub fn write_rows(
    path: impl AsRef<Path>,
    tensors: &[(&str, &Tensor)],
    order: &[usize],
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    write_all(path.as_ref(), tensors, Some(order), metadata)
}

/// Writes tensors, or rows of them.
fn write_all(
    path: &Path,
    tensors: &[(&str, &Tensor)],
    rows: Option<&[usize]>,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let mut ordered = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        check_name(name).map_err(|error| error.context(format!("while writing `{}`", path.display())))?;
        let kind = tensor.f_kind()?;
        let (dtype, code, _) = DTYPES.iter().find(|(_, _, known)| *known == kind).ok_or_else(|| {
            Error::input(format!(
                "cannot write `{}`: tensor `{name}` has dtype {kind:?}, which safetensors files do not have",
                path.display()
            ))
        })?;
        ordered.push((*dtype, *code, *name, *tensor));
    }
    // Widest numbers first keeps every tensor aligned; this is also the order of the Python package.
    ordered.sort_by(|left, right| right.0.cmp(&left.0).then(left.2.cmp(right.2)));
    if let Some(pair) = ordered.windows(2).find(|pair| pair[0].2 == pair[1].2) {
        let name = pair[0].2;
        return Err(Error::input(format!(
            "cannot write `{}`: two tensors are called `{name}`",
            path.display()
        )));
    }
    let header = header(&ordered, rows, metadata);
    atomic::write_with(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        ordered.iter().try_for_each(|(_, _, _, tensor)| match rows {
            None => write_numbers(file, tensor),
            Some(rows) => rows
                .chunks(ROWS)
                .try_for_each(|rows| write_numbers(file, &picked(tensor, rows)?)),
        })
    })
}

/// Refuses what cannot be a tensor's name: the key of the file's own notes, nothing, and characters with which no reader
/// of the file can go on.
fn check_name(name: &str) -> Result<()> {
    let problem = match name {
        "" => "a tensor needs a name",
        "__metadata__" => {
            "`__metadata__` holds a safetensors file's own notes, so no tensor can be called that"
        }
        _ if name.contains('\0') => "a tensor's name cannot contain the character NUL",
        _ => return Ok(()),
    };
    Err(Error::input(problem).hint("choose another name"))
}

/// The JSON header, padded with blanks to a multiple of eight bytes.
fn header(
    tensors: &[(Dtype, &str, &str, &Tensor)],
    rows: Option<&[usize]>,
    metadata: &BTreeMap<String, String>,
) -> Vec<u8> {
    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert(NOTES.into(), json!(metadata));
    }
    let mut start = 0;
    for (_, code, name, tensor) in tensors {
        let mut shape = tensor.size();
        if let (Some(rows), Some(first)) = (rows, shape.first_mut()) {
            *first = rows.len() as i64;
        }
        let numbers = shape.iter().product::<i64>() as usize;
        let end = start + numbers * tensor.kind().elt_size_in_bytes();
        let info = json!({"dtype": code, "shape": shape, "data_offsets": [start, end]});
        header.insert((*name).to_string(), info);
        start = end;
    }
    let mut bytes = Value::Object(header).to_string().into_bytes();
    bytes.resize(bytes.len().next_multiple_of(8), b' ');
    bytes
}

/// Returns these rows of a tensor.
fn picked(tensor: &Tensor, rows: &[usize]) -> io::Result<Tensor> {
    let rows: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
    Tensor::f_from_slice(&rows)
        .and_then(|rows| rows.f_to_device(tensor.device()))
        .and_then(|rows| tensor.f_index_select(0, &rows))
        .map_err(io::Error::other)
}

fn write_numbers(file: &mut impl Write, tensor: &Tensor) -> io::Result<()> {
    if tensor.numel() == 0 {
        return Ok(());
    }
    let tensor = tensor
        .f_detach()
        .and_then(|tensor| tensor.f_to_device(Device::Cpu))
        .and_then(|tensor| tensor.f_contiguous())
        .map_err(io::Error::other)?;
    let length = tensor.numel() * tensor.kind().elt_size_in_bytes();
    // SAFETY: a contiguous CPU tensor owns `length` bytes from `data_ptr` on, and lives until the end of this call.
    let bytes = unsafe { std::slice::from_raw_parts(tensor.data_ptr() as *const u8, length) };
    file.write_all(bytes)
}
