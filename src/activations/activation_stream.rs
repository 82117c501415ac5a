//! The stream that a factory makes.

use std::path::Path;
use std::time::{Duration, Instant};

use super::producer::Producer;
use super::stats::{StreamMemory, StreamStats};
use super::stream::{Batch, BatchStream};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::tensor::no_grad;

/// Changes batches on their way out, e.g. a closure of a script.
pub type BatchMap = Box<dyn FnMut(Batch) -> Result<Batch>>;

/// Finds out what decides a stream's batches, when that is asked for: it takes reading files.
pub(super) type FingerprintFn = Box<dyn Fn() -> Result<Fingerprint>>;

/// One of the changes that batches go through.
struct Mapping {
    map: BatchMap,
    /// What tells it from others, where that is known.
    source: Option<String>,
}

/// Batches of activations, made or read as they are asked for.
pub struct ActivationStream {
    producer: Box<dyn Producer>,
    maps: Vec<Mapping>,
    batch_size: usize,
    fingerprint: FingerprintFn,
    started: Option<Instant>,
    stats: StreamStats,
}

impl ActivationStream {
    pub(super) fn new(producer: Box<dyn Producer>, batch_size: usize, fingerprint: FingerprintFn) -> Self {
        ActivationStream {
            producer,
            maps: Vec::new(),
            batch_size,
            fingerprint,
            started: None,
            stats: StreamStats::default(),
        }
    }

    /// Has every batch go through `map` before it is handed out; several are applied in the order given. `source` tells
    /// `map` from others, e.g. by its source text; a stream with maps that nothing tells apart cannot be compared whole.
    pub fn map(&mut self, map: BatchMap, source: Option<String>) {
        self.maps.push(Mapping { map, source });
    }

    /// Returns what has been done so far, how fast, and where the time went.
    pub fn stats(&self) -> StreamStats {
        let mut stats = self.stats.clone();
        stats.elapsed = self.started.map_or(Duration::ZERO, |start| start.elapsed());
        self.producer.add_stats(&mut stats);
        stats
    }

    fn next(&mut self) -> Result<Option<Batch>> {
        let Some(mut batch) = self.producer.next()? else {
            return Ok(None);
        };
        if !self.maps.is_empty() {
            let start = Instant::now();
            for mapping in &mut self.maps {
                batch = (mapping.map)(batch)?;
            }
            self.stats.mapping += start.elapsed();
        }
        self.stats.batches += 1;
        self.stats.rows += batch.rows() as u64;
        Ok(Some(batch))
    }
}

impl BatchStream for ActivationStream {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let start = Instant::now();
        self.started.get_or_insert(start);
        let batch = no_grad(|| self.next());
        self.stats.waiting += start.elapsed();
        batch
    }

    fn batch_size(&self) -> Option<usize> {
        Some(self.batch_size)
    }

    fn memory(&self) -> StreamMemory {
        self.stats().memory
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut fingerprint = (self.fingerprint)()?;
        for (index, mapping) in self.maps.iter().enumerate() {
            let key = format!("activation_stream.map[{index}]");
            match &mapping.source {
                Some(source) => fingerprint.set(key, source.as_str().into()),
                None => fingerprint.set_unverified(key, "a closure of a script"),
            }
        }
        Ok(fingerprint)
    }

    fn is_resumable(&self) -> bool {
        true
    }

    fn save_state(&mut self, folder: &Path) -> Result<()> {
        self.producer.save(folder)
    }

    fn restore_state(&mut self, folder: &Path) -> Result<()> {
        if self.started.is_some() {
            return Err(
                Error::input("a stream that has given batches cannot go back to a checkpoint")
                    .hint("call `process` again and restore that stream"),
            );
        }
        self.producer.restore(folder)
    }
}
