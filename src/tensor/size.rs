//! How large a tensor would be, and whether it may be made.

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::memory;

/// Most dimensions a tensor may have here: as many as libtorch's loops over several tensors can handle.
pub const MOST_DIMENSIONS: usize = 64;

/// Returns the number of elements of a shape.
///
/// # Errors
/// A negative size, more than [`MOST_DIMENSIONS`], or more elements than any memory has.
pub fn elements(shape: &[i64]) -> Result<u64> {
    if shape.len() > MOST_DIMENSIONS {
        return Err(Error::input(format!(
            "a tensor has at most {MOST_DIMENSIONS} dimensions, but this one would have {}",
            shape.len()
        )));
    }
    if let Some(size) = shape.iter().find(|size| **size < 0) {
        return Err(Error::input(format!(
            "sizes are at least 0, but {size} was given in {shape:?}"
        )));
    }
    if shape.contains(&0) {
        return Ok(0);
    }
    shape
        .iter()
        .try_fold(1u64, |product, size| product.checked_mul(*size as u64))
        .filter(|count| *count <= i64::MAX as u64 / 8)
        .ok_or_else(|| Error::out_of_memory(format!("no machine holds a tensor of shape {shape:?}")))
}

/// Lets a tensor of this shape be made.
///
/// # Errors
/// As [`elements`]; on the CPU also what does not fit into the memory budget.
pub fn admit(shape: &[i64], kind: Kind, device: Device) -> Result<()> {
    let bytes = elements(shape)?.saturating_mul(kind.elt_size_in_bytes() as u64);
    match device {
        Device::Cpu => memory::admit(bytes, &format!("a tensor of shape {}", shape_text(shape))),
        _ => Ok(()),
    }
}

/// Lets a tensor of the same shape be made that holds `kind`.
///
/// # Errors
/// As [`admit`].
pub fn admit_like(tensor: &Tensor, kind: Kind) -> Result<()> {
    admit(&tensor.size(), kind, tensor.device())
}

/// Returns the shape of a combination of two shapes, element by element; `None` if they do not fit.
pub fn broadcast(a: &[i64], b: &[i64]) -> Option<Vec<i64>> {
    let rank = a.len().max(b.len());
    let size = |shape: &[i64], dim: usize| match (dim + shape.len()).checked_sub(rank) {
        Some(at) => shape[at],
        None => 1,
    };
    (0..rank)
        .map(|dim| match (size(a, dim), size(b, dim)) {
            (1, other) | (other, 1) => Some(other),
            (x, y) if x == y => Some(x),
            _ => None,
        })
        .collect()
}

/// A shape as it is written, long ones in part.
fn shape_text(shape: &[i64]) -> String {
    const SHOWN: usize = 8;
    if shape.len() <= SHOWN {
        format!("{shape:?}")
    } else {
        let text = format!("{:?}", &shape[..SHOWN]);
        format!("{}, …]", text.trim_end_matches(']'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_that_no_memory_holds_are_refused() {
        assert_eq!(elements(&[2, 0, i64::MAX]).expect("empty"), 0);
        assert_eq!(elements(&[]).expect("one number"), 1);
        for shape in [vec![-1], vec![i64::MAX, 2], vec![i64::MAX], vec![1; 65]] {
            assert!(elements(&shape).is_err(), "{shape:?}");
        }
        let error = admit(&[10_000_000, 10_000_000], Kind::Float, Device::Cpu).expect_err("400 TB");
        assert!(error.message().contains("out of memory"), "{error}");
    }

    #[test]
    fn shapes_are_broadcast_from_the_right() {
        assert_eq!(broadcast(&[3, 1], &[4]), Some(vec![3, 4]));
        assert_eq!(broadcast(&[], &[2, 2]), Some(vec![2, 2]));
        assert_eq!(broadcast(&[1], &[0]), Some(vec![0]));
        assert_eq!(broadcast(&[2], &[3]), None);
    }
}
