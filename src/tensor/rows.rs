//! Tensors put together from rows that lie somewhere in memory, such as in mapped files.

use std::mem::MaybeUninit;

use super::{Device, Tensor, copy};
use crate::error::{Error, Result};

/// Fills `tensor`, on the CPU and shared with nobody, with `rows`: each the bytes of one of its rows.
///
/// The numbers are copied once.
///
/// # Errors
/// Not as many rows, or not rows of the length, that the tensor has; a tensor that is not in one piece.
pub fn fill_rows<'a>(tensor: Tensor, rows: impl Iterator<Item = &'a [u8]>) -> Result<Tensor> {
    let length = tensor.numel() * tensor.f_kind()?.elt_size_in_bytes();
    if length == 0 {
        return Ok(tensor);
    }
    if tensor.device() != Device::Cpu || !tensor.is_contiguous() {
        return Err(Error::run(
            "only a contiguous tensor on the CPU can be filled with rows",
        ));
    }
    // SAFETY: the tensor is contiguous, on the CPU and has `length` bytes; it was handed over, so nobody else uses it.
    // The slice is of possibly uninitialised bytes, which are written before the tensor is handed back.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<MaybeUninit<u8>>(), length) };
    let size = tensor.size();
    let count = size.first().copied().unwrap_or(1).max(1) as usize;
    let width = length / count;
    let rows: Vec<&[u8]> = rows.collect();
    if rows.len() != count {
        return Err(Error::run(format!(
            "{} rows were given where {count} were expected",
            rows.len()
        )));
    }
    if let Some((at, row)) = rows.iter().enumerate().find(|(_, row)| row.len() != width) {
        return Err(Error::run(format!(
            "row {at} has {} bytes where {width} were expected",
            row.len()
        )));
    }
    copy::gather(bytes, &rows);
    Ok(tensor)
}

/// Copies rows of `from` to rows of `to`, both contiguous, on the CPU and of one dtype: that number `places[i]` to number
/// `slots[i]`.
///
/// # Errors
/// Tensors of another kind; rows of two lengths; not as many slots as places; a row that is not there.
pub fn copy_rows(to: &mut Tensor, slots: &[usize], from: &Tensor, places: &[usize]) -> Result<()> {
    let in_one_piece = |x: &Tensor| x.device() == Device::Cpu && x.is_contiguous();
    let (to_size, from_size) = (to.size(), from.size());
    let is_alike = to.f_kind()? == from.f_kind()? && to_size.get(1..) == from_size.get(1..);
    if !in_one_piece(to) || !in_one_piece(from) || !is_alike || slots.len() != places.len() {
        return Err(Error::run(format!(
            "{} rows of {from:?} cannot become {} rows of {to:?}",
            places.len(),
            slots.len()
        )));
    }
    let rows = |size: &[i64]| size.first().copied().unwrap_or(0) as usize;
    for (numbers, rows) in [(slots, rows(&to_size)), (places, rows(&from_size))] {
        if let Some(beyond) = numbers.iter().find(|number| **number >= rows) {
            return Err(Error::run(format!("there are {rows} rows and no row {beyond}")));
        }
    }
    let width = to_size.iter().skip(1).product::<i64>() as usize * to.f_kind()?.elt_size_in_bytes();
    let (target, origin) = (to.data_ptr().cast::<u8>(), from.data_ptr().cast::<u8>());
    for (slot, place) in slots.iter().zip(places) {
        // SAFETY: both tensors are contiguous, on the CPU and have rows of `width` bytes, of which these exist. `to` is borrowed
        // for writing; should both share memory, rows may be copied onto themselves.
        unsafe { std::ptr::copy(origin.add(place * width), target.add(slot * width), width) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    #[test]
    fn rows_are_copied_in_order_and_counted() {
        let numbers: Vec<u8> = [1f32, 2.0, 3.0, 4.0]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        let rows = || [&numbers[8..16], &numbers[0..8]].into_iter();
        let filled = |size: &[i64]| fill_rows(Tensor::empty(size, (Kind::Float, Device::Cpu)), rows());
        let tensor = filled(&[2, 2]).expect("two rows");
        assert_eq!(
            Vec::<f32>::try_from(tensor.view([-1])).expect("floats"),
            [3.0, 4.0, 1.0, 2.0]
        );
        assert!(filled(&[3, 2]).is_err());
        assert!(filled(&[1, 2]).is_err());
        assert!(filled(&[2, 3]).is_err());
    }
}
