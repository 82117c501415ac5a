//! Selection by a number `k`, of a token or of a batch, in float32 on the CPU.

use super::super::facts::Facts;
use crate::dictionary::Selection;
use crate::error::Result;
use crate::kernels::choose::Chooser;
use crate::kernels::screen::{Keep, Rows};
use crate::tensor::slices::{numbers, numbers_mut};
use crate::tensor::{Tensor, Workspace};

/// Room to select in, which serves one step after the other.
#[derive(Default)]
pub(super) struct Selector {
    chooser: Chooser,
    rows: Rows,
    ones: Vec<f32>,
}

impl Selector {
    /// Returns `hidden_pre (n, d_sae)` with 0 in place of what is not selected, which lies in the workspace; as it is where the
    /// activation function selects by value.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn select(
        &mut self,
        facts: &Facts<'_>,
        hidden_pre: &Tensor,
        workspace: &Workspace,
    ) -> Result<Tensor> {
        if !facts.sae.cfg.act_fn.selects_k() {
            return Ok(hidden_pre.shallow_clone());
        }
        let keep = match facts.selection()? {
            Selection::Largest(k) => Keep::Largest(k as usize),
            Selection::Batch(k) => Keep::Batch((k * facts.tokens) as usize),
            Selection::Above { .. } => return Ok(hidden_pre.shallow_clone()),
        };
        let latents = facts.latents();
        self.ones.resize(latents, 1.0);
        let factor = match &facts.factor {
            Some(factor) => numbers(factor)?,
            None => &self.ones,
        };
        let chosen = (factor, keep);
        self.chooser.begin(&mut self.rows);
        self.chooser
            .add(numbers(hidden_pre)?, latents, chosen, &mut self.rows);
        self.chooser.end(factor, keep, &mut self.rows);
        let mut selected = workspace.zeros_like(hidden_pre)?;
        let tokens = numbers_mut(&mut selected)?.chunks_mut(latents);
        for (token, range) in tokens.zip(self.rows.offsets.windows(2)) {
            for at in range[0]..range[1] {
                token[self.rows.index[at] as usize] = self.rows.value[at];
            }
        }
        Ok(selected)
    }
}
