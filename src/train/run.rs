//! What a run remembers beside the training itself, from one call to the next: an interruption or a failure lies between
//! them, and the run that goes on has to be the one that never stopped.

use std::collections::VecDeque;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::activations::Batch;
use crate::event::Metrics;
use crate::fingerprint::{Allowances, Fingerprint};

/// The run around the steps of a trainer.
pub(super) struct Run {
    /// Checkpoint from which the stream has still to be positioned.
    pub(super) resume_from: Option<PathBuf>,
    /// The checkpoint that the training goes on from, until its folder is opened.
    pub(super) checkpoint: Option<PathBuf>,
    /// Batches that were taken from the stream but not trained on when the last call ended.
    pub(super) pending: VecDeque<Batch>,
    /// Length of `metrics.jsonl` that belongs to the steps done.
    pub(super) metrics_bytes: u64,
    /// What the last step still has to do.
    pub(super) owed: Owed,
    /// What decides the numbers besides dictionary and trainer: the stream, and how the run began.
    pub(super) decided_by: Fingerprint,
    /// What may differ from what a checkpoint was made with.
    pub(super) allowed: Allowances,
    /// Steps that were planned when the checkpoint was written that this training goes on from.
    pub(super) steps_planned_before: Option<u64>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            resume_from: None,
            checkpoint: None,
            pending: VecDeque::new(),
            metrics_bytes: 0,
            owed: Owed::default(),
            decided_by: Fingerprint::new(),
            allowed: Allowances::default(),
            steps_planned_before: None,
        }
    }
}

/// What the last step still has to do beyond the step itself. A failure or an interruption can come in between; the
/// checkpoint that is written then keeps it, and the run that goes on from there does it first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Owed {
    /// To be logged; nothing if it is empty.
    #[serde(with = "super::exact")]
    pub(super) row: Metrics,
    /// An evaluation is due.
    pub(super) evaluation: bool,
}
