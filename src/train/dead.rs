//! Which latents are dead: how many tokens each has gone without firing.

use super::kept::{Kept, Saved, Saving};
use crate::error::Result;
use crate::kernels::cuda::{Launcher, figures};
use crate::tensor::slices::{elements_mut, numbers};
use crate::tensor::{Device, Kind, Tensor};

/// Counts, for every latent, the tokens since it last fired.
#[derive(Debug)]
pub struct DeadTracker {
    /// Tokens since the last firing, int64 `(d_sae)`.
    pub(super) tokens_since: Tensor,
    /// The tokens of all batches: at most so many can have passed since any latent fired, known without asking the device.
    tokens: i64,
    threshold: f64,
}

impl DeadTracker {
    /// Returns a tracker by which all latents have just fired. They are dead after `threshold` tokens without firing.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new(d_sae: i64, threshold: f64, device: Device) -> Result<Self> {
        Ok(Self {
            tokens_since: Tensor::f_zeros([d_sae], (Kind::Int64, device))?,
            tokens: 0,
            threshold,
        })
    }

    /// Takes note of one batch of `tokens` tokens: how often each latent `fired (d_sae)`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn record(&mut self, fired: &Tensor, tokens: i64) -> Result<()> {
        self.tokens = self.tokens.saturating_add(tokens);
        if let (Ok(fired), Ok(since)) = (numbers(fired), elements_mut::<i64>(&mut self.tokens_since)) {
            for (since, fired) in since.iter_mut().zip(fired) {
                *since = if *fired > 0.0 {
                    0
                } else {
                    since.saturating_add(tokens)
                };
            }
            return Ok(());
        }
        let silent = fired.f_le(0.0)?;
        let _ = self.tokens_since.f_add_scalar_(tokens)?.f_mul_(&silent)?;
        Ok(())
    }

    /// Takes note as [`record`](Self::record) does, by the kernels that `launcher` starts.
    ///
    /// # Errors
    /// Too little memory; the device failed.
    pub(super) fn record_on(&mut self, launcher: &dyn Launcher, fired: &Tensor, tokens: i64) -> Result<()> {
        self.tokens = self.tokens.saturating_add(tokens);
        self.tokens_since = figures::silence(launcher, fired, &self.tokens_since, tokens)?;
        Ok(())
    }

    /// Returns the tokens since each latent last fired, int64 `(d_sae)`.
    pub fn tokens_since(&self) -> &Tensor {
        &self.tokens_since
    }

    /// Goes on after batches of `tokens` tokens in all, which [`restore`](Kept::restore) does not know.
    pub(super) fn set_tokens(&mut self, tokens: i64) {
        self.tokens = tokens;
    }

    /// Returns whether any latent can be dead by now. Nothing is read back from the device.
    pub(super) fn may_be_dead(&self) -> bool {
        self.tokens as f64 >= self.threshold
    }

    /// Returns which latents are dead: bool `(d_sae)`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn is_dead(&self) -> Result<Tensor> {
        Ok(self.tokens_since.f_ge(self.threshold)?)
    }
}

const TOKENS_SINCE: &str = "tokens_since_firing";

impl Kept for DeadTracker {
    fn save(&self, checkpoint: &mut Saving) -> Result<()> {
        checkpoint.tensor(TOKENS_SINCE, &self.tokens_since);
        Ok(())
    }

    fn restore(&mut self, checkpoint: &Saved) -> Result<()> {
        checkpoint.fill(&mut self.tokens_since, TOKENS_SINCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_latent_can_be_dead_before_as_many_tokens_have_come() {
        let mut dead = DeadTracker::new(3, 20.0, Device::Cpu).expect("a tracker");
        let fired = Tensor::from_slice(&[1.0f32, 0.0, 2.0]);
        dead.record(&fired, 12).expect("recorded");
        assert!(!dead.may_be_dead());
        dead.record(&fired, 12).expect("recorded");
        assert!(dead.may_be_dead());
        let is_dead = Vec::<bool>::try_from(dead.is_dead().expect("flags")).expect("flags");
        assert_eq!(is_dead, [false, true, false]);
    }
}
