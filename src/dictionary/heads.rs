//! The activations of several hook points side by side, as a dictionary with heads takes and gives them.

use super::SparseAutoEncoder;
use crate::error::{Error, Result};
use crate::tensor::{Buffer, Tensor};

impl SparseAutoEncoder {
    /// Returns activations `(…, d)`, one tensor for each hook point, as the dictionary takes them: the only one as it
    /// is, several as `(…, heads, d_model)`, the narrower ones filled up with zeros on the right.
    ///
    /// # Errors
    /// There are none; positions that differ, or activations wider than the dictionary.
    pub fn join(&self, parts: Vec<Tensor>) -> Result<Tensor> {
        self.join_in(parts, &mut Buffer::default())
    }

    /// Returns what [`join`](Self::join) does; several hook points lie in `room` until it is taken again.
    ///
    /// # Errors
    /// Those of `join`.
    pub fn join_in(&self, parts: Vec<Tensor>, room: &mut Buffer) -> Result<Tensor> {
        let Some(first) = parts.first() else {
            return Err(Error::input("there are no activations to read"));
        };
        let Some(heads) = self.cfg.hooks.heads() else {
            return Ok(first.shallow_clone());
        };
        let mut size = first.size();
        let positions = size.len().saturating_sub(1);
        size.splice(positions.., [heads, self.cfg.d_model]);
        let fits = |part: &Tensor| part.size()[..positions] == first.size()[..positions];
        if parts.len() as i64 != heads || !parts.iter().all(|part| part.dim() > positions && fits(part)) {
            return Err(Error::input(format!(
                "{heads} hook points are read at the same positions, but what came has the shapes {:?}",
                parts.iter().map(Tensor::size).collect::<Vec<_>>()
            )));
        }
        let joined = room.take_sized(&size, (first.f_kind()?, first.device()))?;
        for (head, part) in (0..heads).zip(&parts) {
            let width = part.size()[positions];
            let missing = self.cfg.d_model - width;
            let place = joined.f_select(-2, head)?;
            place.f_narrow(-1, 0, width)?.f_copy_(part)?;
            if missing > 0 {
                let _ = place.f_narrow(-1, width, missing)?.f_zero_()?;
            }
        }
        Ok(joined)
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
