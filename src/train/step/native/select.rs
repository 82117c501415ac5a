//! Selection by a number `k`, of a token or of a batch, on the CPU.

use super::facts::Facts;
use super::places::tokens_at_a_time;
use crate::dictionary::Gate;
use crate::error::Result;
use crate::kernels::choose::Chooser;
use crate::kernels::screen::{Keep, Rows};
use crate::kernels::select::keep_largest_doubles;
use crate::tensor::slices::{elements_mut, numbers, numbers_mut};
use crate::tensor::{Device, Kind, Tensor};

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

    /// Returns what the activation function gives for what it sees, `seen (…, m)`, by operations on tensors.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn applied(&self, seen: &Tensor, gate: &Gate<'_>) -> Result<Tensor> {
        let act_fn = self.sae.cfg.act_fn;
        if !act_fn.selects_k() || self.options() != (Kind::Double, Device::Cpu) {
            return act_fn.apply(seen, gate);
        }
        let mut acts = seen.f_relu()?.f_contiguous()?;
        let mut keys = Tensor::f_empty(acts.size(), (Kind::Int64, Device::Cpu))?;
        let width = if act_fn.is_per_token() {
            acts.size().last().copied().unwrap_or(0) as usize
        } else {
            acts.numel()
        };
        let count = match self.keep(gate.k) {
            Keep::Largest(count) | Keep::Batch(count) => count,
            Keep::Above(_) | Keep::Between { .. } => width,
        };
        keep_largest_doubles(elements_mut(&mut acts)?, (width, count), elements_mut(&mut keys)?);
        Ok(acts)
    }
}

impl Selector {
    /// Returns how many were selected the last time.
    pub(super) fn selected(&self) -> usize {
        self.rows.index.len()
    }

    /// Writes those of `hidden_pre (n, m)` that are selected into the zeros of `into (n, [heads ·] m)`: each head selects among
    /// them, by their products with its part of `factor ([heads ·] m)`.
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
        let of_token = |x: &Tensor| x.size().iter().skip(1).product::<i64>() as usize;
        let (shared, latents) = (of_token(hidden_pre), of_token(&into));
        let tokens = hidden_pre.size()[0];
        if into.numel() == 0 {
            return Ok(into);
        }
        self.ones.resize(latents, 1.0);
        let factor = match factor {
            Some(factor) => numbers(factor)?,
            None => &self.ones,
        };
        self.chooser.begin(&mut self.rows);
        // Where a batch competes, what has been overtaken is dropped between two of these.
        let at_a_time = tokens_at_a_time((shared * size_of::<f32>()) as i64, tokens);
        for some in numbers(hidden_pre)?.chunks(at_a_time as usize * shared) {
            self.chooser.add(some, shared, (factor, keep), &mut self.rows);
        }
        self.chooser.end(factor, keep, &mut self.rows);
        let of_tokens = numbers_mut(&mut into)?.chunks_mut(latents);
        for (token, range) in of_tokens.zip(self.rows.offsets.windows(2)) {
            for at in range[0]..range[1] {
                token[self.rows.index[at] as usize] = self.rows.value[at];
            }
        }
        Ok(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what is selected of some tokens for two heads, which weigh three latents differently.
    fn selected(hidden_pre: &[f32], keep: Keep<'_>) -> Vec<f32> {
        let tokens = hidden_pre.len() as i64 / 3;
        let hidden_pre = Tensor::from_slice(hidden_pre).view([tokens, 3]);
        let factor = Tensor::from_slice(&[1f32, 1.0, 1.0, 4.0, 1.0, 0.0]).view([2, 3]);
        let room = Tensor::zeros([tokens, 2, 3], (Kind::Float, Device::Cpu));
        let selected = Selector::default().select(&hidden_pre, Some(&factor), keep, room);
        let selected = selected.expect("float32 on the CPU").flatten(0, -1);
        Vec::try_from(selected).expect("numbers")
    }

    #[test]
    fn each_head_selects_by_its_own_factors() {
        let largest = selected(&[1.0, 2.0, 3.0], Keep::Largest(1));
        assert_eq!(largest, [0.0, 0.0, 3.0, 1.0, 0.0, 0.0]);
        let of_batch = selected(&[1.0, 2.0, 3.0, -1.0, -2.0, 0.5], Keep::Batch(2));
        assert_eq!(
            of_batch,
            [0.0, 0.0, 3.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
        );
    }

    #[test]
    fn of_no_tokens_nothing_is_selected() {
        assert_eq!(selected(&[], Keep::Largest(1)), [0f32; 0]);
    }
}
