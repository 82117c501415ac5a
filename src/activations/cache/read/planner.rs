//! Decides which rows of which chunks make up each batch, by numbers alone; no row is read here.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chunk::Chunk;
use super::gather::Picked;
use super::open_chunks::{ChunkId, OpenChunks, RowRef};
use super::reader::CacheReader;
use crate::activations::draws::Draws;
use crate::activations::rule::{DrawRule, DrawState};
use crate::error::{Error, Result};
use crate::tensor::Generator;

/// A source of a planner.
pub(super) struct PlannedSource {
    pub reader: CacheReader,
    pub weight: f64,
    /// How often it is read; `None` without end.
    pub passes: Option<u64>,
    /// Shuffles the order of the chunks; `None` keeps it.
    pub shuffle_seed: Option<u64>,
    /// Chunks that are fetched ahead, where they lie elsewhere.
    pub ahead: usize,
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
    open: OpenChunks,
    /// Rows of the chunk opened last, by which it is guessed how many chunks a refill takes.
    usual_rows: usize,
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

    /// Returns the next chunk; begins another pass where one has ended.
    pub(super) fn advance(&mut self) -> u32 {
        if self.next >= self.order.len() {
            self.pass += 1;
            self.next = 0;
            self.shuffle();
        }
        self.next += 1;
        self.order[self.next - 1]
    }

    /// Returns the chunks that follow, each once: up to the first that comes again.
    pub(super) fn upcoming(&self, source: &PlannedSource, count: usize) -> Vec<usize> {
        let mut cursor = self.clone();
        let mut numbers = Vec::new();
        while numbers.len() < count && !cursor.has_ended(source) {
            let number = cursor.advance() as usize;
            if numbers.contains(&number) {
                break;
            }
            numbers.push(number);
        }
        numbers
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
            open: OpenChunks::new(sources.iter().map(|source| source.reader.len())),
            sources,
            draws: Draws::new(),
            rule,
            buffer: VecDeque::new(),
            usual_rows: 0,
            ended: false,
            fresh: Vec::new(),
            remark: None,
        }
    }

    /// Rows that wait in the buffer.
    pub(super) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Returns the rows of the next batch, or `None` at the end.
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
            let live = live(&self.sources, &self.cursors);
            let Some(source) = self.draws.choose(&live) else {
                self.ended = true;
                self.remark = self.rule.never_mixed(self.buffer.len());
                return Ok(());
            };
            let number = self.cursors[source].advance();
            let id = (source as u32, number);
            let rows = self.chunk(id)?.rows() as u32;
            self.open.expect(id, rows as usize);
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
        self.open.keep_few(self.buffer.iter())
    }

    /// Returns whether the next batch can be planned without waiting for a chunk that is on its way.
    pub(super) fn is_ready(&self) -> bool {
        let all_here = !self.sources.iter().any(|source| source.reader.is_remote());
        all_here || self.ended || self.rule.has_batch(self.buffer.len()) || self.can_refill()
    }

    /// Goes through a refill without doing it: is every chunk here that it takes?
    fn can_refill(&self) -> bool {
        let (mut cursors, mut draws) = (self.cursors.clone(), self.draws.clone());
        let mut filled = self.buffer.len();
        while filled < self.rule.full() {
            let live = live(&self.sources, &cursors);
            let Some(source) = draws.choose(&live) else {
                return true;
            };
            let number = cursors[source].advance();
            let reader = &self.sources[source].reader;
            let rows = match self.open.whole((source as u32, number)) {
                Some(chunk) => chunk.rows(),
                None if !reader.is_remote() => return true,
                None => match reader.arrived_rows(number as usize) {
                    Some(rows) => rows,
                    None => return false,
                },
            };
            // An empty one or one that failed is dealt with by the refill itself.
            if rows == 0 {
                return true;
            }
            filled += rows;
        }
        true
    }

    /// The chunk `id`, opened if it is not open. Those that follow are ordered meanwhile.
    fn chunk(&mut self, id: ChunkId) -> Result<Arc<Chunk>> {
        if let Some(chunk) = self.open.whole(id) {
            return Ok(chunk.clone());
        }
        let source = &self.sources[id.0 as usize];
        source.reader.order(id.1 as usize);
        self.order_ahead(id.0);
        let chunk = source.reader.chunk(id.1 as usize)?;
        self.usual_rows = chunk.rows();
        self.open.insert(id, chunk.clone());
        self.fresh.push(chunk.clone());
        Ok(chunk)
    }

    /// Orders the chunks of a source that will be needed next: those of a refill, and some more.
    fn order_ahead(&self, source: u32) {
        let planned = &self.sources[source as usize];
        if !planned.reader.is_remote() || planned.ahead == 0 {
            return;
        }
        let refill = self.rule.refill().checked_div(self.usual_rows).unwrap_or(0);
        let limit = planned.ahead + refill;
        let numbers = self.cursors[source as usize].upcoming(planned, limit);
        let closed = numbers
            .into_iter()
            .filter(|number| self.open.whole((source, *number as u32)).is_none());
        planned.reader.order_ahead(closed, limit + 1);
    }

    /// Chunks opened since the last call; reading them ahead saves waiting.
    pub(super) fn opened(&mut self) -> Vec<Arc<Chunk>> {
        std::mem::take(&mut self.fresh)
    }

    /// Returns what the reader of the stream should know; told once.
    pub(super) fn remark(&mut self) -> Option<String> {
        self.remark.take()
    }

    /// Returns the rows of a plan with the chunks they are in. Chunks whose last row this was are let go.
    pub(super) fn resolve(&mut self, plan: &[RowRef]) -> Result<Picked> {
        let closed: Vec<ChunkId> = plan
            .iter()
            .map(|(id, _)| *id)
            .filter(|id| !self.open.is_open(*id))
            .collect();
        for id in &closed {
            self.sources[id.0 as usize].reader.order(id.1 as usize);
        }
        for id in closed {
            self.chunk(id)?;
        }
        self.open.resolve(plan)
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

    /// Takes up a saved state, and the plans `coming` that will be resolved next; false if they do not belong to these
    /// sources.
    pub(super) fn restore(&mut self, state: PlanState, coming: &[Vec<RowRef>]) -> bool {
        let fits = state.cursors.len() == self.sources.len()
            && state.draws.is_valid()
            && state
                .cursors
                .iter()
                .zip(&self.sources)
                .all(|(cursor, source)| cursor.fits(source))
            && coming
                .iter()
                .flatten()
                .chain(&state.buffer)
                .all(|((source, number), _)| {
                    self.sources
                        .get(*source as usize)
                        .is_some_and(|source| (*number as usize) < source.reader.len())
                });
        if !fits || !self.rule.restore(state.rule) {
            return false;
        }
        self.open.expect_nothing();
        for (id, _) in coming.iter().flatten().chain(&state.buffer) {
            self.open.expect(*id, 1);
        }
        self.cursors = state.cursors;
        self.draws = state.draws;
        self.buffer = state.buffer;
        self.ended = state.ended;
        true
    }
}

/// The sources that have not ended, with their weights.
fn live(sources: &[PlannedSource], cursors: &[Cursor]) -> Vec<(usize, f64)> {
    let both = sources.iter().zip(cursors).enumerate();
    both.filter(|(_, (source, cursor))| !cursor.has_ended(source))
        .map(|(index, (source, _))| (index, source.weight))
        .collect()
}
