//! Decides which rows of which chunks make up each batch, by numbers alone; no row is read here.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chunk::Chunk;
use super::gather::Picked;
use super::reader::CacheReader;
use crate::activations::draws::Draws;
use crate::activations::rule::{DrawRule, DrawState};
use crate::error::{Error, Result};
use crate::tensor::Generator;

/// A chunk among all sources: (source, number in the source).
pub(super) type ChunkId = (u32, u32);

/// A row: its chunk, and its number there.
pub(super) type RowRef = (ChunkId, u32);

/// A source of a planner.
pub(super) struct PlannedSource {
    pub reader: CacheReader,
    pub weight: f64,
    /// How often it is read; `None` without end.
    pub passes: Option<u64>,
    /// Shuffles the order of the chunks; `None` keeps it.
    pub shuffle_seed: Option<u64>,
}

/// Where a source has got to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// Passes begun before this one.
    pass: u64,
    /// The chunks of this pass in their order.
    order: Vec<u32>,
    /// The next one.
    next: usize,
    shuffle: Option<Generator>,
}

/// All that decides the rest of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PlanState {
    cursors: Vec<Cursor>,
    draws: Draws,
    rule: DrawState,
    buffer: VecDeque<RowRef>,
    ended: bool,
}

/// Plans batches over one or several caches.
pub(super) struct Planner {
    sources: Vec<PlannedSource>,
    cursors: Vec<Cursor>,
    draws: Draws,
    rule: DrawRule,
    buffer: VecDeque<RowRef>,
    /// For each source, its chunks that are open, by number.
    open: Vec<Vec<Option<Open>>>,
    /// Plans resolved so far.
    resolved: u64,
    ended: bool,
    /// Chunks opened since they were last asked for.
    fresh: Vec<Arc<Chunk>>,
    remark: Option<String>,
}

/// A chunk that is open.
struct Open {
    chunk: Arc<Chunk>,
    /// Rows that are still to be handed out.
    left: usize,
    /// The plan in which it was met last, and its place among that plan's chunks.
    met: (u64, u32),
}

impl Cursor {
    pub(super) fn start(source: &PlannedSource) -> Self {
        let mut cursor = Cursor {
            pass: 0,
            order: (0..source.reader.len() as u32).collect(),
            next: 0,
            shuffle: source.shuffle_seed.map(Generator::new),
        };
        cursor.shuffle();
        cursor
    }

    fn shuffle(&mut self) {
        self.order.sort_unstable();
        if let Some(generator) = &mut self.shuffle {
            generator.shuffle(&mut self.order);
        }
    }

    pub(super) fn has_ended(&self, source: &PlannedSource) -> bool {
        self.next >= self.order.len() && source.passes.is_some_and(|passes| self.pass + 1 >= passes)
    }

    /// The next chunk; begins another pass where one has ended.
    pub(super) fn advance(&mut self) -> u32 {
        if self.next >= self.order.len() {
            self.pass += 1;
            self.next = 0;
            self.shuffle();
        }
        self.next += 1;
        self.order[self.next - 1]
    }

    fn fits(&self, source: &PlannedSource) -> bool {
        let mut sorted = self.order.clone();
        sorted.sort_unstable();
        sorted.into_iter().eq(0..source.reader.len() as u32)
            && self.next <= self.order.len()
            && self.shuffle.is_some() == source.shuffle_seed.is_some()
            && self.shuffle.as_ref().is_none_or(Generator::is_valid)
    }
}

impl Planner {
    pub(super) fn new(sources: Vec<PlannedSource>, rule: DrawRule) -> Self {
        Planner {
            cursors: sources.iter().map(Cursor::start).collect(),
            open: sources
                .iter()
                .map(|source| (0..source.reader.len()).map(|_| None).collect())
                .collect(),
            resolved: 0,
            sources,
            draws: Draws::new(),
            rule,
            buffer: VecDeque::new(),
            ended: false,
            fresh: Vec::new(),
            remark: None,
        }
    }

    /// Rows that wait in the buffer.
    pub(super) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The rows of the next batch, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<RowRef>>> {
        while !self.ended && !self.rule.has_batch(self.buffer.len()) {
            self.refill()?;
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let count = self.rule.batch_size().min(self.buffer.len());
        Ok(Some(self.buffer.drain(..count).collect()))
    }

    fn refill(&mut self) -> Result<()> {
        let mut barren = 0;
        while self.buffer.len() < self.rule.full() {
            let live: Vec<(usize, f64)> = self
                .sources
                .iter()
                .enumerate()
                .filter(|(index, source)| !self.cursors[*index].has_ended(source))
                .map(|(index, source)| (index, source.weight))
                .collect();
            let Some(source) = self.draws.choose(&live) else {
                self.ended = true;
                self.remark = self.rule.never_mixed(self.buffer.len());
                return Ok(());
            };
            let number = self.cursors[source].advance();
            let id = (source as u32, number);
            let rows = self.opened_chunk(id)?.chunk.rows() as u32;
            barren = if rows == 0 { barren + 1 } else { 0 };
            if barren
                > self
                    .sources
                    .iter()
                    .map(|source| source.reader.len())
                    .sum::<usize>()
            {
                return Err(Error::input("no row of the cache is left after filtering")
                    .hint("check `ignore_token_ids` and the masks in the cache"));
            }
            self.buffer.extend((0..rows).map(|row| (id, row)));
        }
        if let Some(generator) = self.rule.permute_at(self.buffer.len()) {
            generator.shuffle(self.buffer.make_contiguous());
        }
        Ok(())
    }

    /// The chunk `id`, opened if it is not open.
    fn opened_chunk(&mut self, id: ChunkId) -> Result<&mut Open> {
        let (source, number) = (id.0 as usize, id.1 as usize);
        let place = &mut self.open[source][number];
        if place.is_none() {
            let chunk = self.sources[source].reader.chunk(number)?;
            self.fresh.push(chunk.clone());
            *place = Some(Open {
                left: chunk.rows(),
                chunk,
                met: (0, 0),
            });
        }
        place.as_mut().ok_or_else(|| Error::run("the chunk is not open"))
    }

    /// Chunks opened since the last call; reading them ahead saves waiting.
    pub(super) fn opened(&mut self) -> Vec<Arc<Chunk>> {
        std::mem::take(&mut self.fresh)
    }

    /// What the reader of the stream should know; told once.
    pub(super) fn remark(&mut self) -> Option<String> {
        self.remark.take()
    }

    /// The rows of a plan with the chunks they are in. Chunks whose last row this was are let go.
    pub(super) fn resolve(&mut self, plan: &[RowRef]) -> Result<Picked> {
        self.resolved += 1;
        let resolved = self.resolved;
        let mut picked = Picked {
            chunks: Vec::new(),
            rows: Vec::with_capacity(plan.len()),
        };
        for (id, row) in plan {
            let open = self.opened_chunk(*id)?;
            if *row as usize >= open.chunk.rows() {
                return Err(Error::input(
                    "the saved stream refers to rows that the cache does not have",
                ));
            }
            if open.met.0 != resolved {
                open.met = (resolved, picked.chunks.len() as u32);
                picked.chunks.push(open.chunk.clone());
            }
            picked.rows.push((open.met.1, *row));
            open.left = open.left.saturating_sub(1);
            if open.left == 0 {
                self.open[id.0 as usize][id.1 as usize] = None;
            }
        }
        Ok(picked)
    }

    pub(super) fn state(&self) -> PlanState {
        PlanState {
            cursors: self.cursors.clone(),
            draws: self.draws.clone(),
            rule: self.rule.state().clone(),
            buffer: self.buffer.clone(),
            ended: self.ended,
        }
    }

    /// Takes up a saved state; false if it does not belong to these sources.
    pub(super) fn restore(&mut self, state: PlanState) -> bool {
        let fits = state.cursors.len() == self.sources.len()
            && state.draws.is_valid()
            && state
                .cursors
                .iter()
                .zip(&self.sources)
                .all(|(cursor, source)| cursor.fits(source))
            && state.buffer.iter().all(|((source, number), _)| {
                self.sources
                    .get(*source as usize)
                    .is_some_and(|source| (*number as usize) < source.reader.len())
            });
        if !fits || !self.rule.restore(state.rule) {
            return false;
        }
        self.cursors = state.cursors;
        self.draws = state.draws;
        self.buffer = state.buffer;
        self.ended = state.ended;
        true
    }
}
