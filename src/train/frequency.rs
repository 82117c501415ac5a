//! How often each latent fires, over the last so many steps, whenever somebody looks.

use std::collections::VecDeque;

use super::kept::{Kept, Saved, Saving};
use crate::error::Result;
use crate::kernels::cuda::{Launcher, figures};
use crate::tensor::slices::{elements_mut, numbers};
use crate::tensor::{Device, Kind, Tensor};

/// Most parts of a window.
const PARTS: u64 = 8;

/// Counts of firing over the last `feature_sampling_window` steps. They are kept in at most 8 parts; when a part is full
/// and another begins, the oldest goes. So the steps that are counted are never more than the window has, and fewer by
/// less than one part, or as many as there have been.
#[derive(Debug)]
pub(super) struct FiringWindow {
    /// Steps of a whole window.
    steps: u64,
    /// Oldest first; the last is being filled.
    parts: VecDeque<Part>,
    /// Parts begun so far.
    begun: u64,
    shape: (i64, Device),
}

/// Some steps in a row.
#[derive(Debug)]
struct Part {
    /// How many tokens each latent fired on, float64 `(d_sae)`.
    fired: Tensor,
    /// Tokens.
    tokens: i64,
    /// Steps so far, and when it is full.
    steps: u64,
    full: u64,
}

/// The part of a checkpoint that is not tensors: for each part its steps and when it is full, and how many were begun.
type SavedParts = (Vec<(u64, u64)>, u64);

impl FiringWindow {
    /// Returns a window of `steps` steps with nothing in it.
    pub(super) fn new(steps: u64, d_sae: i64, device: Device) -> Self {
        Self {
            steps: steps.max(1),
            parts: VecDeque::new(),
            begun: 0,
            shape: (d_sae, device),
        }
    }

    /// Adds one step: how often each latent `fired (d_sae)` on its `tokens` tokens. Kernels for a GPU are those of `launcher`.
    ///
    /// # Errors
    /// Too little memory; the device failed.
    pub(super) fn add(&mut self, fired: &Tensor, tokens: i64, launcher: Option<&dyn Launcher>) -> Result<()> {
        // A part of a longer window, from a checkpoint, is full as soon as one of this window would be.
        let most = self.steps.div_ceil(self.steps.min(PARTS));
        let is_full = |part: &Part| part.steps >= part.full.min(most);
        if self.parts.back().is_none_or(is_full) {
            self.begin()?;
        }
        if let Some(part) = self.parts.back_mut() {
            let is_plain = fired.is_contiguous() && fired.f_kind()? == Kind::Float;
            match launcher.filter(|launcher| is_plain && launcher.device() == fired.device()) {
                Some(launcher) => figures::add_fired(launcher, &part.fired, fired)?,
                None => add_to(&mut part.fired, fired)?,
            }
            part.tokens += tokens;
            part.steps += 1;
        }
        Ok(())
    }

    /// Begins a part and lets go of what the window has no room for beside it. The lengths of as many parts as a window
    /// has, in a row, add up to its steps.
    fn begin(&mut self) -> Result<()> {
        let count = self.steps.min(PARTS);
        let turn = self.begun % count;
        let full = (turn + 1) * self.steps / count - turn * self.steps / count;
        let counted = |parts: &VecDeque<Part>| parts.iter().map(|part| part.steps).sum::<u64>();
        while !self.parts.is_empty()
            && (self.parts.len() as u64 >= count || counted(&self.parts) + full > self.steps)
        {
            self.parts.pop_front();
        }
        let (d_sae, device) = self.shape;
        self.parts.push_back(Part {
            fired: Tensor::f_zeros([d_sae], (Kind::Double, device))?,
            tokens: 0,
            steps: 0,
            full,
        });
        self.begun += 1;
        Ok(())
    }

    /// Returns the number of tokens in the window.
    pub(super) fn tokens(&self) -> i64 {
        self.parts.iter().map(|part| part.tokens).sum()
    }

    /// Returns the part of the tokens in the window on which each latent fired, float64 `(d_sae)`.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn frequency(&self) -> Result<Tensor> {
        let mut fired = Tensor::f_zeros([self.shape.0], (Kind::Double, self.shape.1))?;
        for part in &self.parts {
            let _ = fired.f_add_(&part.fired)?;
        }
        Ok(fired.f_div_scalar(self.tokens().max(1))?)
    }
}

/// Adds `fired` to `sums`, float64.
fn add_to(sums: &mut Tensor, fired: &Tensor) -> Result<()> {
    match (elements_mut::<f64>(sums), numbers(fired)) {
        (Ok(sums), Ok(fired)) => {
            for (sum, fired) in sums.iter_mut().zip(fired) {
                *sum += f64::from(*fired);
            }
        }
        _ => drop(sums.f_add_(fired)?),
    }
    Ok(())
}

const WINDOW: &str = "firing_window";

impl Kept for FiringWindow {
    fn save(&self, checkpoint: &mut Saving) -> Result<()> {
        for (index, part) in self.parts.iter().enumerate() {
            checkpoint.tensor(format!("window.{index}.fired"), &part.fired);
            checkpoint.tensor(format!("window.{index}.tokens"), &Tensor::from(part.tokens));
        }
        let steps = self.parts.iter().map(|part| (part.steps, part.full));
        let saved: SavedParts = (steps.collect(), self.begun);
        checkpoint.fact(WINDOW, saved)
    }

    fn restore(&mut self, checkpoint: &Saved) -> Result<()> {
        let (parts, begun): SavedParts = checkpoint.fact(WINDOW)?;
        self.parts.clear();
        for (index, (steps, full)) in parts.into_iter().enumerate() {
            self.parts.push_back(Part {
                fired: checkpoint.tensor(&format!("window.{index}.fired"))?,
                tokens: checkpoint
                    .tensor(&format!("window.{index}.tokens"))?
                    .f_int64_value(&[])?,
                steps,
                full,
            });
        }
        self.begun = begun;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps that a window of `steps` counts after each of so many steps of 10 tokens, one latent firing once a step.
    fn counted(steps: u64, total: usize) -> Vec<u64> {
        let mut window = FiringWindow::new(steps, 2, Device::Cpu);
        let fired = Tensor::from_slice(&[1.0f32, 0.0]);
        let tokens = 10;
        let mut counted = Vec::new();
        for _ in 0..total {
            window.add(&fired, tokens, None).expect("added");
            let frequency = window.frequency().expect("frequencies");
            assert_eq!(frequency.double_value(&[0]), 0.1);
            assert_eq!(frequency.double_value(&[1]), 0.0);
            assert!(window.parts.len() as u64 <= PARTS);
            counted.push(window.tokens() as u64 / 10);
        }
        counted
    }

    #[test]
    fn what_is_left_of_a_longer_window_goes() {
        let mut window = FiringWindow::new(1000, 2, Device::Cpu);
        let (fired, tokens) = (Tensor::from_slice(&[1.0f32, 0.0]), 10);
        for _ in 0..60 {
            window.add(&fired, tokens, None).expect("added");
        }
        window.steps = 2;
        for _ in 0..3 {
            window.add(&fired, tokens, None).expect("added");
        }
        assert_eq!(window.tokens(), 20);
    }

    #[test]
    fn a_window_counts_its_last_steps_and_never_more() {
        assert_eq!(counted(1, 4), [1, 1, 1, 1]);
        assert_eq!(counted(3, 6), [1, 2, 3, 3, 3, 3]);
        for steps in [8u64, 9, 100, 1000] {
            let part = steps.div_ceil(PARTS);
            for (index, counted) in counted(steps, 3 * steps as usize).into_iter().enumerate() {
                let done = index as u64 + 1;
                assert!(counted <= steps.min(done), "{counted} of {steps} at {done}");
                assert!(counted + part > steps.min(done), "{counted} of {steps} at {done}");
                if done.is_multiple_of(steps) {
                    assert_eq!(counted, steps, "a whole window at its multiples");
                }
            }
        }
    }
}
