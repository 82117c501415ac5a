//! Selection by a number `k`, of a token or of a batch, on the CPU.

use super::facts::Facts;
use crate::dictionary::Gate;
use crate::error::{Error, Result};
use crate::kernels::choose::{Chooser, Wanted};
use crate::kernels::cut::CutSearch;
use crate::kernels::largest::{DoubleCut, LargestDoubles};
use crate::kernels::screen::{Keep, Rows};
use crate::kernels::select::{Cut, keep_largest_doubles};
use crate::tensor::slices::{elements_mut, numbers, numbers_mut};
use crate::tensor::{Device, Kind, Tensor};

/// Room to select in, which serves one step after the other.
#[derive(Default)]
pub(super) struct Selector {
    chooser: Chooser,
    rows: Rows,
    ones: Vec<f32>,
    search: CutSearch,
    /// What separates the latents of a batch that are kept from the others, and what of it the tokens so far have left.
    cut: Option<Cut>,
    left: Option<Cut>,
    /// The same where these are not float32.
    largest: LargestDoubles,
    cut_of_doubles: Option<DoubleCut>,
    left_of_doubles: Option<DoubleCut>,
}

/// Room to select in of all latents, and of dead ones.
#[derive(Default)]
pub(super) struct Selectors {
    pub(super) of_all: Selector,
    pub(super) of_dead: Selector,
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

    /// Returns whether the latents of a whole batch compete, and are compared some tokens at a time.
    pub(super) fn competes_in_blocks(&self) -> bool {
        !self.sae.cfg.act_fn.is_per_token() && self.options().1 == Device::Cpu
    }
}

impl Selector {
    /// Returns how many were selected the last time.
    pub(super) fn selected(&self) -> usize {
        self.rows.index.len()
    }

    /// Begins to look for what the largest pre-activations of a batch of `tokens` tokens have to reach, where `latents` of each
    /// compete, those of each head for themselves.
    pub(super) fn begin_search(&mut self, keep: Keep<'_>, (tokens, latents): (i64, usize)) {
        self.ones.resize(latents, 1.0);
        if let Keep::Batch(count) = keep {
            self.search.begin(count, tokens as usize);
            self.largest.begin(count);
        }
        (self.cut, self.cut_of_doubles) = (None, None);
    }

    /// Looks at the pre-activations `hidden_pre (n, m)` of the next tokens, which `factor ([heads ·] m)` makes scores of.
    ///
    /// # Errors
    /// They are not on the CPU; too little memory.
    pub(super) fn look(&mut self, hidden_pre: &Tensor, factor: Option<&Tensor>) -> Result<()> {
        if hidden_pre.f_kind()? != Kind::Float {
            let seen = match factor {
                Some(factor) if factor.dim() > 1 => hidden_pre.f_unsqueeze(1)?.f_mul(factor)?,
                Some(factor) => hidden_pre.f_mul(factor)?,
                None => hidden_pre.shallow_clone(),
            };
            self.largest.look(elements_mut(&mut as_doubles(&seen)?)?);
            // There is one pass.
            self.cut_of_doubles = Some(self.largest.end());
        } else if hidden_pre.numel() > 0 {
            let factor = factor.map_or(Ok(&self.ones[..]), numbers)?;
            self.search
                .look(numbers(hidden_pre)?, columns(hidden_pre), factor);
        }
        Ok(())
    }

    /// Returns those of them that may be selected in the end, unless nothing is known of that yet.
    ///
    /// # Errors
    /// They are not float32 on the CPU.
    pub(super) fn within_reach(
        &mut self,
        hidden_pre: &Tensor,
        factor: Option<&Tensor>,
    ) -> Result<Option<&Rows>> {
        let Some(mut least) = self.search.least() else {
            return Ok(None);
        };
        let factor = factor.map_or(Ok(&self.ones[..]), numbers)?;
        let these = (numbers(hidden_pre)?, columns(hidden_pre));
        self.chooser.begin(&mut self.rows);
        self.chooser
            .add(these, factor, Wanted::Over(&mut least), &mut self.rows);
        Ok(Some(&self.rows))
    }

    /// Returns whether all is known after all tokens, so that a batch begins, or else they have to be looked at once more.
    pub(super) fn end_search(&mut self) -> bool {
        if self.cut_of_doubles.is_none() {
            self.cut = self.search.end();
        }
        self.begin();
        self.cut.is_some() || self.cut_of_doubles.is_some()
    }

    /// Begins a batch once more, with what has been found for it.
    pub(super) fn begin(&mut self) {
        (self.left, self.left_of_doubles) = (self.cut, self.cut_of_doubles);
    }

    /// Returns what the activation function gives for what it sees, `seen (…, m)`, by operations on tensors; where the latents of a
    /// batch compete in blocks, what they have to reach has been found, and the tokens come in order.
    ///
    /// # Errors
    /// Nothing has been found; too little memory.
    pub(super) fn applied(&mut self, facts: &Facts<'_>, seen: &Tensor, gate: &Gate<'_>) -> Result<Tensor> {
        let act_fn = facts.sae.cfg.act_fn;
        let is_double = facts.options() == (Kind::Double, Device::Cpu);
        let is_ours = facts.competes_in_blocks() || (act_fn.selects_k() && is_double);
        if !is_ours {
            return act_fn.apply(seen, gate);
        }
        let mut acts = as_doubles(&seen.f_relu()?)?;
        let width = acts.size().last().copied().unwrap_or(0) as usize;
        match facts.keep(gate.k) {
            Keep::Batch(_) => {
                let left = self.left_of_doubles.as_mut();
                left.ok_or_else(not_compared)?.keep(elements_mut(&mut acts)?);
            }
            Keep::Largest(count) => {
                let mut keys = Tensor::f_empty(acts.size(), (Kind::Int64, Device::Cpu))?;
                let room = elements_mut(&mut keys)?;
                keep_largest_doubles(elements_mut(&mut acts)?, (width, count), room);
            }
            Keep::Above(_) | Keep::Between { .. } => {}
        }
        Ok(acts.f_to_kind(seen.f_kind()?)?)
    }

    /// Writes those of `hidden_pre (n, m)` that are selected into the zeros of `into (n, [heads ·] m)`: each head selects among
    /// them, by their products with its part of `factor ([heads ·] m)`. Where the latents of a batch compete, what they have to
    /// reach has been found, and the tokens come in order.
    ///
    /// # Errors
    /// They are not float32 on the CPU, or nothing has been found.
    pub(super) fn select(
        &mut self,
        hidden_pre: &Tensor,
        factor: Option<&Tensor>,
        keep: Keep<'_>,
        mut into: Tensor,
    ) -> Result<Tensor> {
        let (shared, latents) = (columns(hidden_pre), columns(&into));
        if into.numel() == 0 {
            return Ok(into);
        }
        self.ones.resize(latents, 1.0);
        let factor = factor.map_or(Ok(&self.ones[..]), numbers)?;
        let hidden_pre = numbers(hidden_pre)?;
        let rows = &mut self.rows;
        let wanted = match keep {
            Keep::Largest(count) => Wanted::Largest(count),
            Keep::Batch(_) => {
                let left = self.left.as_mut();
                Wanted::Over(left.ok_or_else(not_compared)?)
            }
            Keep::Above(bounds) | Keep::Between { bounds, .. } => Wanted::Above(bounds),
        };
        self.chooser.begin(rows);
        self.chooser.add((hidden_pre, shared), factor, wanted, rows);
        let of_tokens = numbers_mut(&mut into)?.chunks_mut(latents);
        for (token, range) in of_tokens.zip(rows.offsets.windows(2)) {
            for at in range[0]..range[1] {
                token[rows.index[at] as usize] = rows.value[at];
            }
        }
        Ok(into)
    }
}

fn not_compared() -> Error {
    Error::run("the latents of a batch have not been compared")
}

/// Returns numbers as float64, next to each other.
fn as_doubles(numbers: &Tensor) -> Result<Tensor> {
    Ok(numbers.f_to_kind(Kind::Double)?.f_contiguous()?)
}

/// Returns how many numbers there are of each token.
fn columns(of: &Tensor) -> usize {
    of.size().iter().skip(1).product::<i64>() as usize
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
        let mut selector = Selector::default();
        selector.begin_search(keep, (tokens, 6));
        while {
            selector
                .look(&hidden_pre, Some(&factor))
                .expect("float32 on the CPU");
            !selector.end_search()
        } {}
        let selected = selector.select(&hidden_pre, Some(&factor), keep, room);
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
