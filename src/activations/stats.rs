//! What a stream has done and where its time went.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use crate::error::byte_size;

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
    /// Tokens of padding that went through the model with them.
    pub padding: u64,
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
    /// What all this takes.
    pub memory: StreamMemory,
}

/// The memory of a stream, in bytes; 0 for what there is not, or where nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamMemory {
    /// The model's weights.
    pub model: u64,
    /// What a forward pass holds besides, at its height: about.
    pub pass: u64,
    /// The shuffle buffer and the batches that are made ahead.
    pub batches: u64,
}

impl StreamMemory {
    /// Returns all of it together.
    pub fn total(self) -> u64 {
        self.model.saturating_add(self.pass).saturating_add(self.batches)
    }
}

/// What there is, part by part.
impl fmt::Display for StreamMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("model", self.model),
            ("forward pass", self.pass),
            ("batches", self.batches),
        ];
        let there = parts.into_iter().filter(|(_, bytes)| *bytes > 0);
        let named = there.map(|(name, bytes)| format!("{name} {}", byte_size(bytes)));
        formatter.write_str(&named.collect::<Vec<_>>().join(", "))
    }
}

impl Add for StreamMemory {
    type Output = StreamMemory;

    fn add(self, other: StreamMemory) -> StreamMemory {
        StreamMemory {
            model: self.model.saturating_add(other.model),
            pass: self.pass.saturating_add(other.pass),
            batches: self.batches.saturating_add(other.batches),
        }
    }
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
