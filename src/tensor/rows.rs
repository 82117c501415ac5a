//! Tensors put together from rows that lie somewhere in memory, such as in mapped files.

use std::mem::MaybeUninit;

use super::{Device, Kind, Tensor};
use crate::error::{Error, Result};

/// A CPU tensor of shape `size` filled with `rows`, each the bytes of `size[1..]` numbers of `kind`.
///
/// The numbers are copied once.
///
/// # Errors
/// Not as many rows, or not rows of the length, that `size` stands for; no memory.
pub fn from_rows<'a>(size: &[i64], kind: Kind, rows: impl Iterator<Item = &'a [u8]>) -> Result<Tensor> {
    let tensor = Tensor::f_empty(size, (kind, Device::Cpu))?;
    let length = tensor.numel() * kind.elt_size_in_bytes();
    if length == 0 {
        return Ok(tensor);
    }
    // SAFETY: the tensor was just allocated, is contiguous, on the CPU and has `length` bytes; nobody else holds it.
    // The slice is of possibly uninitialised bytes, which are written before the tensor is handed out.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<MaybeUninit<u8>>(), length) };
    let count = size.first().copied().unwrap_or(1).max(1) as usize;
    let width = length / count;
    let mut places = bytes.chunks_exact_mut(width);
    let mut filled = 0;
    for row in rows {
        let place = places.next().filter(|place| place.len() == row.len());
        let Some(place) = place else {
            return Err(Error::run(format!(
                "row {filled} has {} bytes where {width} were expected of {count} rows",
                row.len()
            )));
        };
        place.write_copy_of_slice(row);
        filled += 1;
    }
    if filled != count {
        return Err(Error::run(format!(
            "{filled} rows were given where {count} were expected"
        )));
    }
    Ok(tensor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_copied_in_order_and_counted() {
        let numbers: Vec<u8> = [1f32, 2.0, 3.0, 4.0]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        let rows = || [&numbers[8..16], &numbers[0..8]].into_iter();
        let tensor = from_rows(&[2, 2], Kind::Float, rows()).expect("two rows");
        assert_eq!(
            Vec::<f32>::try_from(tensor.view([-1])).expect("floats"),
            [3.0, 4.0, 1.0, 2.0]
        );
        assert!(from_rows(&[3, 2], Kind::Float, rows()).is_err());
        assert!(from_rows(&[1, 2], Kind::Float, rows()).is_err());
        assert!(from_rows(&[2, 3], Kind::Float, rows()).is_err());
    }
}
