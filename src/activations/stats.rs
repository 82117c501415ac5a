//! What a stream has done and where its time went.

use std::time::Duration;

/// Counts and times since the stream was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamStats {
    /// Batches handed out.
    pub batches: u64,
    /// Rows handed out.
    pub rows: u64,
    /// Since the first batch was asked for.
    pub elapsed: Duration,
    /// The part of it that the consumer of the batches waited for one, inside `next_batch`.
    pub waiting: Duration,
    /// Of the waiting: the `map` functions.
    pub mapping: Duration,
    /// Sequences run through the model.
    pub sequences: u64,
    /// Tokens of these sequences, padding not counted.
    pub tokens: u64,
    /// Bad records that were left out, those with them that were before the stream was continued.
    pub bad_records: u64,
    /// Making batches: waiting for the threads that read and tokenise, or that read a cache.
    pub reading: Duration,
    /// Making batches: forward passes and writing their rows into the buffer.
    pub model: Duration,
    /// Making batches: gathering them from the buffer.
    pub gathering: Duration,
    /// Rows in the buffer now.
    pub buffered_rows: usize,
    /// What the reading threads have ready now: groups of tokenised records, or batches from a cache.
    pub queued: usize,
    /// The most of these that may be ready.
    pub queue_capacity: usize,
    /// Batches that are made and not taken yet.
    pub batches_ready: usize,
    /// The most of these that may be ready.
    pub batches_ahead: usize,
}

impl StreamStats {
    /// Returns the real tokens run through the model per second of making batches.
    pub fn tokens_per_second(&self) -> f64 {
        per_second(self.tokens, self.reading + self.model + self.gathering)
    }

    /// Rows handed out per second since the first batch was asked for.
    pub fn rows_per_second(&self) -> f64 {
        per_second(self.rows, self.elapsed)
    }

    /// Returns the part of the elapsed time that was spent waiting for batches, from 0 to 1.
    pub fn waiting_fraction(&self) -> f64 {
        match self.elapsed.as_secs_f64() {
            0.0 => 0.0,
            elapsed => self.waiting.as_secs_f64() / elapsed,
        }
    }

    /// Puts what a producer knows, and a stream does not, into `stats`.
    pub(super) fn add_engine_to(&self, stats: &mut StreamStats) {
        *stats = StreamStats {
            batches: stats.batches,
            rows: stats.rows,
            elapsed: stats.elapsed,
            waiting: stats.waiting,
            mapping: stats.mapping,
            ..self.clone()
        };
    }
}

fn per_second(count: u64, time: Duration) -> f64 {
    match time.as_secs_f64() {
        0.0 => 0.0,
        seconds => count as f64 / seconds,
    }
}
