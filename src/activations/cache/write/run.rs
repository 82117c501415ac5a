//! One generation as it is written: chunk by chunk, with the state to go on from.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::chunker::Chunker;
use super::resume::{Reached, ResumePoint};
use super::threads::{Writing, WritingThreads};
use crate::activations::cache::chunk_name::ChunkName;
use crate::activations::cache::space;
use crate::activations::{Batch, BatchStream};
use crate::error::{Error, Fault, Result, byte_size};
use crate::event::{Control, Event, RunContext};
use crate::tensor::{Device, Kind, Tensor};

/// What a generation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Chunks of each hook point.
    pub chunks: u64,
    /// Tokens in them, padding not counted.
    pub tokens: u64,
    /// Bytes written by this call.
    pub bytes: u64,
    /// Chunks that an interrupted generation had written before, and which were kept.
    pub kept: u64,
}

/// One call of `process`.
pub(super) struct Run {
    pub folder: PathBuf,
    pub shard: Option<u32>,
    pub hook_points: Vec<String>,
    pub total: Option<u64>,
    pub kept: u64,
    pub threads: WritingThreads,
    pub chunker: Chunker,
    pub pending: VecDeque<Writing>,
    pub progress: Reached,
    pub bytes: u64,
    /// Was the disk found large enough?
    pub forecast: bool,
    pub resume: ResumePoint,
    pub saved: Instant,
    pub save_every: Duration,
    pub context: RunContext,
}

impl Run {
    /// Writes `stream` to its end.
    pub(super) fn all(mut self, stream: &mut dyn BatchStream) -> Result<Written> {
        self.context.events.emit(Event::TaskStarted {
            title: "generating activations".into(),
            unit: "tokens",
            total: self.total,
        })?;
        let written = self.write(stream);
        let flushed = self.flush();
        self.context.events.emit(Event::TaskFinished)?;
        if let Err(error) = written.and(flushed) {
            if error.fault() == Fault::Interrupted {
                self.save(stream)?;
                return Err(error.hint("run the same generation again to go on from here"));
            }
            return Err(error);
        }
        self.threads.complete(self.progress.chunks)?;
        self.resume.remove()?;
        self.context.events.emit(Event::Saved {
            what: "activations",
            path: self.folder.clone(),
        })?;
        Ok(Written {
            chunks: self.progress.chunks,
            tokens: self.progress.tokens,
            bytes: self.bytes,
            kept: self.kept,
        })
    }

    fn write(&mut self, stream: &mut dyn BatchStream) -> Result<()> {
        while !self.has_enough() {
            self.context.check("generating activations")?;
            let Some(batch) = stream.next_batch()? else {
                if let Some(rest) = self.chunker.rest()? {
                    self.chunk(rest)?;
                }
                return Ok(());
            };
            self.chunker.push(batch);
            while let Some(chunk) = self.chunker.full()? {
                self.chunk(chunk)?;
                if self.has_enough() {
                    return Ok(());
                }
            }
            if self.saved.elapsed() >= self.save_every {
                self.save(stream)?;
            }
        }
        Ok(())
    }

    fn has_enough(&self) -> bool {
        self.total.is_some_and(|total| self.progress.tokens >= total)
    }

    /// Hands a chunk to the writing threads, unless it is on disk already.
    fn chunk(&mut self, chunk: Batch) -> Result<()> {
        self.progress.tokens += tokens_in(&chunk)?;
        let number = self.progress.chunks;
        self.progress.chunks += 1;
        if number >= self.kept {
            let chunk = self.selected(chunk)?;
            let size = bytes_in(&chunk, self.hook_points.len());
            self.check_space(size)?;
            self.bytes += size;
            let name = ChunkName {
                shard: self.shard,
                number: u32::try_from(number).map_err(|_| Error::run("too many chunks for one cache"))?,
            };
            let writing = self.threads.write(name, chunk, self.progress.tokens)?;
            self.pending.push_back(writing);
            while self.pending.len() > self.threads.capacity() {
                self.finish_one()?;
            }
        }
        let done = Event::TaskAdvanced {
            done: self.progress.tokens,
            shown: Vec::new(),
        };
        match self.context.events.emit(done)? {
            Control::Continue => Ok(()),
            Control::Stop => Err(Error::interrupted("generating activations was interrupted")),
        }
    }

    /// The wanted hook points alone, on the CPU.
    fn selected(&self, chunk: Batch) -> Result<Batch> {
        let mut selected = chunk.share();
        selected.activations.clear();
        for name in &self.hook_points {
            selected
                .activations
                .insert(name.clone(), chunk.at(name)?.shallow_clone());
        }
        selected.to_device(Device::Cpu)
    }

    /// Before the first chunk: is there room for all of them? Later: for this one?
    fn check_space(&mut self, size: u64) -> Result<()> {
        let waiting = size * (self.pending.len() as u64 + 1);
        let needed = match self.total {
            Some(total) if !self.forecast => {
                let tokens = self.progress.tokens / self.progress.chunks.max(1);
                let left = total.saturating_sub(self.progress.tokens).div_ceil(tokens.max(1)) + 1;
                let needed = left * size;
                self.context.events.note(format!(
                    "the activations will take {} in `{}`",
                    byte_size(needed),
                    self.folder.display()
                ))?;
                needed
            }
            _ => waiting,
        };
        self.forecast = true;
        space::require(&self.folder, needed)
    }

    /// Waits for the oldest chunk and enters it into the indices.
    fn finish_one(&mut self) -> Result<()> {
        match self.pending.pop_front() {
            Some(writing) => self.threads.finish(writing),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<()> {
        while !self.pending.is_empty() {
            self.finish_one()?;
        }
        Ok(())
    }

    /// Saves where the stream is, once everything before is on disk.
    fn save(&mut self, stream: &mut dyn BatchStream) -> Result<()> {
        self.flush()?;
        self.saved = Instant::now();
        let waiting = self.chunker.waiting()?;
        self.progress.waiting = waiting.as_ref().map_or(0, Batch::rows);
        self.resume.save(self.progress, waiting.as_ref(), stream)
    }
}

/// Tokens that count: those of the mask, or all.
fn tokens_in(chunk: &Batch) -> Result<u64> {
    match &chunk.mask {
        Some(mask) => Ok(mask.f_sum(Kind::Int64)?.f_int64_value(&[])? as u64),
        None => {
            let activations = chunk.activations.values().next();
            let size = activations.map(|x| x.size()).unwrap_or_default();
            Ok(size[..size.len().saturating_sub(1)].iter().product::<i64>() as u64)
        }
    }
}

/// Bytes of a chunk's tensors in the files of all hook points.
fn bytes_in(chunk: &Batch, hook_points: usize) -> u64 {
    let size = |x: &Tensor| (x.numel() * x.kind().elt_size_in_bytes()) as u64;
    let integers = [&chunk.tokens, &chunk.mask, &chunk.attention_mask];
    let integers: u64 = integers.into_iter().flatten().map(size).sum();
    chunk.activations.values().map(size).sum::<u64>() + integers * hook_points as u64
}
