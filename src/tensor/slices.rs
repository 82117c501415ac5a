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
}
