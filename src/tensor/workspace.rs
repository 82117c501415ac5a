//! Tensors that are there from one round of work to the next.

use std::cell::{Cell, RefCell};

use super::{Buffer, Device, Kind, Tensor};
use crate::error::Result;

/// Tensors that serve one round of work after the other, in the order in which they are asked for: a round that asks for what
/// the one before did takes no memory. All of a round stay, so it has to be no more than may be held.
///
/// On a GPU each tensor is a new one, since work there goes on by itself, and its memory is kept for the next anyway.
#[derive(Debug, Default)]
pub struct Workspace {
    kept: RefCell<Vec<Buffer>>,
    taken: Cell<usize>,
}

impl Workspace {
    /// Begins a round: what was handed out before may be written over from now on.
    pub fn begin(&self) {
        self.taken.set(0);
    }

    /// Returns a tensor of this size with numbers that mean nothing.
    ///
    /// # Errors
    /// Too little memory; so it is with all below.
    pub fn empty(&self, size: &[i64], options: (Kind, Device)) -> Result<Tensor> {
        if options.1 != Device::Cpu {
            return Ok(Tensor::f_empty(size, options)?);
        }
        let mut kept = self.kept.borrow_mut();
        let number = self.taken.replace(self.taken.get() + 1);
        if kept.len() == number {
            kept.push(Buffer::default());
        }
        kept[number].take_sized(size, options)
    }

    /// Returns a tensor of the size, dtype and device of `like` with numbers that mean nothing.
    pub fn empty_like(&self, like: &Tensor) -> Result<Tensor> {
        self.empty(&like.size(), (like.f_kind()?, like.device()))
    }

    /// Returns a tensor of this size with zeros.
    pub fn zeros(&self, size: &[i64], options: (Kind, Device)) -> Result<Tensor> {
        Ok(self.empty(size, options)?.f_zero_()?)
    }

    /// Returns a tensor of the size, dtype and device of `like` with zeros.
    pub fn zeros_like(&self, like: &Tensor) -> Result<Tensor> {
        self.zeros(&like.size(), (like.f_kind()?, like.device()))
    }

    /// Returns a copy of `tensor`, to be changed in place.
    pub fn copy(&self, tensor: &Tensor) -> Result<Tensor> {
        let mut copy = self.empty_like(tensor)?;
        copy.f_copy_(tensor)?;
        Ok(copy)
    }

    /// Returns the elementwise product of two tensors of one size and dtype.
    pub fn times(&self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        Ok(left.f_mul_out(&self.empty_like(left)?, right)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_works_where_the_one_before_did() {
        let workspace = Workspace::default();
        let three = Tensor::from_slice(&[1f32, 2.0, 3.0]);
        let round = || {
            workspace.begin();
            let copy = workspace.copy(&three).expect("a copy");
            let zeros = workspace.zeros_like(&three).expect("zeros");
            let whole = workspace
                .empty(&[2, 2], (Kind::Int64, Device::Cpu))
                .expect("room");
            let square = workspace.times(&three, &three).expect("squares");
            [copy, zeros, whole, square]
        };
        let first = round();
        assert_eq!(first[0], three);
        assert_eq!(f64::try_from(first[1].sum(Kind::Double)).expect("a number"), 0.0);
        assert_eq!((first[2].size(), first[2].kind()), (vec![2, 2], Kind::Int64));
        assert_eq!(first[3], Tensor::from_slice(&[1f32, 4.0, 9.0]));
        let places = |round: &[Tensor; 4]| round.each_ref().map(Tensor::data_ptr);
        let mut different = places(&first).to_vec();
        different.dedup();
        assert_eq!(different.len(), 4, "within a round all have places of their own");
        assert_eq!(places(&round()), places(&first));
    }
}
