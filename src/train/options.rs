//! What a training may be given, and how it ends.

use std::path::PathBuf;

use super::folder::Provenance;
use super::trainer::StepReport;
use crate::dictionary::{Custom, SparseAutoEncoder};
use crate::error::Result;
use crate::event::{Control, Events, Metrics};
use crate::fingerprint::{Allowances, Fingerprint};
use crate::lock::FolderLock;

/// An evaluation during training: gets the dictionary and the number of steps done, gives metrics to log.
pub type EvalFn<'a> = Box<dyn FnMut(&SparseAutoEncoder, u64) -> Result<Metrics> + 'a>;

/// Watches a training: gets the dictionary and what the step did.
pub type StepFn<'a> = Box<dyn FnMut(&SparseAutoEncoder, &StepReport) -> Result<Control> + 'a>;

/// What a training may be given besides dictionary and stream.
#[derive(Default)]
pub struct FitOptions<'a> {
    /// Called every `eval_frequency` steps.
    pub eval_fn: Option<EvalFn<'a>>,
    /// Called after each step, before its checkpoint.
    pub on_step: Option<StepFn<'a>>,
    /// What goes into the run's folder beside the trainer's own knowledge.
    pub provenance: Provenance,
    /// What decided how the dictionary began, where the run's starter knows it: its initialisation, trained weights.
    pub began_with: Fingerprint,
    /// What may differ from what a checkpoint was made with that the training goes on from.
    pub allow_change: Allowances,
    /// The lock of the run's folder, where the run's starter holds it already.
    pub lock: Option<FolderLock>,
    /// Pieces of the arithmetic in place of the built-in ones.
    pub custom: Custom<'a>,
    /// Who hears of this dictionary's logs and checkpoints; `None`: everyone who hears of the run.
    pub events: Option<Events>,
}

/// How a training ended.
#[derive(Clone, Debug, PartialEq)]
pub enum FitOutcome {
    /// All steps were done.
    Finished,
    /// The stream had fewer batches than steps were planned.
    StreamEnded,
    /// Somebody asked to stop; everything can be continued from the checkpoints.
    Interrupted {
        /// One checkpoint for each dictionary.
        checkpoints: Vec<PathBuf>,
    },
}
