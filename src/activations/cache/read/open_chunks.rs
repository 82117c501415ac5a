//! The chunks of which rows wait to be handed out.

use std::sync::Arc;

use super::chunk::Chunk;
use super::gather::Picked;
use crate::error::{Error, Result};

/// A chunk of which no more than one row in so many is left is let go, and these rows are kept apart. Otherwise the last
/// rows of a chunk, which stay in a shuffle buffer for long, would hold all of it in memory. To keep more of them would
/// hold less, and cost the time of copying them twice.
const FEW: usize = 32;

/// Chunks by number, for each source.
pub(super) struct OpenChunks {
    sources: Vec<Vec<Slot>>,
    /// Plans resolved so far.
    plans: u64,
}

/// What is known of one chunk.
#[derive(Default)]
struct Slot {
    /// There while rows are left.
    chunk: Option<Arc<Chunk>>,
    /// Rows that wait in the buffer or in a plan that is not resolved.
    left: usize,
    /// The plan in which it was met last, and its place among that plan's chunks.
    met: (u64, u32),
    /// Collects the rows that are to be kept.
    few: Option<Vec<u32>>,
}

impl OpenChunks {
    /// Begins with none open, of sources with so many chunks.
    pub(super) fn new(lengths: impl Iterator<Item = usize>) -> Self {
        let slots = lengths.map(|length| (0..length).map(|_| Slot::default()).collect());
        OpenChunks {
            sources: slots.collect(),
            plans: 0,
        }
    }

    fn slot(&mut self, id: ChunkId) -> &mut Slot {
        &mut self.sources[id.0 as usize][id.1 as usize]
    }

    /// Returns the chunk, if it is open with all its rows.
    pub(super) fn whole(&self, id: ChunkId) -> Option<&Arc<Chunk>> {
        let chunk = self.sources[id.0 as usize][id.1 as usize].chunk.as_ref();
        chunk.filter(|chunk| !chunk.is_kept())
    }

    /// Returns whether the chunk is open with the rows that wait.
    pub(super) fn is_open(&self, id: ChunkId) -> bool {
        self.sources[id.0 as usize][id.1 as usize].chunk.is_some()
    }

    /// Notes that the chunk is open.
    pub(super) fn insert(&mut self, id: ChunkId, chunk: Arc<Chunk>) {
        self.slot(id).chunk = Some(chunk);
    }

    /// Notes that `rows` more rows wait; a chunk without any is let go.
    pub(super) fn expect(&mut self, id: ChunkId, rows: usize) {
        let slot = self.slot(id);
        slot.left += rows;
        if slot.left == 0 {
            slot.chunk = None;
        }
    }

    /// Forgets all rows that wait.
    pub(super) fn expect_nothing(&mut self) {
        self.sources.iter_mut().flatten().for_each(|slot| slot.left = 0);
    }

    /// Returns the rows of a plan, whose chunks are open, with these. Chunks whose last row this was are let go.
    ///
    /// # Errors
    /// A row that its chunk does not have.
    pub(super) fn resolve(&mut self, plan: &[RowRef]) -> Result<Picked> {
        self.plans += 1;
        let plans = self.plans;
        let mut picked = Picked {
            chunks: Vec::new(),
            rows: Vec::with_capacity(plan.len()),
        };
        for (id, row) in plan {
            let slot = self.slot(*id);
            let Some(chunk) = slot.chunk.as_ref().filter(|chunk| chunk.has(*row)) else {
                return Err(Error::input(
                    "the saved stream refers to rows that the cache does not have",
                ));
            };
            if slot.met.0 != plans {
                slot.met = (plans, picked.chunks.len() as u32);
                picked.chunks.push(chunk.clone());
            }
            picked.rows.push((slot.met.1, *row));
            slot.left = slot.left.saturating_sub(1);
            if slot.left == 0 {
                slot.chunk = None;
            }
        }
        Ok(picked)
    }

    /// Lets go of chunks that only few rows of `buffer` are in, and keeps these rows instead.
    ///
    /// # Errors
    /// A chunk that fails its check.
    pub(super) fn keep_few<'a>(&mut self, buffer: impl Iterator<Item = &'a RowRef>) -> Result<()> {
        let mut any = false;
        for slot in self.sources.iter_mut().flatten() {
            let is_few = |chunk: &Arc<Chunk>| !chunk.is_kept() && slot.left * FEW <= chunk.rows();
            slot.few = slot
                .chunk
                .as_ref()
                .filter(|chunk| is_few(chunk))
                .map(|_| Vec::new());
            any |= slot.few.is_some();
        }
        if !any {
            return Ok(());
        }
        for (id, row) in buffer {
            if let Some(rows) = &mut self.slot(*id).few {
                rows.push(*row);
            }
        }
        for slot in self.sources.iter_mut().flatten() {
            if let (Some(rows), Some(chunk)) = (slot.few.take(), &slot.chunk) {
                slot.chunk = Some(Arc::new(chunk.keep(rows)?));
            }
        }
        Ok(())
    }
}

/// A chunk among all sources: (source, number in the source).
pub(super) type ChunkId = (u32, u32);

/// A row: its chunk, and its number there.
pub(super) type RowRef = (ChunkId, u32);
