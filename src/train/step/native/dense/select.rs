//! What the activation function sees, in float32 on the CPU: with what a number `k` selects of a token or of a batch.

use super::super::facts::Facts;
use crate::dictionary::Selection;
use crate::error::{Error, Result};
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
    /// Returns what the activation function sees of `hidden_pre (n, d_sae)`, `(n, [heads ·] d_sae)`: with 0 in place of what is not
    /// selected where a number selects, and once for each head. Where it is not `hidden_pre` itself, it lies in the workspace.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn seen(
        &mut self,
        facts: &Facts<'_>,
        hidden_pre: &Tensor,
        workspace: &Workspace,
    ) -> Result<Tensor> {
        let size = [hidden_pre.size()[0], facts.latents() as i64];
        if facts.sae.cfg.act_fn.selects_k() {
            let room = workspace.zeros(&size, facts.options())?;
            return self.selected(facts, hidden_pre, room);
        }
        if facts.heads.is_none() {
            return Ok(hidden_pre.shallow_clone());
        }
        let all = workspace.empty(&size, facts.options())?;
        let shared = facts.for_heads(hidden_pre.shallow_clone())?;
        facts.by_head(&all)?.f_copy_(&shared)?;
        Ok(all)
    }

    /// Writes those of `hidden_pre` that are selected into the zeros of `into`.
    fn selected(&mut self, facts: &Facts<'_>, hidden_pre: &Tensor, mut into: Tensor) -> Result<Tensor> {
        let keep = match facts.selection()? {
            Selection::Largest(k) => Keep::Largest(k as usize),
            Selection::Batch(k) => Keep::Batch((k * facts.rows()) as usize),
            Selection::Above { .. } => return Err(Error::run("a number selects, and there is none")),
        };
        let (latents, shared) = (facts.latents(), facts.sae.cfg.d_sae() as usize);
        self.ones.resize(latents, 1.0);
        let factor = match &facts.factor {
            Some(factor) => numbers(factor)?,
            None => &self.ones,
        };
        let chosen = (factor, keep);
        self.chooser.begin(&mut self.rows);
        self.chooser
            .add(numbers(hidden_pre)?, shared, chosen, &mut self.rows);
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
