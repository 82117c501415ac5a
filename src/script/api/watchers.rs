//! Who looks on while a dictionary is trained.

use rhai::FnPtr;

use super::loggers::Logger;
use crate::fingerprint::Allowances;

/// What a script asked to have called, or told, while `fit` runs.
#[derive(Clone, Default)]
pub struct Watchers {
    /// Called with the metrics of each log.
    pub on_log: Vec<FnPtr>,
    /// Called with the numbers of each step.
    pub on_step: Vec<FnPtr>,
    /// Called every `eval_frequency` steps; what it returns is logged.
    pub eval_fn: Option<FnPtr>,
    /// Hear of all that is logged.
    pub loggers: Vec<Logger>,
    /// Settings that may differ from those of a checkpoint that the training goes on from.
    pub allow_change: Allowances,
}
