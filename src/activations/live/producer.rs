//! The producer that runs a model: refills the buffer, shuffles it, hands out batches. It lives on a thread of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::buffer::RowBuffer;
use super::forward::{Forward, Planned};
use super::mixture::{Item, Mixture, MixturePosition};
use super::opener::SourceOpener;
use crate::activations::config::{ActivationFactoryConfig, ActivationFactoryTarget};
use crate::activations::producer::Producer;
use crate::activations::rule::{DrawRule, DrawState};
use crate::activations::settings::ActivationFactorySource;
use crate::activations::stats::{StreamMemory, StreamStats};
use crate::activations::stream::Batch;
use crate::activations::{saved_rows, state_file};
use crate::error::{Context, Error, Result};
use crate::event::{RunContext, StopFlag};
use crate::tensor::used_here;

/// Name of the file in a checkpoint folder with the rows that were in the buffer.
const ROWS_FILE: &str = "activation_stream.safetensors";
/// Rows that are read from it at a time.
const RESTORED_ROWS: usize = 4096;

/// Batches computed as they are asked for.
pub(in crate::activations) struct LiveProducer {
    config: ActivationFactoryConfig,
    opener: SourceOpener,
    mixture: Mixture,
    forward: Forward,
    model_name: Option<String>,
    buffer: RowBuffer,
    rule: DrawRule,
    /// A refill that was interrupted and is to be taken up again.
    pending: Option<Refill>,
    ended: bool,
    /// Every row counts: single positions of texts, of which those that do not count are left out.
    all_count: bool,
    /// It was said how many records were skipped.
    told_skipped: bool,
    done: Done,
    context: RunContext,
    given_up: StopFlag,
}

/// What was done so far.
#[derive(Default)]
struct Done {
    sequences: u64,
    tokens: u64,
    padding: u64,
    reading: Duration,
    model: Duration,
    gathering: Duration,
}

/// What was read for one refill of the buffer.
struct Refill {
    sequences: Vec<Planned>,
    /// Rows that need no model, with the number of their first row.
    ready: Vec<(usize, Batch)>,
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
            ready: Vec::new(),
            rows: 0,
            before,
            last: false,
        }
    }
}

/// All of the state but the rows in the buffer.
#[derive(Serialize, Deserialize)]
struct SavedState {
    position: MixturePosition,
    rule: DrawState,
    ended: bool,
    rows: usize,
}

impl LiveProducer {
    pub(in crate::activations) fn start(
        opener: SourceOpener,
        forward: Forward,
        model_name: Option<String>,
        context: RunContext,
        given_up: StopFlag,
    ) -> Result<Self> {
        let config = opener.config.clone();
        let position = MixturePosition::start(config.sources.len());
        let mixture = opener.open(&position)?;
        let longest = match config.target {
            ActivationFactoryTarget::Activations1D => config.context_size.unwrap_or(0),
            _ => 1,
        };
        let rule = DrawRule::new(&config);
        let is_text =
            |source: &ActivationFactorySource| matches!(source, ActivationFactorySource::Dataset(_));
        Ok(LiveProducer {
            all_count: config.target == ActivationFactoryTarget::Activations1D
                && forward.special.ignored.is_none()
                && config.sources.iter().all(is_text),
            buffer: RowBuffer::new(
                rule.full()
                    .saturating_add(config.model_batch_size.saturating_mul(longest)),
            ),
            rule,
            config,
            opener,
            mixture,
            forward,
            model_name,
            pending: None,
            ended: false,
            told_skipped: false,
            done: Done::default(),
            context,
            given_up,
        })
    }

    /// Fills the buffer and shuffles it, unless the data ended first. What an interrupted refill had read is kept
    /// for the next call.
    fn refill(&mut self) -> Result<()> {
        let mut refill = match self.pending.take() {
            Some(refill) => refill,
            None => Refill::at(self.mixture.position()),
        };
        let done = self.plan(&mut refill).and_then(|()| self.compute(&refill));
        if let Err(error) = done {
            self.pending = Some(refill);
            return Err(error);
        }
        self.ended = refill.last;
        if self.ended {
            self.tell_skipped()?;
        }
        let rows = self.buffer.len();
        match self.rule.permute_at(rows) {
            Some(generator) => self.buffer.permute(generator),
            None if self.ended => {
                if let Some(remark) = self.rule.never_mixed(rows) {
                    self.context.events.warn(remark)?;
                }
            }
            None => {}
        }
        Ok(())
    }

    /// Reads as much as it takes to fill the buffer.
    fn plan(&mut self, refill: &mut Refill) -> Result<()> {
        let start = Instant::now();
        while !refill.last && self.buffer.len() + refill.rows < self.rule.full() {
            self.check("reading the data")?;
            match self.mixture.next()? {
                Some(Item::Sequences { source, sequences }) => {
                    for sequence in sequences {
                        let planned = self.planned(source, sequence.ids, sequence.record, refill.rows);
                        refill.rows += self.forward.rows_of(&planned);
                        refill.sequences.push(planned);
                    }
                }
                Some(Item::Rows(batch)) => {
                    let start = refill.rows;
                    refill.rows += batch.rows();
                    refill.ready.push((start, batch));
                }
                None => refill.last = true,
            }
        }
        self.done.reading += start.elapsed();
        Ok(())
    }

    /// Says how many bad records were left out, once, when there will be no more.
    fn tell_skipped(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.told_skipped, true) {
            return Ok(());
        }
        self.mixture
            .skipped()
            .try_for_each(|(name, skipped)| skipped.tell(name, &self.context.events))
    }

    fn check(&self, doing: &str) -> Result<()> {
        check(&self.context, &self.given_up, doing)
    }

    fn planned(&self, source: usize, ids: Vec<i64>, record: u64, start: usize) -> Planned {
        let flat = self.config.target == ActivationFactoryTarget::Activations1D;
        let model_name = self.model_name.as_deref();
        Planned {
            kept: if flat {
                self.forward.special.kept(&ids)
            } else {
                Vec::new()
            },
            meta: (!flat).then(|| self.mixture.origin(source, record, model_name)),
            ids,
            start,
        }
    }

    /// Computes the planned rows and puts them into the buffer.
    fn compute(&mut self, refill: &Refill) -> Result<()> {
        let start = Instant::now();
        let slots = self.buffer.reserve(refill.rows);
        let done = self.fill(refill, &slots);
        if done.is_err() {
            self.buffer.unreserve(refill.rows);
        }
        self.done.model += start.elapsed();
        self.done.sequences += refill.sequences.len() as u64;
        self.done.tokens += refill
            .sequences
            .iter()
            .map(|sequence| sequence.ids.len() as u64)
            .sum::<u64>();
        done
    }

    fn fill(&mut self, refill: &Refill, slots: &[usize]) -> Result<()> {
        for (start, batch) in &refill.ready {
            self.buffer.write(&slots[*start..][..batch.rows()], batch, None)?;
            batch.columns().into_iter().try_for_each(|(_, x)| used_here(x))?;
        }
        let (context, given_up) = (&self.context, &self.given_up);
        let checkpoint = || check(context, given_up, "generating activations");
        self.done.padding += self
            .forward
            .run(&refill.sequences, slots, &mut self.buffer, checkpoint)?;
        Ok(())
    }
}

/// An error when somebody asked to stop, or when nobody wants what is being made any more.
fn check(context: &RunContext, given_up: &StopFlag, doing: &str) -> Result<()> {
    context.check(doing)?;
    if given_up.is_set() {
        Err(Error::interrupted(format!("{doing} was given up")))
    } else {
        Ok(())
    }
}

impl Drop for LiveProducer {
    /// Nobody wants more, which is the end too.
    fn drop(&mut self) {
        // The work is over; an observer that fails now has nothing to end.
        let _ = self.tell_skipped();
    }
}

impl Producer for LiveProducer {
    fn next(&mut self) -> Result<Option<Batch>> {
        while !self.rule.has_batch(self.buffer.len()) && !self.ended {
            self.refill()?;
        }
        if self.buffer.len() == 0 {
            return Ok(None);
        }
        let start = Instant::now();
        let mut batch = self.buffer.take(self.rule.batch_size())?;
        batch.all_count = self.all_count;
        self.done.gathering += start.elapsed();
        Ok(Some(batch))
    }

    fn save(&mut self, folder: &Path) -> Result<()> {
        let rows = self.buffer.len();
        self.buffer.save(&folder.join(ROWS_FILE))?;
        let state = SavedState {
            position: match &self.pending {
                Some(refill) => refill.before.clone(),
                None => self.mixture.position(),
            },
            rule: self.rule.state().clone(),
            ended: self.ended,
            rows,
        };
        state_file::write(folder, state_file::ENGINE, &state)
    }

    fn restore(&mut self, folder: &Path) -> Result<()> {
        let state: SavedState = state_file::read(folder, state_file::ENGINE)?;
        if !state.position.fits(self.config.sources.len()) || !self.rule.restore(state.rule) {
            return Err(state_file::foreign(folder));
        }
        self.mixture = self.opener.open(&state.position)?;
        self.ended = state.ended;
        if state.rows > 0 {
            let (path, device) = (folder.join(ROWS_FILE), self.forward.device());
            let slots = self.buffer.reserve(state.rows);
            let parts = (state.rows, RESTORED_ROWS);
            let read = saved_rows::read_parts(&path, parts, device, |start, rows| {
                self.buffer.write(&slots[start..][..rows.rows()], &rows, None)
            });
            if read.is_err() {
                self.buffer.unreserve(state.rows);
            }
            read.context("restoring the stream")?;
        }
        Ok(())
    }

    fn add_stats(&self, stats: &mut StreamStats) {
        stats.sequences = self.done.sequences;
        stats.tokens = self.done.tokens;
        stats.padding = self.done.padding;
        stats.bad_records = self.mixture.skipped().map(|(_, skipped)| skipped.count).sum();
        stats.reading = self.done.reading;
        stats.model = self.done.model;
        stats.gathering = self.done.gathering;
        stats.buffered_rows = self.buffer.len();
        stats.memory = StreamMemory {
            batches: self.buffer.bytes(),
            ..self.forward.memory
        };
        (stats.queued, stats.queue_capacity) = self.mixture.queue_fill();
    }
}
