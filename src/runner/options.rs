//! What a training may be told besides its settings.

use crate::config::{Map, Value};
use crate::fingerprint::Allowances;

/// What a run may be told besides its settings.
#[derive(Clone, Debug, Default)]
pub struct TrainOptions {
    /// Go on from the newest checkpoint in the run's folder; begin anew where there is none.
    pub resume: bool,
    /// Settings that may differ from those that the run was begun with.
    pub allow_change: Allowances,
    /// Further facts for `run.json`.
    pub facts: Map<String, Value>,
}
