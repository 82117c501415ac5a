//! What every logger is.

use std::path::Path;

use crate::config::{Config, Map, Value};
use crate::error::Result;
use crate::event::{Events, RunContext};

/// The settings of a kind of logger, and what it does with them.
pub trait Logger: Config {
    /// The value of `type`.
    const TYPE: &'static str;

    /// Says what [`start`](Self::start) will say on this machine; starts nothing.
    fn look(&self, _training: &Training<'_>) -> Result<()> {
        Ok(())
    }

    /// Begins to log what `events` tell.
    ///
    /// # Errors
    /// The training cannot be logged, and is not to begin without it.
    fn start(&self, training: &Training<'_>, events: &Events) -> Result<Started>;
}

/// The training that is logged.
pub struct Training<'a> {
    /// The run's folder.
    pub folder: &'a Path,
    /// The settings of the run, every default written out.
    pub settings: &'a Value,
    /// Steps that were done before.
    pub steps_done: u64,
    /// Where remarks go.
    pub context: &'a RunContext,
}

/// A logger that was started.
#[derive(Default)]
pub struct Started {
    /// Facts for `run.json`.
    pub facts: Map<String, Value>,
    /// What has to be done once the training ended.
    pub running: Option<Box<dyn Running>>,
}

/// A logger that has to know of the end.
pub trait Running {
    /// The training ended with this exit code.
    ///
    /// # Errors
    /// What was logged cannot be handed over.
    fn finish(&self, exit_code: u8) -> Result<()>;
}
