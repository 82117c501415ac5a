//! Reads batches from caches on threads of their own, some batches ahead.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use serde::{Deserialize, Serialize};

use super::chunk::Chunk;
use super::gather::{Handing, Picked, gather, room_for};
use super::open_chunks::RowRef;
use super::planner::{PlanState, Planner};
use crate::activations::Batch;
use crate::activations::columns::Column;
use crate::activations::producer::Producer;
use crate::activations::state_file;
use crate::activations::stats::StreamStats;
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::policy;
use crate::tensor::Tensor;

/// Work for a reading thread.
enum Job {
    /// Compare a chunk with the index, which also brings it into memory.
    Check(Arc<Chunk>),
    /// Put a batch together.
    Gather {
        picked: Picked,
        room: Vec<(Column, Tensor)>,
        reply: Sender<Result<Batch>>,
    },
}

/// A batch that is on its way.
struct Coming {
    plan: Vec<RowRef>,
    batch: Receiver<Result<Batch>>,
}

/// How far and how fast to read.
pub(in crate::activations) struct Reading {
    pub workers: usize,
    /// Batches under way at most.
    pub ahead: usize,
    pub handing: Handing,
}

/// The producer of a stream from caches alone.
pub(in crate::activations) struct CachedProducer {
    planner: Planner,
    /// `None` once the producer is being dropped.
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
    given_up: Arc<AtomicBool>,
    coming: VecDeque<Result<Coming>>,
    reading: Reading,
    planned_all: bool,
    waiting: Duration,
    /// Of the largest batch so far.
    batch_bytes: u64,
    context: RunContext,
}

#[derive(Serialize, Deserialize)]
struct SavedState {
    plan: PlanState,
    /// Batches that were planned and not handed out.
    coming: Vec<Vec<RowRef>>,
}

impl CachedProducer {
    pub(super) fn start(planner: Planner, reading: Reading, context: RunContext) -> Result<Self> {
        let (jobs, queue) = unbounded::<Job>();
        let mut producer = CachedProducer {
            planner,
            jobs: Some(jobs),
            threads: Vec::new(),
            given_up: Arc::default(),
            coming: VecDeque::new(),
            reading,
            planned_all: false,
            waiting: Duration::ZERO,
            batch_bytes: 0,
            context,
        };
        for _ in 0..producer.reading.workers {
            let queue = queue.clone();
            let handing = producer.reading.handing.clone();
            let given_up = producer.given_up.clone();
            let thread = thread::Builder::new()
                .name("saescript-cache".into())
                .spawn(policy::carried(move || work(&queue, &handing, &given_up)))
                .map_err(|error| {
                    Error::run(format!("cannot start a thread that reads the cache: {error}"))
                })?;
            producer.threads.push(thread);
        }
        Ok(producer)
    }

    /// Plans batches until as many are under way as may be.
    fn plan_ahead(&mut self) {
        while self.coming.len() < self.reading.ahead
            && !self.planned_all
            // Batches that are under way need not wait for a chunk that later ones are made of.
            && (self.coming.is_empty() || self.planner.is_ready())
        {
            match self.planner.next() {
                Ok(Some(plan)) => {
                    let coming = self.order(plan);
                    self.planned_all = coming.is_err();
                    self.coming.push_back(coming);
                }
                Ok(None) => self.planned_all = true,
                Err(error) => {
                    self.planned_all = true;
                    self.coming.push_back(Err(error));
                }
            }
        }
    }

    /// Gives a plan to the threads.
    fn order(&mut self, plan: Vec<RowRef>) -> Result<Coming> {
        let picked = self.planner.resolve(&plan)?;
        for chunk in self.planner.opened() {
            self.send(Job::Check(chunk))?;
        }
        let (reply, batch) = bounded(1);
        let room = room_for(&picked, &self.reading.handing)?;
        self.send(Job::Gather { picked, room, reply })?;
        Ok(Coming { plan, batch })
    }

    fn send(&self, job: Job) -> Result<()> {
        match self.jobs.as_ref().map(|jobs| jobs.send(job)) {
            Some(Ok(())) => Ok(()),
            _ => Err(Error::run("the threads that read the cache have ended")),
        }
    }
}

impl Drop for CachedProducer {
    /// Waits for the threads, so that no file is mapped any more when the stream is gone.
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has told so through the batch that it did not send.
            let _ = thread.join();
        }
    }
}

/// Does jobs until the producer is gone.
fn work(queue: &Receiver<Job>, handing: &Handing, given_up: &AtomicBool) {
    for job in queue {
        if given_up.load(Ordering::Relaxed) {
            return;
        }
        match job {
            // The result is kept with the chunk and told to whoever needs a row of it.
            Job::Check(chunk) => {
                chunk.bring_in();
                drop(chunk.check());
            }
            Job::Gather { picked, room, reply } => drop(reply.send(gather(&picked, room, handing))),
        }
    }
}

impl Producer for CachedProducer {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.context.check("reading the cache")?;
        self.plan_ahead();
        if let Some(remark) = self.planner.remark() {
            self.context.events.warn(remark)?;
        }
        let Some(coming) = self.coming.pop_front() else {
            return Ok(None);
        };
        let start = Instant::now();
        let batch = coming?
            .batch
            .recv()
            .map_err(|_| Error::run("a thread that reads the cache ended unexpectedly"))?;
        self.waiting += start.elapsed();
        let batch = batch?.to_device(self.reading.handing.device)?;
        self.batch_bytes = self.batch_bytes.max(batch.bytes());
        self.plan_ahead();
        Ok(Some(batch))
    }

    fn save(&mut self, folder: &Path) -> Result<()> {
        let coming = self.coming.iter();
        let coming = coming.map(|coming| {
            coming
                .as_ref()
                .map(|coming| coming.plan.clone())
                .map_err(Error::clone)
        });
        let state = SavedState {
            plan: self.planner.state(),
            coming: coming.collect::<Result<_>>()?,
        };
        state_file::write(folder, state_file::ENGINE, &state)
    }

    fn restore(&mut self, folder: &Path) -> Result<()> {
        let state: SavedState = state_file::read(folder, state_file::ENGINE)?;
        if !self.planner.restore(state.plan, &state.coming) {
            return Err(state_file::foreign(folder));
        }
        self.coming.clear();
        for plan in state.coming {
            let coming = self.order(plan)?;
            self.coming.push_back(Ok(coming));
        }
        Ok(())
    }

    fn add_stats(&self, stats: &mut StreamStats) {
        stats.reading = self.waiting;
        stats.buffered_rows = self.planner.buffered();
        stats.queued = self
            .coming
            .iter()
            .flatten()
            .filter(|coming| !coming.batch.is_empty())
            .count();
        stats.queue_capacity = self.reading.ahead;
        stats.memory.batches = (self.reading.ahead as u64).saturating_mul(self.batch_bytes);
    }
}
