//! Room for tensors that is kept from one use to the next.

use super::{Device, Kind, Tensor};
use crate::error::Result;

/// A tensor that serves one use after the other: who takes it again writes over what it was.
#[derive(Debug, Default)]
pub struct Buffer(Option<Tensor>);

impl Buffer {
    /// Returns a tensor of this size with numbers that mean nothing, of this dtype and on this device, which are the same each
    /// time; it lies where the largest one so far did.
    ///
    /// # Errors
    /// Too little memory.
    pub fn take_sized(&mut self, size: &[i64], options: (Kind, Device)) -> Result<Tensor> {
        let count = size.iter().product();
        let there = match self.0.take() {
            Some(there) if there.numel() as i64 >= count => there,
            _ => Tensor::f_empty([count], options)?,
        };
        let taken = there.f_narrow(0, 0, count)?.f_view(size)?;
        self.0 = Some(there);
        Ok(taken)
    }

    /// Returns a tensor of the shape of `like`, with the numbers that were written there last, if that had this shape.
    ///
    /// # Errors
    /// Too little memory.
    pub fn take(&mut self, like: &Tensor) -> Result<Tensor> {
        match &self.0 {
            Some(there) if there.size() == like.size() => Ok(there.shallow_clone()),
            _ => {
                let fresh = like.f_empty_like()?;
                self.0 = Some(fresh.shallow_clone());
                Ok(fresh)
            }
        }
    }
}
