//! The stream that a factory makes: refills the buffer, shuffles it, hands out batches.

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::buffer::RowBuffer;
use super::config::{ActivationFactoryConfig, ActivationFactoryTarget};
use super::factory::SourceOpener;
use super::forward::{Forward, Planned};
use super::mixture::{Item, Mixture, MixturePosition};
use super::saved_rows;
use super::stats::StreamStats;
use super::stream::{Batch, BatchStream};
use crate::atomic;
use crate::error::{Context, Error, Result};
use crate::event::RunContext;
use crate::tensor::Generator;

/// Name of the file in a checkpoint folder that says where the stream was.
const STATE_FILE: &str = "activation_stream.json";
/// Name of the file with the rows that were in the buffer.
const ROWS_FILE: &str = "activation_stream.safetensors";

/// Batches of activations made as they are asked for.
pub struct ActivationStream {
    config: ActivationFactoryConfig,
    opener: SourceOpener,
    mixture: Mixture,
    forward: Forward,
    model_name: Option<String>,
    buffer: RowBuffer,
    shuffle: Option<Generator>,
    /// A refill that was interrupted and is to be taken up again.
    pending: Option<Refill>,
    ended: bool,
    started: bool,
    permuted: bool,
    stats: StreamStats,
    context: RunContext,
}

/// Sequences that were read for one refill of the buffer.
struct Refill {
    sequences: Vec<Planned>,
    rows: usize,
    /// Where the mixture was before.
    before: MixturePosition,
    /// The data ended with these.
    last: bool,
}

impl Refill {
    fn at(before: MixturePosition) -> Self {
        Refill {
            sequences: Vec::new(),
            rows: 0,
            before,
            last: false,
        }
    }
}

/// All of the stream's state but the rows in the buffer.
#[derive(Serialize, Deserialize)]
struct SavedState {
    position: MixturePosition,
    shuffle: Option<Generator>,
    ended: bool,
    permuted: bool,
    rows: usize,
}

impl ActivationStream {
    pub(super) fn new(
        opener: SourceOpener,
        forward: Forward,
        model_name: Option<String>,
        context: RunContext,
    ) -> Result<Self> {
        let config = opener.config.clone();
        let position = MixturePosition::start(config.sources.len());
        let mixture = Mixture::new(opener.open(&position)?, &position, config.model_batch_size);
        let longest = match config.target {
            ActivationFactoryTarget::Activations1D => config.context_size.unwrap_or(0),
            _ => 1,
        };
        let expected = config.buffer_size.unwrap_or(config.batch_size) + config.model_batch_size * longest;
        let shuffle = config
            .buffer_size
            .map(|_| Generator::new(config.buffer_shuffle.clone().unwrap_or_default().perm_seed));
        Ok(ActivationStream {
            buffer: RowBuffer::new(expected),
            config,
            opener,
            mixture,
            forward,
            model_name,
            shuffle,
            pending: None,
            ended: false,
            started: false,
            permuted: false,
            stats: StreamStats::default(),
            context,
        })
    }

    /// What has been done so far, how fast, and where the time went.
    pub fn stats(&self) -> StreamStats {
        let mut stats = self.stats.clone();
        (stats.queued_groups, stats.queue_capacity) = self.mixture.queue_fill();
        stats.buffered_rows = self.buffer.len();
        stats
    }

    /// Rows at which the buffer is full.
    fn full(&self) -> usize {
        self.config.buffer_size.unwrap_or(self.config.batch_size)
    }

    /// May a batch be taken before the next refill? A shuffle buffer keeps at least half of its rows to mix with.
    fn has_batch(&self) -> bool {
        let half = self.config.buffer_size.map_or(0, |size| size / 2);
        let ready = self.shuffle.is_none() || self.permuted;
        ready && self.buffer.len() >= self.config.batch_size.max(half)
    }

    /// Fills the buffer and shuffles it, unless the data ended first. What an interrupted refill had read is kept
    /// for the next call.
    fn refill(&mut self) -> Result<()> {
        let mut refill = self
            .pending
            .take()
            .unwrap_or_else(|| Refill::at(self.mixture.position()));
        let done = self.plan(&mut refill).and_then(|()| self.compute(&refill));
        if let Err(error) = done {
            self.pending = Some(refill);
            return Err(error);
        }
        self.ended = refill.last;
        if self.buffer.len() >= self.full() {
            if let Some(generator) = &mut self.shuffle {
                self.buffer.permute(generator);
                self.permuted = true;
            }
        } else if self.shuffle.is_some() && !self.permuted {
            self.context.events.warn(format!(
                "the data ended with {} rows in the shuffle buffer, which never filled up to its `buffer_size` of {}: \
                 these rows come out in the order of the data",
                self.buffer.len(),
                self.full()
            ))?;
        }
        Ok(())
    }

    /// Reads as many sequences as it takes to fill the buffer.
    fn plan(&mut self, refill: &mut Refill) -> Result<()> {
        let start = Instant::now();
        while !refill.last && self.buffer.len() + refill.rows < self.full() {
            self.context.check("reading the data")?;
            match self.mixture.next()? {
                Some(item) => {
                    for sequence in self.planned(item) {
                        refill.rows += self.forward.rows_of(&sequence);
                        refill.sequences.push(sequence);
                    }
                }
                None => refill.last = true,
            }
        }
        self.stats.reading += start.elapsed();
        Ok(())
    }

    /// Computes the planned rows and puts them into the buffer.
    fn compute(&mut self, refill: &Refill) -> Result<()> {
        let start = Instant::now();
        let slots = self.buffer.reserve(refill.rows);
        let context = &self.context;
        let checkpoint = || context.check("generating activations");
        let done = self
            .forward
            .run(&refill.sequences, &slots, &mut self.buffer, checkpoint);
        if done.is_err() {
            self.buffer.unreserve(refill.rows);
        }
        self.stats.model += start.elapsed();
        self.stats.sequences += refill.sequences.len() as u64;
        self.stats.tokens += refill
            .sequences
            .iter()
            .map(|sequence| sequence.ids.len() as u64)
            .sum::<u64>();
        done
    }

    fn planned(&self, item: Item) -> Vec<Planned> {
        let flat = self.config.target == ActivationFactoryTarget::Activations1D;
        let source = item.source;
        let sequences = item.sequences.into_iter();
        sequences
            .map(|sequence| Planned {
                kept: if flat {
                    self.forward.special.kept(&sequence.ids)
                } else {
                    Vec::new()
                },
                meta: (!flat).then(|| {
                    self.mixture
                        .origin(source, sequence.record, self.model_name.as_deref())
                }),
                ids: sequence.ids,
            })
            .collect()
    }

    /// The next batch; short only at the end, `None` after it.
    fn next(&mut self) -> Result<Option<Batch>> {
        while !self.has_batch() && !self.ended {
            self.refill()?;
        }
        if self.buffer.len() == 0 {
            return Ok(None);
        }
        let start = Instant::now();
        let batch = self.buffer.take(self.config.batch_size)?;
        self.stats.gathering += start.elapsed();
        self.stats.batches += 1;
        self.stats.rows += batch.rows() as u64;
        Ok(Some(batch))
    }
}

impl BatchStream for ActivationStream {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let start = Instant::now();
        self.started = true;
        let batch = tch::no_grad(|| self.next());
        self.stats.total += start.elapsed();
        batch
    }

    fn batch_size(&self) -> Option<usize> {
        Some(self.config.batch_size)
    }

    fn save_state(&mut self, folder: &Path) -> Result<()> {
        let position = match &self.pending {
            Some(refill) => refill.before.clone(),
            None => self.mixture.position(),
        };
        let rows = self.buffer.len();
        let state = SavedState {
            position,
            shuffle: self.shuffle.clone(),
            ended: self.ended,
            permuted: self.permuted,
            rows,
        };
        saved_rows::write(&folder.join(ROWS_FILE), &self.buffer.first(rows)?)?;
        let text = serde_json::to_vec(&state)
            .map_err(|error| Error::run(format!("cannot write the stream's state: {error}")))?;
        atomic::write(folder.join(STATE_FILE), text)
    }

    fn restore_state(&mut self, folder: &Path) -> Result<()> {
        if self.started {
            return Err(
                Error::input("a stream that has given batches cannot go back to a checkpoint")
                    .hint("call `process` again and restore that stream"),
            );
        }
        let path = folder.join(STATE_FILE);
        let text = std::fs::read(&path).map_err(|error| Error::io("read", &path, error))?;
        let state: SavedState = serde_json::from_slice(&text)
            .map_err(|error| Error::input(format!("`{}` is damaged: {error}", path.display())))?;
        let sources = self.config.sources.len();
        if !state.position.fits(sources) || state.shuffle.is_some() != self.shuffle.is_some() {
            return Err(Error::input(format!(
                "`{}` was saved by a stream with other sources or another buffer",
                path.display()
            )));
        }
        self.buffer = RowBuffer::new(self.full());
        if state.rows > 0 {
            let path = folder.join(ROWS_FILE);
            let rows =
                saved_rows::read(&path, state.rows, self.forward.device()).context("restoring the stream")?;
            let slots = self.buffer.reserve(state.rows);
            self.buffer.write(&slots, &rows)?;
        }
        let opened = self.opener.open(&state.position)?;
        self.mixture = Mixture::new(opened, &state.position, self.config.model_batch_size);
        (self.shuffle, self.ended, self.permuted) = (state.shuffle, state.ended, state.permuted);
        Ok(())
    }
}
