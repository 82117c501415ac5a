//! What a factory needs of a language model: token ids in, activations out.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::activations::stats::StreamMemory;
use crate::error::Result;
use crate::fingerprint::Fingerprint;
use crate::tensor::{Device, Tensor};

/// Runs a model as far as the last of some hook points. Takes token ids, int64 `(batch, seq)` on the CPU and padded on the
/// right; returns hook point → `(batch, seq, …)` on the model's device.
pub type Capture = Box<dyn Fn(&Tensor) -> Result<BTreeMap<String, Tensor>> + Send + Sync>;

/// A model whose activations can be taken, from another thread than the one that loaded it.
pub trait ActivationModel: Send + Sync {
    /// Finds `hook_points` once, for all the passes to come.
    ///
    /// # Errors
    /// A hook point that the model does not have.
    fn plan(self: Arc<Self>, hook_points: &[String]) -> Result<Capture>;

    /// Refuses a hook point that the model does not have, naming the nearest.
    fn check_hook_point(&self, hook_point: &str) -> Result<()>;

    /// Where the model computes.
    fn device(&self) -> Device;

    /// What decides its numbers.
    ///
    /// # Errors
    /// Its files cannot be read.
    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut fingerprint = Fingerprint::default();
        fingerprint.set_unverified("weights", "a model of unknown origin");
        Ok(fingerprint)
    }

    /// Returns the memory of its weights, and of a forward pass over so many tokens that keeps activations of so many hook points.
    fn memory(&self, tokens: usize, kept: usize) -> StreamMemory {
        let _ = (tokens, kept);
        StreamMemory::default()
    }

    /// Its tokenizer, which several threads use at once.
    fn encoder(&self) -> Arc<dyn Encoder>;
}

/// Text to token ids.
pub trait Encoder: Send + Sync {
    /// The ids of `text`, the BOS id in front if asked for, cut to `limit` ids.
    fn encode(&self, text: &str, prepend_bos: bool, limit: usize) -> Result<Vec<i64>>;

    /// The longest sequence the model takes.
    fn max_length(&self) -> usize;

    /// The beginning-of-sequence token, if there is one.
    fn bos_id(&self) -> Option<i64>;

    /// The padding token, if there is one.
    fn pad_id(&self) -> Option<i64>;
}
