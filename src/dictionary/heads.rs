//! The activations of several hook points side by side, as a dictionary with heads takes and gives them.

use super::SparseAutoEncoder;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

impl SparseAutoEncoder {
    /// Returns activations `(…, d)`, one tensor for each hook point, as the dictionary takes them: the only one as it
    /// is, several as `(…, heads, d_model)`, the narrower ones filled up with zeros on the right.
    ///
    /// # Errors
    /// There are none; positions that differ, or activations wider than the dictionary.
    pub fn join(&self, parts: Vec<Tensor>) -> Result<Tensor> {
        if self.cfg.hooks.heads().is_none() {
            let only = parts.into_iter().next();
            return only.ok_or_else(|| Error::input("there are no activations to read"));
        }
        let mut filled = Vec::with_capacity(parts.len());
        for part in parts {
            let missing = self.cfg.d_model - part.size().last().copied().unwrap_or(0);
            filled.push(if missing > 0 {
                part.f_constant_pad_nd([0, missing])?
            } else {
                part
            });
        }
        Ok(Tensor::f_stack(&filled, -2)?)
    }

    /// Returns the activations of the hook point number `index` from what [`join`](Self::join) gave.
    ///
    /// # Errors
    /// There is no such head.
    pub fn part(&self, joined: &Tensor, index: usize) -> Result<Tensor> {
        match self.cfg.hooks.heads() {
            None => Ok(joined.shallow_clone()),
            Some(_) => Ok(joined.f_select(-2, index as i64)?),
        }
    }
}
