//! Runs a producer on a thread of its own, some batches ahead of whoever takes them, so that making batches and using
//! them overlap.
//!
//! The two sides speak in orders and answers, both in sequence. After the first batch there are always `ahead` more on
//! order: that holds the producer back when its batches are not taken, and it makes what is saved depend on how many
//! were taken, never on how fast the thread was.
//!
//! On a GPU the thread has a stream of its own, so that its work need not be in turn with that of whoever takes the batches.
//! Each batch comes with the point in that stream at which it is there.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use serde::{Deserialize, Serialize};

use crate::activations::producer::Producer;
use crate::activations::stats::StreamStats;
use crate::activations::stream::Batch;
use crate::activations::{saved_rows, state_file};
use crate::error::{Context, Error, Fault, Result};
use crate::event::StopFlag;
use crate::policy;
use crate::tensor::{Device, Mark, finish, no_grad, own_stream, used_here};

/// Name of the file in a checkpoint folder with the rows of the batches that were ready.
const ROWS_FILE: &str = "activation_stream_ahead.safetensors";
/// Name of the file beside it with the number of rows of each batch.
const STATE_FILE: &str = "activation_stream_ahead.json";

/// A producer on another thread.
pub(in crate::activations) struct AheadProducer {
    /// `None` once it is being dropped.
    orders: Option<Sender<Order>>,
    answers: Receiver<Answer>,
    thread: Option<JoinHandle<()>>,
    /// Tells the producer that nobody wants the batch it is at.
    given_up: StopFlag,
    /// Batches that are ordered when the next one is taken.
    ahead: usize,
    /// Orders for batches that are not answered yet.
    ordered: usize,
    /// What was answered and not taken.
    ready: VecDeque<Result<Batch>>,
    ended: bool,
    /// Of the largest batch so far.
    batch_bytes: u64,
    stats: Arc<Mutex<StreamStats>>,
    device: Device,
}

enum Order {
    Next,
    Save(PathBuf),
    Restore(PathBuf),
}

enum Answer {
    Batch(Result<Option<Made>>),
    Done(Result<()>),
}

/// A batch, which is there from a point in the producer's work on.
struct Made {
    batch: Batch,
    there: Mark,
}

impl Made {
    /// The producer's next batch.
    fn next(producer: &mut dyn Producer, device: Device) -> Result<Option<Self>> {
        let Some(batch) = no_grad(|| producer.next())? else {
            return Ok(None);
        };
        let there = Mark::here(device)?;
        Ok(Some(Made { batch, there }))
    }

    /// The batch, for this thread to use.
    fn taken_over(self) -> Result<Batch> {
        self.there.wait()?;
        self.batch
            .columns()
            .into_iter()
            .try_for_each(|(_, x)| used_here(x))?;
        Ok(self.batch)
    }
}

/// The batches that were ready when a stream was saved.
#[derive(Serialize, Deserialize)]
struct SavedState {
    rows: Vec<usize>,
}

impl AheadProducer {
    /// Moves `producer`, which watches `given_up` and gives batches on `device`, to a thread of its own.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(in crate::activations) fn start(
        producer: Box<dyn Producer + Send>,
        ahead: usize,
        given_up: StopFlag,
        device: Device,
    ) -> Result<Self> {
        let (orders, queue) = unbounded();
        let (reply, answers) = bounded(ahead + 1);
        let stats = Arc::default();
        let told = Arc::clone(&stats);
        // What the model is made of was made by this thread.
        let begin = Begin {
            device,
            there: Mark::here(device)?,
        };
        let thread = thread::Builder::new()
            .name("saescript-activations".into())
            .spawn(policy::carried(move || {
                work(producer, begin, &queue, &reply, &told)
            }))
            .map_err(|error| Error::run(format!("cannot start a thread that makes activations: {error}")))?;
        Ok(AheadProducer {
            orders: Some(orders),
            answers,
            thread: Some(thread),
            given_up,
            ahead,
            ordered: 0,
            ready: VecDeque::new(),
            ended: false,
            batch_bytes: 0,
            stats,
            device,
        })
    }

    fn send(&self, order: Order) -> Result<()> {
        let sent = self.orders.as_ref().map(|orders| orders.send(order));
        sent.and_then(|sent| sent.ok()).ok_or_else(lost)
    }

    /// Orders as many batches as may be under way when one is taken.
    fn order_ahead(&mut self) -> Result<()> {
        while !self.ended && self.ready.len() + self.ordered <= self.ahead {
            self.send(Order::Next)?;
            self.ordered += 1;
        }
        Ok(())
    }

    /// Waits for the answer to the oldest order.
    fn receive(&mut self) -> Result<()> {
        let Ok(Answer::Batch(answer)) = self.answers.recv() else {
            return Err(lost());
        };
        self.ordered -= 1;
        match answer {
            Ok(Some(made)) => self.ready.push_back(made.taken_over()),
            Ok(None) => self.ended = true,
            Err(error) => {
                // A producer that fails once fails at the following orders for the same reason.
                let told = self.ready.back().is_some_and(Result::is_err);
                if !told {
                    self.ready.push_back(Err(error));
                }
            }
        }
        Ok(())
    }

    /// Waits until nothing is on order any more.
    fn receive_all(&mut self) -> Result<()> {
        while self.ordered > 0 {
            self.receive()?;
        }
        Ok(())
    }

    /// Has the producer do something that gives no batch.
    fn command(&mut self, order: Order) -> Result<()> {
        self.receive_all()?;
        self.send(order)?;
        match self.answers.recv() {
            Ok(Answer::Done(done)) => done,
            _ => Err(lost()),
        }
    }

    /// Forgets interruptions: the batch they stand for can be ordered again, and the other orders came to nothing.
    fn forget_interruptions(&mut self) {
        self.ready
            .retain(|answer| !matches!(answer, Err(error) if error.fault() == Fault::Interrupted));
    }
}

impl Producer for AheadProducer {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.order_ahead()?;
        while self.ready.is_empty() && self.ordered > 0 {
            self.receive()?;
        }
        match self.ready.pop_front() {
            None => Ok(None),
            Some(Ok(batch)) => {
                self.batch_bytes = self.batch_bytes.max(batch.bytes());
                Ok(Some(batch))
            }
            Some(Err(error)) => {
                self.receive_all()?;
                self.forget_interruptions();
                Err(error)
            }
        }
    }

    fn save(&mut self, folder: &Path) -> Result<()> {
        self.command(Order::Save(folder.to_path_buf()))?;
        self.forget_interruptions();
        let ready: Vec<Batch> = self.ready.iter().flatten().map(Batch::share).collect();
        write_ready(folder, &ready)
    }

    fn restore(&mut self, folder: &Path) -> Result<()> {
        self.command(Order::Restore(folder.to_path_buf()))?;
        self.ready
            .extend(read_ready(folder, self.device)?.into_iter().map(Ok));
        Ok(())
    }

    fn add_stats(&self, stats: &mut StreamStats) {
        let told = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        told.add_engine_to(stats);
        stats.batches_ready = self.ready.len() + self.answers.len();
        stats.batches_ahead = self.ahead;
        stats.memory.batches = stats
            .memory
            .batches
            .saturating_add((self.ahead as u64).saturating_mul(self.batch_bytes));
    }
}

impl Drop for AheadProducer {
    /// Waits for the thread, so that no file is open any more when the stream is gone.
    fn drop(&mut self) {
        self.given_up.set();
        self.orders = None;
        while self.answers.recv().is_ok() {}
        if let Some(thread) = self.thread.take() {
            // A panic has been told through the answer that did not come.
            let _ = thread.join();
        }
    }
}

/// A producer without a thread. It goes on from what a stream saved that had batches ready, which come first.
pub(in crate::activations) struct DirectProducer {
    producer: Box<dyn Producer>,
    ready: VecDeque<Batch>,
    device: Device,
}

impl DirectProducer {
    /// `producer`, which gives batches on `device`.
    pub(in crate::activations) fn new(producer: Box<dyn Producer>, device: Device) -> Self {
        DirectProducer {
            producer,
            ready: VecDeque::new(),
            device,
        }
    }
}

impl Producer for DirectProducer {
    fn next(&mut self) -> Result<Option<Batch>> {
        match self.ready.pop_front() {
            Some(batch) => Ok(Some(batch)),
            None => self.producer.next(),
        }
    }

    fn save(&mut self, folder: &Path) -> Result<()> {
        self.producer.save(folder)?;
        let ready: Vec<Batch> = self.ready.iter().map(Batch::share).collect();
        if ready.is_empty() {
            Ok(())
        } else {
            write_ready(folder, &ready)
        }
    }

    fn restore(&mut self, folder: &Path) -> Result<()> {
        self.producer.restore(folder)?;
        self.ready = read_ready(folder, self.device)?.into();
        Ok(())
    }

    fn add_stats(&self, stats: &mut StreamStats) {
        self.producer.add_stats(stats);
        stats.batches_ready = self.ready.len();
    }
}

/// Saves batches that were made and not handed out.
fn write_ready(folder: &Path, ready: &[Batch]) -> Result<()> {
    let state = SavedState {
        rows: ready.iter().map(Batch::rows).collect(),
    };
    state_file::write(folder, STATE_FILE, &state)?;
    if ready.is_empty() {
        Ok(())
    } else {
        saved_rows::write(&folder.join(ROWS_FILE), &Batch::concatenated(ready)?, None)
    }
}

/// The batches that [`write_ready`] saved; none where the stream made none ahead.
fn read_ready(folder: &Path, device: Device) -> Result<Vec<Batch>> {
    if !folder.join(STATE_FILE).is_file() {
        return Ok(Vec::new());
    }
    let state: SavedState = state_file::read(folder, STATE_FILE)?;
    if state.rows.is_empty() {
        return Ok(Vec::new());
    }
    let total = state.rows.iter().sum();
    let rows = saved_rows::read(&folder.join(ROWS_FILE), total, device)
        .context("restoring the batches that were ready")?;
    let mut start = 0;
    let one = |count: usize| {
        let batch = rows.narrow(start, count)?;
        start += count;
        Ok(batch)
    };
    state.rows.into_iter().map(one).collect()
}

/// What a thread begins with: its work on `device` comes after a point in that of the thread that started it.
struct Begin {
    device: Device,
    there: Mark,
}

impl Begin {
    fn begin(self) -> Result<()> {
        own_stream(self.device)?;
        self.there.wait()
    }
}

/// Waits at the end until a device has done what this thread told it: only then may the model's memory be freed.
struct Finished(Device);

impl Drop for Finished {
    fn drop(&mut self) {
        // A GPU that fails does nothing any more.
        let _ = finish(self.0);
    }
}

/// Fills orders until there are no more.
fn work(
    mut producer: Box<dyn Producer + Send>,
    begin: Begin,
    orders: &Receiver<Order>,
    answers: &Sender<Answer>,
    stats: &Mutex<StreamStats>,
) {
    let device = begin.device;
    let _finished = Finished(device);
    let mut begin = Some(begin);
    for order in orders {
        let begun = begin.take().map_or(Ok(()), Begin::begin);
        let answer = match order {
            Order::Next => Answer::Batch(begun.and_then(|()| Made::next(&mut *producer, device))),
            Order::Save(folder) => Answer::Done(begun.and_then(|()| producer.save(&folder))),
            Order::Restore(folder) => Answer::Done(begun.and_then(|()| producer.restore(&folder))),
        };
        let mut fresh = StreamStats::default();
        producer.add_stats(&mut fresh);
        *stats.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        if answers.send(answer).is_err() {
            return;
        }
    }
}

fn lost() -> Error {
    Error::run("the thread that makes activations ended unexpectedly")
}
