//! The threads that write chunks in the background.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::target::Target;
use crate::activations::Batch;
use crate::activations::cache::chunk_name::ChunkName;
use crate::activations::cache::index::Entry;
use crate::activations::cache::tensor_names::{ACTIVATION, ATTENTION_MASK, MASK, TOKENS};
use crate::config::Value;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, safetensors};
use crate::{atomic, checksums, policy};

struct Job {
    name: ChunkName,
    chunk: Batch,
    /// Tokens up to and with this chunk.
    tokens: u64,
    reply: Sender<Result<Vec<Entry>>>,
}

/// A chunk that is being written.
pub(super) struct Writing(Receiver<Result<Vec<Entry>>>);

/// Threads and what they write into.
pub(super) struct WritingThreads {
    jobs: Sender<Job>,
    workers: usize,
    target: Target,
}

impl WritingThreads {
    pub(super) fn start(target: Target, workers: usize) -> Result<Self> {
        let (jobs, queue) = bounded::<Job>(workers);
        for _ in 0..workers {
            let queue = queue.clone();
            let folders = target.folders().to_vec();
            thread::Builder::new()
                .name("saescript-writer".into())
                .spawn(policy::carried(move || {
                    for job in queue {
                        // Nobody listens any more when the generation failed elsewhere.
                        let _ = job.reply.send(write(&folders, job.name, &job.chunk, job.tokens));
                    }
                }))
                .map_err(|error| Error::run(format!("cannot start a thread that writes: {error}")))?;
        }
        Ok(WritingThreads {
            jobs,
            workers,
            target,
        })
    }

    /// Chunks that may be under way at once.
    pub(super) fn capacity(&self) -> usize {
        2 * self.workers
    }

    /// Begins to write a chunk, which must be on the CPU. Waits while all threads are busy.
    pub(super) fn write(&self, name: ChunkName, chunk: Batch, tokens: u64) -> Result<Writing> {
        let (reply, result) = bounded(1);
        let job = Job {
            name,
            chunk,
            tokens,
            reply,
        };
        self.jobs
            .send(job)
            .map_err(|_| Error::run("the threads that write have ended"))?;
        Ok(Writing(result))
    }

    /// Waits for a chunk and enters it into the indices. Call it in the order of the chunks.
    pub(super) fn finish(&mut self, writing: Writing) -> Result<()> {
        let entries = writing
            .0
            .recv()
            .map_err(|_| Error::run("a thread that writes ended unexpectedly"))?;
        self.target.enter(entries?)
    }

    /// Marks the generation as complete.
    pub(super) fn complete(&mut self, chunks: u64) -> Result<()> {
        self.target.complete(chunks)
    }
}

fn write(folders: &[(String, PathBuf)], name: ChunkName, chunk: &Batch, tokens: u64) -> Result<Vec<Entry>> {
    let entries = folders
        .iter()
        .map(|(hook_point, folder)| write_one(folder, hook_point, name, chunk, tokens));
    entries.collect()
}

fn write_one(folder: &Path, hook_point: &str, name: ChunkName, chunk: &Batch, tokens: u64) -> Result<Entry> {
    let mut tensors: Vec<(&str, &Tensor)> = vec![(ACTIVATION, chunk.at(hook_point)?)];
    let integers = [
        (TOKENS, &chunk.tokens),
        (MASK, &chunk.mask),
        (ATTENTION_MASK, &chunk.attention_mask),
    ];
    tensors.extend(
        integers
            .into_iter()
            .filter_map(|(name, x)| Some((name, x.as_ref()?))),
    );
    let mut meta_xxh3 = None;
    if let Some(meta) = &chunk.meta {
        let text = Value::from(meta.clone()).to_string();
        meta_xxh3 = Some(checksums::of_bytes(text.as_bytes()));
        atomic::write(name.meta(folder), text)?;
    }
    let path = name.tensors(folder);
    safetensors::write(&path, &tensors, &BTreeMap::new())?;
    let bytes = std::fs::metadata(&path)
        .map_err(|error| Error::io("read", &path, error))?
        .len();
    Ok(Entry {
        name: name.to_string(),
        rows: chunk.rows() as u64,
        tokens,
        bytes,
        xxh3: checksums::of_file(&path)?,
        meta_xxh3,
    })
}
