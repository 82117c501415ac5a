//! Writes an activation stream to disk, in the background, so that it can be taken up again after a crash.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use super::chunker::Chunker;
use super::comparing;
use super::config::ActivationWriterConfig;
use super::resume::ResumePoint;
use super::run::{Run, Written};
use super::target::{Plan, Target};
use super::threads::WritingThreads;
use crate::activations::BatchStream;
use crate::config::{Checked, IntoChecked};
use crate::error::{Result, counted};
use crate::event::RunContext;
use crate::fingerprint::{Allowances, Comparison, Fingerprint, Names};
use crate::lock::FolderLock;

/// Writes activation streams by one configuration.
#[derive(Clone, Debug)]
pub struct ActivationWriter {
    config: Checked<ActivationWriterConfig>,
    /// Which part of the generation this is, of how many.
    shard: Option<(u32, u32)>,
    save_every: Duration,
    /// What decides the batches, where that is known before the stream.
    made_from: Option<Fingerprint>,
    allowed: Allowances,
    names: Names,
    lock: Option<FolderLock>,
}

impl ActivationWriter {
    /// Checks the configuration.
    pub fn new(config: impl IntoChecked<ActivationWriterConfig>) -> Result<Self> {
        Ok(ActivationWriter {
            config: config.into_checked()?,
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

    /// Sets how often the stream's state is saved, from which an interrupted generation goes on; 30 s if not said.
    pub fn saving_every(mut self, interval: Duration) -> Self {
        self.save_every = interval;
        self
    }

    /// Sets what decides the batches, known before the stream is opened, and what people call it.
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

    /// Returns the configuration.
    pub fn config(&self) -> &Checked<ActivationWriterConfig> {
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

    /// Looks like [`look`](Self::look), but does not hold the folder and changes nothing.
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
        batches.add("writer", &*self.config)?;
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
