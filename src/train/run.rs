//! A run: a trainer, and what is remembered beside it from one call to the next. An interruption or a failure lies between
//! them, and the run that goes on has to be the one that never stopped.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::config::TrainerConfig;
use super::trainer::Trainer;
use crate::activations::Batch;
use crate::config::{Checked, IntoChecked};
use crate::dictionary::{Custom, SAEConfig, SparseAutoEncoder};
use crate::error::Result;
use crate::event::{Events, Metrics};
use crate::fingerprint::{Allowances, Fingerprint};

/// The training of a dictionary from its first step to its last: moves a [`Trainer`] over a stream, and has a folder with
/// logs and checkpoints, from which it goes on.
pub struct Run {
    /// Does the steps. A loop of one's own moves it directly.
    pub trainer: Trainer,
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
    /// Remarks that were made before the first batch was there.
    announced: Vec<String>,
}

impl Run {
    /// Returns a run that has not begun.
    ///
    /// # Errors
    /// A configuration that makes no sense.
    pub fn new(cfg: impl IntoChecked<TrainerConfig>) -> Result<Self> {
        Ok(Self {
            trainer: Trainer::new(cfg)?,
            resume_from: None,
            checkpoint: None,
            pending: VecDeque::new(),
            metrics_bytes: 0,
            owed: Owed::default(),
            decided_by: Fingerprint::new(),
            allowed: Allowances::default(),
            steps_planned_before: None,
            announced: Vec::new(),
        })
    }

    /// Returns the folder for everything that the run writes.
    pub fn folder(&self) -> &Path {
        Path::new(&self.trainer.cfg.exp_result_path)
    }

    /// Allows changes where a checkpoint that this run goes on from was made with something else.
    pub fn allow_change(&mut self, allowed: Allowances) {
        self.allowed = allowed;
    }

    /// Makes the remarks about a training of `sae` with batches of `rows` rows that [`fit`](Self::fit) would make,
    /// before work that takes long; `fit` does not repeat them. What it refuses is left to it.
    ///
    /// # Errors
    /// An observer failed.
    pub fn announce(&mut self, sae: &Checked<SAEConfig>, rows: u64, events: &Events) -> Result<()> {
        let cfg = &self.trainer.cfg;
        let total = cfg.total_training_tokens / rows.max(1);
        for remark in cfg.check_plan(sae, total, false).unwrap_or_default() {
            events.warn(remark.as_str())?;
            self.announced.push(remark);
        }
        Ok(())
    }

    /// Has the trainer make its plan from the first batch. Returns the remarks that are still to be made.
    ///
    /// # Errors
    /// Everything that is refused before a training starts.
    pub(super) fn begin(
        &mut self,
        sae: &SparseAutoEncoder,
        first: &Batch,
        custom: &Custom<'_>,
    ) -> Result<Vec<String>> {
        let mut remarks = self.trainer.begin(sae, first, custom)?;
        remarks.retain(|remark| !self.announced.contains(remark));
        Ok(remarks)
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
