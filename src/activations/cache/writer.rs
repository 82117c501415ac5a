//! Writes an activation stream to disk, in the background, so that it can be taken up again after a crash.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::chunk_name::ChunkName;
use super::chunker::Chunker;
use super::comparing;
use super::config::ActivationWriterConfig;
use super::resume::{Progress, ResumePoint};
use super::space;
use super::target::{Plan, Target};
use super::threads::{Writing, WritingThreads};
use crate::activations::{Batch, BatchStream};
use crate::config::Config;
use crate::error::{Error, Fault, Result, counted};
use crate::event::{Control, Event, RunContext};
use crate::fingerprint::{Allowances, Comparison, Fingerprint, Names};
use crate::lock::FolderLock;
use crate::tensor::{Device, Kind};

/// Writes activation streams by one configuration.
#[derive(Clone, Debug)]
pub struct ActivationWriter {
    config: ActivationWriterConfig,
    /// Which part of the generation this is, of how many.
    shard: Option<(u32, u32)>,
    save_every: Duration,
    /// What decides the batches, where that is known before the stream.
    made_from: Option<Fingerprint>,
    allowed: Allowances,
    names: Names,
    lock: Option<FolderLock>,
}

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

impl ActivationWriter {
    /// Checks the configuration.
    pub fn new(config: ActivationWriterConfig) -> Result<Self> {
        config.validate()?;
        Ok(ActivationWriter {
            config,
            shard: None,
            save_every: Duration::from_secs(30),
            made_from: None,
            allowed: Allowances::default(),
            names: Names::default(),
            lock: None,
        })
    }

    /// Marks what is written as one part of a generation in several: part `shard` of `n_shards`.
    pub fn in_shards(mut self, shard: u32, n_shards: u32) -> Self {
        self.shard = Some((shard, n_shards));
        self
    }

    /// How often the stream's state is saved, from which an interrupted generation goes on; 30 s if not said.
    pub fn saving_every(mut self, interval: Duration) -> Self {
        self.save_every = interval;
        self
    }

    /// What decides the batches, known before the stream is opened, and what people call it.
    pub fn made_from(mut self, fingerprint: Fingerprint, names: Names) -> Self {
        self.made_from = Some(fingerprint);
        self.names = names;
        self
    }

    /// Allows changes where the folder was begun with something else.
    pub fn allowing(mut self, allowed: Allowances) -> Self {
        self.allowed = allowed;
        self
    }

    /// The configuration.
    pub fn config(&self) -> &ActivationWriterConfig {
        &self.config
    }

    /// Locks the folder for this writer and compares it with what the writer is [made from](Self::made_from), before a
    /// stream is opened: what there is, if it is complete.
    ///
    /// # Errors
    /// A folder that another process writes to, or that was begun with something else.
    pub fn look(&mut self, context: &RunContext) -> Result<Option<Written>> {
        self.lock = Some(self.locked(context)?);
        self.complete(context)
    }

    /// As [`look`](Self::look), but does not hold the folder and changes nothing.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub fn peek(&self, context: &RunContext) -> Result<Option<Written>> {
        let folder = Path::new(&self.config.cache_dir);
        FolderLock::look_at_part(folder, &self.lock_name())?;
        self.complete(context)
    }

    fn complete(&self, context: &RunContext) -> Result<Option<Written>> {
        let fingerprint = self.fingerprint(self.made_from.clone().unwrap_or_default())?;
        let comparison = self.compare(&fingerprint)?;
        match Target::complete_in(&self.plan(&fingerprint, &comparison))? {
            Some((chunks, tokens)) => self.nothing_to_do(chunks, tokens, &comparison, context).map(Some),
            None => Ok(None),
        }
    }

    fn locked(&self, context: &RunContext) -> Result<FolderLock> {
        if let Some(lock) = &self.lock {
            return Ok(lock.clone());
        }
        let folder = Path::new(&self.config.cache_dir);
        FolderLock::take_part(folder, &self.lock_name(), "generating activations", context)
    }

    fn lock_name(&self) -> String {
        match self.shard {
            Some((shard, _)) => format!(".lock-shard-{shard}"),
            None => ".lock".into(),
        }
    }

    /// What decides the chunks.
    fn fingerprint(&self, mut batches: Fingerprint) -> Result<Fingerprint> {
        batches.add("writer", &self.config)?;
        batches.set("n_shards", self.shard.map_or(1, |(_, n_shards)| n_shards).into());
        Ok(batches)
    }

    fn compare(&self, fingerprint: &Fingerprint) -> Result<Comparison> {
        comparing::compare(
            Path::new(&self.config.cache_dir),
            fingerprint,
            &self.allowed,
            &self.names,
        )
    }

    fn plan<'a>(&'a self, fingerprint: &'a Fingerprint, comparison: &'a Comparison) -> Plan<'a> {
        Plan {
            root: Path::new(&self.config.cache_dir),
            hook_points: &self.config.hook_points,
            shard: self.shard,
            tokens: self.config.total_generating_tokens,
            fingerprint,
            changes: &comparison.allowed,
        }
    }

    fn nothing_to_do(
        &self,
        chunks: u64,
        tokens: u64,
        comparison: &Comparison,
        context: &RunContext,
    ) -> Result<Written> {
        comparison.tell(&context.events)?;
        context.events.note(format!(
            "the activations in `{}` are complete; nothing is left to do",
            self.config.cache_dir
        ))?;
        Ok(Written {
            chunks,
            tokens,
            bytes: 0,
            kept: chunks,
        })
    }

    /// Writes `stream` until it ends or there are enough tokens. A folder in which the same generation was
    /// interrupted is completed: its whole chunks stay as they are.
    ///
    /// # Errors
    /// A folder that another process writes to, or that was begun with something else; too little disk space, what the
    /// stream itself refuses. After an interrupt everything is on disk to go on from.
    pub fn process(&self, stream: &mut dyn BatchStream, context: &RunContext) -> Result<Written> {
        let _lock = self.locked(context)?;
        let batches = match &self.made_from {
            Some(fingerprint) => fingerprint.clone(),
            None => stream.fingerprint()?,
        };
        let fingerprint = self.fingerprint(batches)?;
        let comparison = self.compare(&fingerprint)?;
        let folder = Path::new(&self.config.cache_dir);
        let target = Target::open(&self.plan(&fingerprint, &comparison))?;
        if target.is_complete() {
            return self.nothing_to_do(target.kept(), target.tokens(), &comparison, context);
        }
        comparison.tell(&context.events)?;
        let resume = ResumePoint::new(folder, self.shard.map(|(shard, _)| shard));
        let (from, waiting) = resume.take_up(target.kept(), stream)?;
        let mut chunker = Chunker::new(self.config.n_samples_per_chunk);
        if let Some(waiting) = waiting {
            chunker.push(waiting);
        }
        if target.kept() > 0 {
            context.events.note(format!(
                "{} of an interrupted generation kept; going on from chunk {}",
                counted(target.kept(), "chunk"),
                from.chunks
            ))?;
        }
        let run = Run {
            folder: folder.to_path_buf(),
            shard: self.shard.map(|(shard, _)| shard),
            hook_points: self.config.hook_points.clone(),
            total: self.config.total_generating_tokens,
            kept: target.kept(),
            threads: WritingThreads::start(target, self.config.num_workers.unwrap_or(2))?,
            chunker,
            pending: VecDeque::new(),
            progress: from,
            bytes: 0,
            forecast: false,
            resume,
            saved: Instant::now(),
            save_every: self.save_every,
            context: context.clone(),
        };
        run.all(stream)
    }
}

/// One call of `process`.
struct Run {
    folder: PathBuf,
    shard: Option<u32>,
    hook_points: Vec<String>,
    total: Option<u64>,
    kept: u64,
    threads: WritingThreads,
    chunker: Chunker,
    pending: VecDeque<Writing>,
    progress: Progress,
    bytes: u64,
    /// Was the disk found large enough?
    forecast: bool,
    resume: ResumePoint,
    saved: Instant,
    save_every: Duration,
    context: RunContext,
}

impl Run {
    fn all(mut self, stream: &mut dyn BatchStream) -> Result<Written> {
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
                    space::readable(needed),
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
    let size = |x: &crate::tensor::Tensor| (x.numel() * x.kind().elt_size_in_bytes()) as u64;
    let integers = [&chunk.tokens, &chunk.mask, &chunk.attention_mask];
    let integers: u64 = integers.into_iter().flatten().map(size).sum();
    chunk.activations.values().map(size).sum::<u64>() + integers * hook_points as u64
}
