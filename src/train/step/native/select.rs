//! Selection by a number `k`, of a token or of a batch, in float32 on the CPU.

use super::facts::Facts;
use crate::error::Result;
use crate::kernels::choose::Chooser;
use crate::kernels::screen::{Keep, Rows};
use crate::tensor::Tensor;
use crate::tensor::slices::{numbers, numbers_mut};

/// Room to select in, which serves one step after the other.
#[derive(Default)]
pub(super) struct Selector {
    chooser: Chooser,
    rows: Rows,
    ones: Vec<f32>,
}

impl Facts<'_> {
    /// Returns what is kept where a number `k` selects.
    pub(super) fn keep(&self, k: i64) -> Keep<'static> {
        if self.sae.cfg.act_fn.is_per_token() {
            Keep::Largest(k as usize)
        } else {
            Keep::Batch((k * self.rows()) as usize)
        }
    }
}

impl Selector {
    /// Returns how many were selected the last time.
    pub(super) fn selected(&self) -> usize {
        self.rows.index.len()
    }

    /// Writes those of `hidden_pre (n, m)` that are selected into the zeros of `into (n, [heads ·] m)`: each head selects among them,
    /// by their products with its part of `factor ([heads ·] m)`.
    ///
    /// # Errors
    /// They are not float32 on the CPU.
    pub(super) fn select(
        &mut self,
        hidden_pre: &Tensor,
        factor: Option<&Tensor>,
        keep: Keep<'_>,
        mut into: Tensor,
    ) -> Result<Tensor> {
        let of_rows = |x: &Tensor| x.numel() / x.size().first().map_or(1, |rows| (*rows).max(1) as usize);
        let (shared, latents) = (of_rows(hidden_pre), of_rows(&into));
        self.ones.resize(latents, 1.0);
        let factor = match factor {
            Some(factor) => numbers(factor)?,
            None => &self.ones,
        };
        self.chooser.begin(&mut self.rows);
        self.chooser
            .add(numbers(hidden_pre)?, shared, (factor, keep), &mut self.rows);
        self.chooser.end(factor, keep, &mut self.rows);
        let tokens = numbers_mut(&mut into)?.chunks_mut(latents);
        for (token, range) in tokens.zip(self.rows.offsets.windows(2)) {
            for at in range[0]..range[1] {
                token[self.rows.index[at] as usize] = self.rows.value[at];
            }
        }
        Ok(into)
    }
}
