//! Chunks of a cache that lies elsewhere, on their way: threads fetch some ahead while earlier ones are used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};

use super::chunk::Chunk;
use super::chunk_list::ChunkList;
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::policy;
use crate::transfer::Progress;

/// How often an interruption is looked for while a chunk is waited for.
const TICK: Duration = Duration::from_millis(50);

type Fetched = Result<Arc<Chunk>>;

/// Threads that fetch chunks, by their numbers in the sequence.
pub(super) struct Fetching {
    /// `None` once it is being dropped.
    jobs: Option<Sender<(usize, Sender<Fetched>)>>,
    threads: Vec<JoinHandle<()>>,
    progress: Arc<Progress>,
    coming: Mutex<HashMap<usize, Coming>>,
    context: RunContext,
}

/// A chunk that was ordered.
enum Coming {
    Ordered(Receiver<Fetched>),
    Arrived(Fetched),
}

impl Fetching {
    pub(super) fn start(list: &Arc<ChunkList>, workers: usize, context: RunContext) -> Result<Self> {
        let (jobs, queue) = unbounded::<(usize, Sender<Fetched>)>();
        let mut fetching = Fetching {
            jobs: Some(jobs),
            threads: Vec::new(),
            progress: Arc::default(),
            coming: Mutex::default(),
            context,
        };
        for _ in 0..workers {
            let (queue, list) = (queue.clone(), list.clone());
            let progress = fetching.progress.clone();
            let thread = thread::Builder::new()
                .name("saescript-fetch".into())
                .spawn(policy::carried(move || {
                    for (number, reply) in queue {
                        // Checked here as well, so that whoever waits for it has nothing left to do.
                        let chunk = list
                            .open(number, &progress)
                            .and_then(|chunk| chunk.check().map(|()| Arc::new(chunk)));
                        // Nobody listens any more when the stream is gone.
                        let _ = reply.send(chunk);
                    }
                }))
                .map_err(|error| Error::run(format!("cannot start a thread that fetches chunks: {error}")))?;
            fetching.threads.push(thread);
        }
        Ok(fetching)
    }

    /// Has chunk `number` fetched, unless it is on its way.
    pub(super) fn order(&self, number: usize) {
        let mut coming = self.coming();
        if coming.contains_key(&number) {
            return;
        }
        let (reply, receiver) = bounded(1);
        if let Some(jobs) = &self.jobs {
            // The threads end only when `jobs` is gone.
            let _ = jobs.send((number, reply));
        }
        coming.insert(number, Coming::Ordered(receiver));
    }

    /// Chunks that were ordered and not taken.
    pub(super) fn under_way(&self) -> usize {
        self.coming().len()
    }

    /// Waits for chunk `number`.
    ///
    /// # Errors
    /// What its file or the way to it has; an interruption.
    pub(super) fn take(&self, number: usize) -> Fetched {
        self.order(number);
        let receiver = match self.coming().remove(&number) {
            Some(Coming::Arrived(chunk)) => return chunk,
            Some(Coming::Ordered(receiver)) => receiver,
            None => return Err(ended()),
        };
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(chunk) => return chunk,
                Err(RecvTimeoutError::Timeout) => self.report()?,
                Err(RecvTimeoutError::Disconnected) => return Err(ended()),
            }
        }
    }

    /// Rows of a chunk that has arrived; 0 for one that could not be fetched. `None` if it is not here yet.
    pub(super) fn arrived_rows(&self, number: usize) -> Option<usize> {
        let mut coming = self.coming();
        let entry = coming.get_mut(&number)?;
        if let Coming::Ordered(receiver) = entry {
            *entry = Coming::Arrived(receiver.try_recv().ok()?);
        }
        match entry {
            Coming::Arrived(chunk) => Some(chunk.as_ref().map_or(0, |chunk| chunk.rows())),
            Coming::Ordered(_) => None,
        }
    }

    fn report(&self) -> Result<()> {
        for remark in self.progress.take_remarks() {
            self.context.events.note(remark)?;
        }
        self.context.check("reading the cache")
    }

    fn coming(&self) -> MutexGuard<'_, HashMap<usize, Coming>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ended() -> Error {
    Error::run("a thread that fetches chunks ended unexpectedly")
}

impl Drop for Fetching {
    /// Waits for the threads; what they are at is given up.
    fn drop(&mut self) {
        self.progress.cancel();
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has told so through the chunk that it did not send.
            let _ = thread.join();
        }
    }
}
