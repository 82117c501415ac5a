//! The W&B run of a training.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::logger::{Logger, Running, Started, Training};
use crate::config::{Map, Value};
use crate::error::{Error, Result};
use crate::event::{Control, Event, Events, Observer, RunContext};
use crate::files;
use crate::report::wandb::{Resume, RunOptions, WandbConfig, WandbRun};

impl Logger for WandbConfig {
    const TYPE: &'static str = "wandb";

    fn look(&self, training: &Training<'_>) -> Result<()> {
        match WandbRun::look(self.of(training), &RunOptions::default()) {
            Ok(()) => Ok(()),
            Err(error) => goes_on_without(&error, training.context),
        }
    }

    fn start(&self, training: &Training<'_>, events: &Events) -> Result<Started> {
        let config = self.of(training);
        let run = start(&config, training.settings, training.context)?;
        let mut facts = Map::new();
        let id = run.as_ref().map(SharedRun::id).or(config.wandb_run_id);
        facts.extend(id.map(|id| (WANDB_RUN_ID.to_string(), id.into())));
        if let Some(run) = &run {
            run.catch_up(&training.folder.join("metrics.jsonl"), training.steps_done);
            events.add_dispensable("Weights & Biases", Box::new(run.clone()));
        }
        let running = run.map(|run| Box::new(run) as Box<dyn Running>);
        Ok(Started { facts, running })
    }
}

/// A W&B run that observes the training and is finished after it.
#[derive(Clone)]
struct SharedRun(Arc<Mutex<WandbRun>>);

impl SharedRun {
    fn locked(&self) -> MutexGuard<'_, WandbRun> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn id(&self) -> String {
        self.locked().id().to_string()
    }

    /// Logs the rows up to `step` that an earlier process may have been killed with before they were uploaded. The
    /// engine leaves out those that the server has; offline they lie in the earlier process's folder.
    fn catch_up(&self, metrics: &Path, step: u64) {
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
}

impl Running for SharedRun {
    fn finish(&self, exit_code: u8) -> Result<()> {
        self.locked().finish(i32::from(exit_code))
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
const WANDB_RUN_ID: &str = "wandb_run_id";

impl WandbConfig {
    /// The run of `training`: of one that goes on the run it had, as `run.json` says, unless the settings name another.
    fn of(&self, training: &Training<'_>) -> WandbConfig {
        let mut config = self.clone();
        if training.steps_done == 0 {
            return config;
        }
        let kept = || {
            let text = files::read_text(training.folder.join("run.json"), files::SETTINGS_MOST).ok()?;
            let facts: Value = serde_json::from_str(&text).ok()?;
            facts[WANDB_RUN_ID].as_str().map(str::to_string)
        };
        config.wandb_run_id = config.wandb_run_id.or_else(kept);
        if config.wandb_run_id.is_some() && config.wandb_resume == Resume::Never {
            config.wandb_resume = Resume::Allow;
        }
        config
    }
}

fn goes_on_without(error: &Error, context: &RunContext) -> Result<()> {
    let said = context
        .events
        .warn(format!("training goes on without W&B: {error}"));
    said.map(drop)
}

/// Starts the W&B run. Without W&B on this machine the training goes on without it, and says so.
fn start(config: &WandbConfig, settings: &Value, context: &RunContext) -> Result<Option<SharedRun>> {
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
