//! Decides which rows of which chunks make up each batch, by numbers alone; no row is read here.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chunk::Chunk;
use super::gather::RowAt;
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
    open: HashMap<ChunkId, (Arc<Chunk>, usize)>,
    ended: bool,
    /// Chunks opened since they were last asked for.
    fresh: Vec<Arc<Chunk>>,
    remark: Option<String>,
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
            sources,
            draws: Draws::new(),
            rule,
            buffer: VecDeque::new(),
            open: HashMap::new(),
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
            let rows = self.chunk(id)?.rows() as u32;
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
    fn chunk(&mut self, id: ChunkId) -> Result<Arc<Chunk>> {
        if let Some((chunk, _)) = self.open.get(&id) {
            return Ok(chunk.clone());
        }
        let chunk = self.sources[id.0 as usize].reader.chunk(id.1 as usize)?;
        self.open.insert(id, (chunk.clone(), 0));
        self.fresh.push(chunk.clone());
        Ok(chunk)
    }

    /// Chunks opened since the last call; reading them ahead saves waiting.
    pub(super) fn opened(&mut self) -> Vec<Arc<Chunk>> {
        std::mem::take(&mut self.fresh)
    }

    /// What the reader of the stream should know; told once.
    pub(super) fn remark(&mut self) -> Option<String> {
        self.remark.take()
    }

    /// Handles on the rows of a plan. Chunks whose last row this was are let go.
    pub(super) fn resolve(&mut self, plan: &[RowRef]) -> Result<Vec<RowAt>> {
        let mut rows = Vec::with_capacity(plan.len());
        for (id, row) in plan {
            let chunk = self.chunk(*id)?;
            let entry = self.open.entry(*id).or_insert((chunk.clone(), 0));
            entry.1 += 1;
            if *row as usize >= chunk.rows() {
                return Err(Error::input(
                    "the saved stream refers to rows that the cache does not have",
                ));
            }
            if entry.1 >= chunk.rows() {
                self.open.remove(id);
            }
            rows.push(RowAt { chunk, row: *row });
        }
        Ok(rows)
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
