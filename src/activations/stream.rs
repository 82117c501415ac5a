//! Batches of activations, and the trait of everything that yields them.

use std::collections::BTreeMap;
use std::path::Path;

use super::stats::StreamMemory;
use crate::config::Value;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::tensor::Tensor;

/// One item of an activation stream.
///
/// In 1D (`activations-1d`) the leading shape is `(batch)`, in 2D `(batch, seq)`.
#[derive(Debug, Default)]
pub struct Batch {
    /// Hook point → activations `(batch, d)` or `(batch, seq, d)`.
    pub activations: BTreeMap<String, Tensor>,
    /// Token ids, int64, leading shape.
    pub tokens: Option<Tensor>,
    /// int32: 1 where a row counts in losses and metrics, 0 at BOS and PAD; leading shape.
    pub mask: Option<Tensor>,
    /// int32: 1 where the model attends, leading shape.
    pub attention_mask: Option<Tensor>,
    /// Where each record came from, one entry a row of the leading dimension.
    pub meta: Option<Vec<Value>>,
    /// Every row counts, so that nobody has to look at the mask, which may be on a GPU. `false` where that is not known.
    pub all_count: bool,
}

impl Batch {
    /// Returns the activations at `hook_point`.
    ///
    /// # Errors
    /// The batch has no such hook point; the message lists those it has.
    pub fn at(&self, hook_point: &str) -> Result<&Tensor> {
        self.activations.get(hook_point).ok_or_else(|| {
            let names: Vec<&String> = self.activations.keys().collect();
            Error::unknown("hook point in the activation stream", hook_point, &names)
        })
    }

    /// Returns the bytes of its tensors.
    pub(super) fn bytes(&self) -> u64 {
        self.columns().into_iter().map(|(_, x)| bytes_of(x)).sum()
    }

    /// Returns another handle on the same tensors; no data is copied.
    pub fn share(&self) -> Batch {
        let share = |tensor: &Option<Tensor>| tensor.as_ref().map(Tensor::shallow_clone);
        Batch {
            activations: self
                .activations
                .iter()
                .map(|(name, x)| (name.clone(), x.shallow_clone()))
                .collect(),
            tokens: share(&self.tokens),
            mask: share(&self.mask),
            attention_mask: share(&self.attention_mask),
            meta: self.meta.clone(),
            all_count: self.all_count,
        }
    }
}

/// The bytes of a tensor's numbers.
pub(super) fn bytes_of(x: &Tensor) -> u64 {
    (x.numel() * x.kind().elt_size_in_bytes()) as u64
}

/// Anything that yields batches: a factory's stream, a list, a script's closure.
///
/// Batches are handed out once and in order: what the initialiser took is not seen again by the trainer, and
/// nothing in between is lost.
pub trait BatchStream {
    /// The next batch, or `None` at the end.
    fn next_batch(&mut self) -> Result<Option<Batch>>;

    /// Rows of a full batch (sequences in 2D), where it is known before the first.
    fn batch_size(&self) -> Option<usize> {
        None
    }

    /// Returns the memory that the stream holds while it is read, as far as it knows after its first batch.
    fn memory(&self) -> StreamMemory {
        StreamMemory::default()
    }

    /// What decides the batches: work on them only goes on with a stream that is made of the same.
    ///
    /// # Errors
    /// Files that it is made from cannot be read.
    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut fingerprint = Fingerprint::new();
        fingerprint.set_unverified("activation_stream", "batches of unknown origin");
        Ok(fingerprint)
    }

    /// Returns whether [`save_state`](Self::save_state) can say where the stream is, so that a run from it can be
    /// resumed.
    fn is_resumable(&self) -> bool {
        false
    }

    /// Writes into `folder` all that is needed to go on exactly here.
    ///
    /// # Errors
    /// The stream is not [resumable](Self::is_resumable), or its files cannot be written.
    fn save_state(&mut self, folder: &Path) -> Result<()> {
        let _ = folder;
        Err(Error::input(
            "this activation stream cannot be saved, so a run from it cannot be resumed",
        ))
    }

    /// Goes to the place that [`save_state`](Self::save_state) wrote into `folder`; called before the first batch.
    ///
    /// # Errors
    /// The stream is not [resumable](Self::is_resumable), or another one was saved there.
    fn restore_state(&mut self, folder: &Path) -> Result<()> {
        let _ = folder;
        Err(Error::input(
            "this activation stream cannot be continued from a checkpoint",
        ))
    }
}
