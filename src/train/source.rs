//! The activation stream as a training reads it: batches that were looked at early are trained on all the same.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use crate::activations::{Batch, BatchStream, StreamMemory};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::tensor::{Device, Tensor, safetensors};

/// File in a checkpoint with the batches that were read but not trained on yet.
const PENDING_FILE: &str = "pending_batches.safetensors";

/// A stream with the batches that were taken from it ahead of time.
pub(super) struct Source<'a> {
    stream: &'a mut dyn BatchStream,
    pending: VecDeque<Batch>,
}

/// The first batch of a training, and what is known with it.
pub(super) struct First {
    pub batch: Batch,
    /// What the stream holds.
    pub memory: StreamMemory,
}

impl<'a> Source<'a> {
    /// Returns a source of the batches of `stream`, after those in `pending` that an earlier call had taken from it
    /// ahead of time.
    pub(super) fn new(stream: &'a mut dyn BatchStream, pending: VecDeque<Batch>) -> Self {
        Self { stream, pending }
    }

    /// Returns the batches that were taken ahead of time.
    pub(super) fn into_pending(self) -> VecDeque<Batch> {
        self.pending
    }

    /// Returns what decides the batches.
    pub(super) fn fingerprint(&self) -> Result<Fingerprint> {
        self.stream.fingerprint()
    }

    /// Returns the next batch to train on.
    pub(super) fn next(&mut self) -> Result<Option<Batch>> {
        match self.pending.pop_front() {
            Some(batch) => Ok(Some(batch)),
            None => self.stream.next_batch(),
        }
    }

    /// Returns the next `count` batches (fewer at the end of the stream), which stay to be trained on.
    pub(super) fn look_ahead(&mut self, count: usize) -> Result<Vec<Batch>> {
        while self.pending.len() < count {
            match self.stream.next_batch()? {
                Some(batch) => self.pending.push_back(batch),
                None => break,
            }
        }
        Ok(self.pending.iter().take(count).map(Batch::share).collect())
    }

    /// Returns the next batch as that with which a training begins; it stays to be trained on.
    pub(super) fn first(&mut self) -> Result<Option<First>> {
        let batch = self.look_ahead(1)?.into_iter().next();
        let memory = self.stream.memory();
        Ok(batch.map(|batch| First { batch, memory }))
    }

    /// Writes the position into the checkpoint `folder`. Returns false where this stream cannot be continued.
    pub(super) fn save(&mut self, folder: &Path) -> Result<bool> {
        if !self.stream.is_resumable() {
            return Ok(false);
        }
        self.stream.save_state(folder)?;
        let named: Vec<(String, Tensor)> = self
            .pending
            .iter()
            .enumerate()
            .flat_map(|(index, batch)| {
                parts(batch)
                    .into_iter()
                    .map(move |(name, x)| (format!("{index}/{name}"), x))
            })
            .collect();
        if !named.is_empty() {
            let tensors: Vec<(&str, &Tensor)> = named.iter().map(|(name, x)| (name.as_str(), x)).collect();
            safetensors::write(folder.join(PENDING_FILE), &tensors, &BTreeMap::new())?;
        }
        Ok(true)
    }

    /// Goes to the position in the checkpoint `folder`.
    pub(super) fn restore(&mut self, folder: &Path) -> Result<()> {
        self.stream.restore_state(folder)?;
        let path = folder.join(PENDING_FILE);
        if !path.exists() {
            return Ok(());
        }
        let file = safetensors::read(&path)?;
        let mut batches: BTreeMap<usize, Batch> = BTreeMap::new();
        for full in file.names() {
            let broken = || Error::input(format!("`{}` holds a strange tensor `{full}`", path.display()));
            let (index, name) = full.split_once('/').ok_or_else(broken)?;
            let index: usize = index.parse().map_err(|_| broken())?;
            put(
                batches.entry(index).or_default(),
                name,
                file.tensor(&full, Device::Cpu, None)?,
            );
        }
        self.pending = batches.into_values().collect();
        Ok(())
    }
}

/// Returns the tensors of a batch under the names of [`put`].
pub(super) fn parts(batch: &Batch) -> Vec<(String, Tensor)> {
    let mut parts: Vec<(String, Tensor)> = batch
        .activations
        .iter()
        .map(|(hook, x)| (format!("activations/{hook}"), x.shallow_clone()))
        .collect();
    for (name, tensor) in [
        ("tokens", &batch.tokens),
        ("mask", &batch.mask),
        ("attention_mask", &batch.attention_mask),
    ] {
        parts.extend(tensor.as_ref().map(|x| (name.to_string(), x.shallow_clone())));
    }
    parts
}

fn put(batch: &mut Batch, name: &str, tensor: Tensor) {
    match name {
        "tokens" => batch.tokens = Some(tensor),
        "mask" => batch.mask = Some(tensor),
        "attention_mask" => batch.attention_mask = Some(tensor),
        _ => {
            let hook = name.strip_prefix("activations/").unwrap_or(name);
            batch.activations.insert(hook.to_string(), tensor);
        }
    }
}
