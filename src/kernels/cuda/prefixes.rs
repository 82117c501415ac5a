//! The prefixes of the latents that reconstruct.

use crate::error::Result;
use crate::tensor::{Device, Tensor};

/// The prefixes of the latents that reconstruct, from the shortest to all.
pub struct Prefixes {
    each: Vec<(i64, f64)>,
    /// Where they end and what their errors are multiplied by, int64 and float64 on the device.
    there: (Tensor, Tensor),
}

impl Prefixes {
    /// Returns the prefixes with these numbers of latents and factors of their errors.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new(prefixes: &[(i64, f64)], device: Device) -> Result<Self> {
        let (ends, weight): (Vec<i64>, Vec<f64>) = prefixes.iter().copied().unzip();
        let there = |numbers: Tensor| numbers.f_to_device(device);
        Ok(Self {
            each: prefixes.to_vec(),
            there: (
                there(Tensor::f_from_slice(&ends)?)?,
                there(Tensor::f_from_slice(&weight)?)?,
            ),
        })
    }

    /// Returns `kept`, made anew where it is not of these prefixes.
    ///
    /// # Errors
    /// Too little memory.
    pub fn kept<'a>(kept: &'a mut Option<Self>, prefixes: &[(i64, f64)], device: Device) -> Result<&'a Self> {
        match kept.take().filter(|kept| kept.each == prefixes) {
            Some(same) => Ok(kept.insert(same)),
            None => Ok(kept.insert(Self::new(prefixes, device)?)),
        }
    }

    /// Returns the number of latents and the factor of each.
    pub(super) fn each(&self) -> &[(i64, f64)] {
        &self.each
    }

    /// Returns where they end and what their errors are multiplied by, int64 and float64 on the device.
    pub(super) fn there(&self) -> (&Tensor, &Tensor) {
        (&self.there.0, &self.there.1)
    }

    /// Returns where they end, where there are several.
    pub(super) fn ends(&self) -> Option<&Tensor> {
        (self.each.len() > 1).then_some(&self.there.0)
    }
}
