//! The numbers of a tensor as a slice, for kernels.

use tch::kind::Element;
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};

/// Returns the numbers of a float32 tensor of the CPU in the order in which it is written.
///
/// # Errors
/// It has another dtype, is on another device, or lies in memory in another order.
pub fn numbers(tensor: &Tensor) -> Result<&[f32]> {
    check(tensor, f32::KIND)?;
    // SAFETY: a contiguous float32 tensor of the CPU owns so many numbers from `data_ptr` on. They live as long as the
    // tensor, and those who change numbers in place do so through `numbers_mut`, or between two calls of kernels.
    Ok(unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) })
}

/// Returns the numbers of a tensor as [`numbers`] does, to be changed.
///
/// # Errors
/// As [`numbers`].
pub fn numbers_mut(tensor: &mut Tensor) -> Result<&mut [f32]> {
    elements_mut(tensor)
}

/// Returns the elements of a tensor of any such dtype as [`numbers_mut`] does.
///
/// # Errors
/// As [`numbers`].
pub fn elements_mut<T: Element>(tensor: &mut Tensor) -> Result<&mut [T]> {
    check(tensor, T::KIND)?;
    // SAFETY: as above; who holds other handles on the numbers does not use them meanwhile.
    Ok(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) })
}

/// How many rows and columns a matrix has, and how many numbers apart in memory rows and columns are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Rows and columns.
    pub size: (usize, usize),
    /// From a number to the one below it, and to the next one.
    pub strides: (usize, usize),
}

/// Returns the numbers of a float32 matrix of the CPU from the first to the last as they lie in memory, and where they are.
///
/// # Errors
/// It is no such matrix, has no numbers, or rows or columns that are one and the same.
pub fn strided(matrix: &Tensor) -> Result<(&[f32], Layout)> {
    let (layout, count) = layout(matrix)?;
    // SAFETY: what is from the first to the last number is the tensor's, or that of a larger one of which it is a part.
    let numbers = unsafe { std::slice::from_raw_parts(matrix.data_ptr().cast(), count) };
    Ok((numbers, layout))
}

/// Returns the numbers of a matrix as [`strided`] does, to be changed: row after row, with gaps or without.
///
/// # Errors
/// As [`strided`]; also where columns are not next to each other, or rows overlap.
pub fn strided_mut(matrix: &mut Tensor) -> Result<(&mut [f32], Layout)> {
    let (layout, count) = layout(matrix)?;
    let (size, strides) = (layout.size, layout.strides);
    let is_by_row = (size.1 == 1 || strides.1 == 1) && (size.0 == 1 || strides.0 >= size.1);
    if !is_by_row {
        return Err(unfit_matrix(matrix));
    }
    // SAFETY: as above; who holds other handles on the numbers does not use them meanwhile.
    let numbers = unsafe { std::slice::from_raw_parts_mut(matrix.data_ptr().cast(), count) };
    Ok((numbers, layout))
}

/// Returns where the numbers of a float32 matrix of the CPU are, and how many places there are from the first to the last.
fn layout(matrix: &Tensor) -> Result<(Layout, usize)> {
    let ([rows, columns], [by_row, by_column]) = (&matrix.size()[..], &matrix.stride()[..]) else {
        return Err(unfit_matrix(matrix));
    };
    let is_plain = matrix.f_kind()? == Kind::Float && matrix.device() == Device::Cpu;
    let is_one = |size: i64, stride: i64| size > 1 && stride == 0;
    if !is_plain || rows * columns == 0 || is_one(*rows, *by_row) || is_one(*columns, *by_column) {
        return Err(unfit_matrix(matrix));
    }
    let layout = Layout {
        size: (*rows as usize, *columns as usize),
        strides: (*by_row as usize, *by_column as usize),
    };
    let count = (rows - 1) * by_row + (columns - 1) * by_column + 1;
    Ok((layout, count as usize))
}

/// Returns the tensor with its dimensions in the order in which they lie in memory, without a copy: contiguous. `None`
/// where there are gaps, or numbers that several places share.
pub fn in_memory_order(tensor: &Tensor) -> Option<Tensor> {
    if tensor.is_contiguous() {
        return Some(tensor.shallow_clone());
    }
    let strides = tensor.stride();
    let mut order: Vec<i64> = (0..strides.len() as i64).collect();
    order.sort_by_key(|dim| -strides[*dim as usize]);
    let ordered = tensor.f_permute(order).ok()?;
    ordered.is_contiguous().then_some(ordered)
}

fn check(tensor: &Tensor, kind: Kind) -> Result<()> {
    let fits = tensor.f_kind()? == kind && tensor.device() == Device::Cpu && tensor.is_contiguous();
    if fits && tensor.numel() > 0 {
        return Ok(());
    }
    Err(Error::run(format!(
        "a kernel needs contiguous numbers of the CPU, {kind:?}, but was given {tensor:?}"
    )))
}

fn unfit_matrix(given: &Tensor) -> Error {
    Error::run(format!(
        "a kernel needs a matrix of the CPU in float32 whose rows or columns lie in memory, but was given {given:?}, with strides {:?}",
        given.stride()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_numbers_are_handed_out() {
        let mut tensor = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0]).reshape([2, 2]);
        numbers_mut(&mut tensor).expect("plain numbers")[1] = 5.0;
        assert_eq!(numbers(&tensor).expect("plain numbers"), [1.0, 5.0, 3.0, 4.0]);
        assert!(numbers(&tensor.tr()).is_err());
        let ordered = in_memory_order(&tensor.tr()).expect("no gaps");
        assert_eq!(ordered.stride(), tensor.stride());
        assert!(in_memory_order(&tensor.narrow(1, 0, 1)).is_none());
        assert!(in_memory_order(&tensor.get(0).unsqueeze(0).expand([2, 2], false)).is_none());
        assert!(numbers(&tensor.to_kind(Kind::Double)).is_err());
    }

    #[test]
    fn parts_of_matrices_are_handed_out_as_they_lie() {
        let tensor = Tensor::arange(12, (Kind::Float, Device::Cpu)).reshape([3, 4]);
        let mut part = tensor.narrow(1, 1, 2);
        let turned = part.tr();
        let (read, layout) = strided(&turned).expect("a part");
        assert_eq!((layout.size, layout.strides), ((2, 3), (1, 4)));
        assert_eq!((read.first(), read.last()), (Some(&1.0), Some(&10.0)));
        assert!(strided_mut(&mut part.tr()).is_err());
        strided_mut(&mut part).expect("rows").0[9] = -1.0;
        assert_eq!(f64::try_from(tensor.get(2).get(2)).expect("a number"), -1.0);
        assert!(strided(&tensor.narrow(0, 0, 0)).is_err());
        assert!(strided(&tensor.get(0)).is_err());
        assert!(strided(&tensor.to_kind(Kind::Double)).is_err());
        let mut same = tensor.get(0).unsqueeze(0).expand([2, 4], false);
        assert!(strided_mut(&mut same).is_err());
        assert!(strided(&same).is_err());
    }
}
