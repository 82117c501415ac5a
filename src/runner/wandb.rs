//! The W&B run of a training.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Value;
use crate::error::{Error, Result};
use crate::event::{Control, Event, Observer, RunContext};
use crate::files;
use crate::report::wandb::{Resume, RunOptions, WandbConfig, WandbRun};

/// A W&B run that observes the training and is finished after it.
#[derive(Clone)]
pub(super) struct SharedRun(Arc<Mutex<WandbRun>>);

impl SharedRun {
    fn locked(&self) -> MutexGuard<'_, WandbRun> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn id(&self) -> String {
        self.locked().id().to_string()
    }

    /// Logs the rows up to `step` that an earlier process may have been killed with before they were uploaded. The
    /// engine leaves out those that the server has; offline they lie in the earlier process's folder.
    pub(super) fn catch_up(&self, metrics: &Path, step: u64) {
        let mut run = self.locked();
        if step == 0 || run.offline() {
            return;
        }
        let text = std::fs::read_to_string(metrics).unwrap_or_default();
        for line in text.lines() {
            let Ok(Value::Object(mut row)) = serde_json::from_str(line) else {
                continue;
            };
            let of = row.remove("step").and_then(|of| of.as_u64());
            let Some(of) = of.filter(|of| *of <= step) else {
                continue;
            };
            if run.log(Some(of), &row.into_iter().collect::<Vec<_>>()).is_err() {
                break;
            }
        }
    }

    pub(super) fn finish(&self, exit_code: i32) -> Result<()> {
        self.locked().finish(exit_code)
    }
}

impl Observer for SharedRun {
    fn on(&mut self, event: &Event) -> Result<Control> {
        self.locked().on(event)
    }

    fn wants_distributions(&self) -> bool {
        self.locked().wants_distributions()
    }
}

/// The key of `run.json` that keeps the id of the W&B run.
pub(super) const WANDB_RUN_ID: &str = "wandb_run_id";

/// The W&B run of a training that goes on: the one it had, as `run.json` says, unless the settings name another.
pub(super) fn going_on(config: &WandbConfig, folder: &Path) -> WandbConfig {
    let mut config = config.clone();
    let kept = || {
        let text = files::read_text(folder.join("run.json"), files::SETTINGS_MOST).ok()?;
        let facts: Value = serde_json::from_str(&text).ok()?;
        facts[WANDB_RUN_ID].as_str().map(str::to_string)
    };
    config.wandb_run_id = config.wandb_run_id.or_else(kept);
    if config.wandb_run_id.is_some() && config.wandb_resume == Resume::Never {
        config.wandb_resume = Resume::Allow;
    }
    config
}

/// Says what [`start_wandb`] will say without W&B on this machine; starts nothing.
pub(super) fn look_at_wandb(config: &WandbConfig, context: &RunContext) -> Result<()> {
    match WandbRun::look(config, &RunOptions::default()) {
        Ok(()) => Ok(()),
        Err(error) => goes_on_without(&error, context),
    }
}

fn goes_on_without(error: &Error, context: &RunContext) -> Result<()> {
    let said = context
        .events
        .warn(format!("training goes on without W&B: {error}"));
    said.map(drop)
}

/// Starts the W&B run. Without W&B on this machine the training goes on without it, and says so.
pub(super) fn start_wandb(
    config: &WandbConfig,
    settings: &Value,
    context: &RunContext,
) -> Result<Option<SharedRun>> {
    match WandbRun::init(config, &RunOptions::default(), settings) {
        Ok(run) => {
            let how = if run.offline() { " offline" } else { "" };
            context
                .events
                .note(format!("logging to W&B{how}: {}", run.place()))?;
            Ok(Some(SharedRun(Arc::new(Mutex::new(run)))))
        }
        Err(error) => {
            goes_on_without(&error, context)?;
            Ok(None)
        }
    }
}
