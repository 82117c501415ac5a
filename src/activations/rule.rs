//! When a buffer is refilled, shuffled and drawn from.

use serde::{Deserialize, Serialize};

use super::config::ActivationFactoryConfig;
use crate::tensor::Generator;

/// The rule of the shuffle buffer: rows are appended until there are `buffer_size`, then all of them are permuted,
/// then batches are taken while half of the buffer and one batch are left. Without `buffer_size`, rows are appended
/// until there is a batch. What is left at the end of the data comes out as it is.
#[derive(Clone, Debug)]
pub(super) struct DrawRule {
    batch_size: usize,
    buffer_size: Option<usize>,
    state: DrawState,
}

/// What changes about a rule while it is applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DrawState {
    /// Draws the permutations; `None` without shuffling.
    shuffle: Option<Generator>,
    /// Has the buffer been permuted at all?
    permuted: bool,
}

impl DrawRule {
    pub(super) fn new(config: &ActivationFactoryConfig) -> Self {
        let seed = config.buffer_shuffle.clone().unwrap_or_default().perm_seed;
        DrawRule {
            batch_size: config.batch_size,
            buffer_size: config.buffer_size,
            state: DrawState {
                shuffle: config.buffer_size.map(|_| Generator::new(seed)),
                permuted: false,
            },
        }
    }

    /// Rows of a full batch.
    pub(super) fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Rows at which the buffer is full.
    pub(super) fn full(&self) -> usize {
        self.buffer_size.unwrap_or(self.batch_size)
    }

    /// Rows that a refill brings, at most about.
    pub(super) fn refill(&self) -> usize {
        let half = self.buffer_size.map_or(0, |size| size / 2);
        self.full().saturating_sub(half) + self.batch_size
    }

    /// Returns whether a batch may be taken from `rows` rows before the next refill.
    pub(super) fn has_batch(&self, rows: usize) -> bool {
        let half = self.buffer_size.map_or(0, |size| size / 2);
        let mixed = self.state.shuffle.is_none() || self.state.permuted;
        mixed && rows >= self.batch_size.max(half)
    }

    /// Returns the generator to permute the buffer with, now that a refill has brought it to `rows` rows.
    pub(super) fn permute_at(&mut self, rows: usize) -> Option<&mut Generator> {
        if rows < self.full() {
            return None;
        }
        self.state.permuted = true;
        self.state.shuffle.as_mut()
    }

    /// Returns what to tell people when the data ended with `rows` rows and the buffer was never full.
    pub(super) fn never_mixed(&self, rows: usize) -> Option<String> {
        (self.state.shuffle.is_some() && !self.state.permuted).then(|| {
            format!(
                "the data ended with {rows} rows in the shuffle buffer, which never filled up to its `buffer_size` \
                 of {}: these rows come out in the order of the data",
                self.full()
            )
        })
    }

    pub(super) fn state(&self) -> &DrawState {
        &self.state
    }

    /// Takes up a saved state; false if it is of a rule of another kind.
    pub(super) fn restore(&mut self, state: DrawState) -> bool {
        let fits = state.shuffle.is_some() == self.state.shuffle.is_some();
        let valid = state.shuffle.as_ref().is_none_or(Generator::is_valid);
        if fits && valid {
            self.state = state;
        }
        fits && valid
    }
}
