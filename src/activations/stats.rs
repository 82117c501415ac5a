//! What a stream has done and where its time went.

use std::time::Duration;

/// Counts and times since the stream was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamStats {
    /// Batches handed out.
    pub batches: u64,
    /// Rows handed out.
    pub rows: u64,
    /// Sequences run through the model.
    pub sequences: u64,
    /// Tokens of these sequences, padding not counted.
    pub tokens: u64,
    /// Time inside `next_batch`.
    pub total: Duration,
    /// Of it: waiting for the threads that read and tokenise.
    pub reading: Duration,
    /// Of it: forward passes and writing their rows into the buffer.
    pub model: Duration,
    /// Of it: gathering batches from the buffer.
    pub gathering: Duration,
    /// Of it: the `map` function.
    pub mapping: Duration,
    /// Rows in the buffer now.
    pub buffered_rows: usize,
    /// What the threads have ready now: groups of tokenised records, or batches from a cache.
    pub queued: usize,
    /// The most that may be ready.
    pub queue_capacity: usize,
}

impl StreamStats {
    /// Real tokens run through the model per second inside `next_batch`.
    pub fn tokens_per_second(&self) -> f64 {
        per_second(self.tokens, self.total)
    }

    /// Rows handed out per second inside `next_batch`.
    pub fn rows_per_second(&self) -> f64 {
        per_second(self.rows, self.total)
    }
}

fn per_second(count: u64, time: Duration) -> f64 {
    match time.as_secs_f64() {
        0.0 => 0.0,
        seconds => count as f64 / seconds,
    }
}
