//! Room that is kept from step to step.

use crate::error::Result;
use crate::tensor::Tensor;

/// A tensor that serves one step after the other.
#[derive(Default)]
pub(super) struct Buffer(Option<Tensor>);

impl Buffer {
    /// Returns a tensor of this size with numbers that mean nothing, of the kind of `like` and where it is; it lies where the
    /// largest one so far did.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn take_sized(&mut self, size: &[i64], like: &Tensor) -> Result<Tensor> {
        let count = size.iter().product();
        let there = match self.0.take() {
            Some(there) if there.numel() as i64 >= count => there,
            _ => like.f_new_empty([count], (like.f_kind()?, like.device()))?,
        };
        let taken = there.f_narrow(0, 0, count)?.f_view(size)?;
        self.0 = Some(there);
        Ok(taken)
    }

    /// Returns a tensor of the shape of `like`, with the numbers that the step has written there, if it has. What it was in the
    /// step before is lost.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn take(&mut self, like: &Tensor) -> Result<Tensor> {
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
