//! Thresholds guessed from earlier batches, which spare most of the survivors. A guess decides about time only: one that
//! turns out too high is found, and what it spoilt is done again.

use super::block::LEAST;
use super::problem::Keep;

/// One row in so many may have a lower ratio than the one that is guessed from.
const RARE: usize = 128;
/// What ratios are multiplied with.
const ROW_MARGIN: f32 = 0.97;
/// What a batch's threshold is multiplied with.
const BATCH_MARGIN: f32 = 0.95;

/// What is known from the batch before.
#[derive(Default)]
pub struct Guess {
    /// For how many it was learnt: in each row, in the batch.
    learnt: (usize, usize),
    /// The least score selected in a row, relative to the row's norm.
    ratio: Option<f32>,
    /// The least score selected in the batch.
    threshold: Option<f32>,
}

impl Guess {
    /// Forgets what was learnt for another number of latents than `keep` asks for.
    pub fn prepare(&mut self, keep: Keep) {
        let (row, batch) = &mut self.learnt;
        match keep {
            Keep::Largest(count) if count != *row => (self.ratio, *row) = (None, count),
            Keep::Batch(count) if count != *batch => (self.threshold, *batch) = (None, count),
            _ => {}
        }
    }

    /// Returns the ratio of threshold to norm to begin with, zero if there is none.
    pub fn ratio(&self) -> f32 {
        self.ratio.unwrap_or(0.0)
    }

    /// Returns the threshold of the batch to begin with, if there is any.
    pub fn threshold(&self) -> Option<f32> {
        self.threshold
    }

    /// Learns from the ratios of the least selected score to the norm, which are reordered. Rows without one have zero.
    pub fn learn_ratios(&mut self, ratios: &mut [f32]) {
        self.ratio = (!ratios.is_empty()).then(|| {
            let (_, low, _) = ratios.select_nth_unstable_by(ratios.len() / RARE, f32::total_cmp);
            *low * ROW_MARGIN
        });
    }

    /// Learns the least score that was selected in the batch.
    pub fn learn_threshold(&mut self, least: f32) {
        self.threshold = (least.is_finite()).then_some((least * BATCH_MARGIN).max(LEAST));
    }
}
