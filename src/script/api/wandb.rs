//! `wandb::init(#{ project, name })` and the run it returns.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rhai::plugin::*;
use rhai::{Dynamic, ImmutableString, Map, Module};

use crate::config::Value;
use crate::error::{Error, Result};
use crate::event::{Control, Event, Observer};
use crate::report::wandb::{Resume, RunOptions, WandbConfig, WandbRun};
use crate::script::arguments::Arguments;
use crate::script::bridge;
use crate::script::class::ConfigHandle;
use crate::script::failure::{Raise, RhaiResultOf, placed};
use crate::script::guard;
use crate::script::state::State;

/// A live W&B run that scripts hold, and that can observe a training.
#[derive(Clone)]
pub struct WandbRunHandle(Arc<Mutex<WandbRun>>);

impl WandbRunHandle {
    fn locked(&self) -> MutexGuard<'_, WandbRun> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for WandbRunHandle {
    fn on(&mut self, event: &Event) -> Result<Control> {
        self.locked().on(event)
    }

    fn wants_distributions(&self) -> bool {
        self.locked().wants_distributions()
    }
}

/// What `run.summary` and `run.config` give: values that belong to the whole run.
#[derive(Clone)]
pub struct WandbValues {
    run: WandbRunHandle,
    kind: ValueKind,
}

#[derive(Clone, Copy)]
enum ValueKind {
    Summary,
    Config,
}

impl WandbValues {
    fn set(&self, values: &Map, context: &NativeCallContext) -> RhaiResultOf<()> {
        let values = entries(values).raise()?;
        let sent = match self.kind {
            ValueKind::Summary => self.run.locked().summarize(&values),
            ValueKind::Config => self.run.locked().configure(&values),
        };
        warn_of(sent, context)
    }
}

/// Puts the run object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<WandbRunHandle>(
        "WandbRun",
        &["/// A live run of Weights & Biases: pass it to `trainer.fit` as `wandb_logger`, then `finish()` it."],
    );
    module.set_custom_type_with_comments::<WandbValues>(
        "WandbValues",
        &["/// Values of a whole W&B run: its summary or its configuration. Set them by name or `update` several."],
    );
    combine_with_exported_module!(module, "wandb_run", methods);
    guard::protect(module, &methods::RHAI_MANIFEST);
}

/// Python's argument names to those of `WandbConfig`.
fn init(options: Map) -> Result<WandbRunHandle> {
    let mut arguments = Arguments::new("wandb", "init", options);
    let defaults = WandbConfig::default();
    let config = WandbConfig {
        wandb_project: arguments.data("project")?.unwrap_or(defaults.wandb_project),
        exp_name: arguments.data("name")?,
        wandb_entity: arguments.data("entity")?,
        wandb_run_id: arguments.data("id")?,
        wandb_resume: arguments
            .data::<Resume>("resume")?
            .unwrap_or(defaults.wandb_resume),
    };
    let options = RunOptions {
        mode: arguments.data("mode")?,
        dir: arguments.data("dir")?,
        group: arguments.data("group")?,
        job_type: arguments.data("job_type")?,
        notes: arguments.data("notes")?,
        tags: arguments.data("tags")?.unwrap_or_default(),
    };
    let settings = arguments
        .data::<Value>("config")?
        .unwrap_or_else(|| Value::Object(Default::default()));
    arguments.finish()?;
    start(&config, &options, &settings)
}

fn start(config: &WandbConfig, options: &RunOptions, settings: &Value) -> Result<WandbRunHandle> {
    WandbRun::init(config, options, settings).map(|run| WandbRunHandle(Arc::new(Mutex::new(run))))
}

/// Weights & Biases.
#[export_module(manifest)]
pub mod functions {
    /// Starts a run:
    /// `wandb::init(#{ project: "my-sae-training", name: "pythia-160m-sae", config: settings.to_map() })`; also
    /// `entity`, `id`, `resume`, `tags`, `notes`, `group`, `job_type`, `mode` (`"online"`, `"offline"`, `"disabled"`)
    /// and `dir`. What is left out comes from the `WANDB_…` variables.
    #[rhai_fn(name = "init", return_raw, volatile)]
    pub fn init_named(context: NativeCallContext, options: Map) -> RhaiResultOf<WandbRunHandle> {
        placed(&context, || init(options).raise())
    }

    /// Starts the run that a `WandbConfig` describes.
    #[rhai_fn(name = "init", return_raw, volatile)]
    pub fn init_config(
        context: NativeCallContext,
        config: ConfigHandle<WandbConfig>,
    ) -> RhaiResultOf<WandbRunHandle> {
        placed(&context, || {
            start(
                &config.get(),
                &RunOptions::default(),
                &Value::Object(Default::default()),
            )
            .raise()
        })
    }
}

#[export_module(manifest)]
mod methods {
    /// Logs a map of metrics as the next row. Should W&B's engine be gone, that is a warning, not an error.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn log(context: NativeCallContext, run: &mut WandbRunHandle, metrics: Map) -> RhaiResultOf<()> {
        let values = entries(&metrics).raise()?;
        warn_of(run.locked().log(None, &values), &context)
    }

    /// Logs a map of metrics under a step; steps must not decrease, and calls with the same step fill one row.
    #[rhai_fn(name = "log", return_raw, pure, volatile)]
    pub fn log_at(
        context: NativeCallContext,
        run: &mut WandbRunHandle,
        metrics: Map,
        step: i64,
    ) -> RhaiResultOf<()> {
        let step = u64::try_from(step)
            .map_err(|_| Error::input(format!("a step is 0 or more, but {step} was given")))
            .raise()?;
        let values = entries(&metrics).raise()?;
        warn_of(run.locked().log(Some(step), &values), &context)
    }

    /// Returns what W&B shows of the run as a whole: `run.summary["best_loss"] = 0.1`, `run.summary.update(#{ … })`.
    /// Without it, the last value of each metric.
    #[rhai_fn(get = "summary", pure)]
    pub fn summary(run: &mut WandbRunHandle) -> WandbValues {
        WandbValues {
            run: run.clone(),
            kind: ValueKind::Summary,
        }
    }

    /// Returns the run's configuration, to add to: `run.config["seed"] = 1`, `run.config.update(#{ … })`.
    #[rhai_fn(get = "config", pure)]
    pub fn config(run: &mut WandbRunHandle) -> WandbValues {
        WandbValues {
            run: run.clone(),
            kind: ValueKind::Config,
        }
    }

    /// Sets several values.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn update(context: NativeCallContext, values: &mut WandbValues, given: Map) -> RhaiResultOf<()> {
        values.set(&given, &context)
    }

    /// Sets one value.
    #[rhai_fn(index_set, return_raw, pure, volatile)]
    pub fn set_value(
        context: NativeCallContext,
        values: &mut WandbValues,
        name: ImmutableString,
        value: Dynamic,
    ) -> RhaiResultOf<()> {
        values.set(&[(name.as_str().into(), value)].into(), &context)
    }

    /// Returns what it is, in words.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn values_to_text(values: &mut WandbValues) -> String {
        let kind = match values.kind {
            ValueKind::Summary => "summary",
            ValueKind::Config => "config",
        };
        format!("WandbValues({kind} of {})", values.run.locked().id())
    }

    /// Returns the run's id.
    #[rhai_fn(get = "id", pure)]
    pub fn id(run: &mut WandbRunHandle) -> String {
        run.locked().id().to_string()
    }

    /// Ends the run and waits until everything is uploaded or, offline, on disk.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn finish(context: NativeCallContext, run: &mut WandbRunHandle) -> RhaiResultOf<()> {
        warn_of(run.locked().finish(0), &context)
    }

    /// Ends the run with an exit code; anything but 0 marks it as failed.
    #[rhai_fn(name = "finish", return_raw, pure, volatile)]
    pub fn finish_with(
        context: NativeCallContext,
        run: &mut WandbRunHandle,
        exit_code: i64,
    ) -> RhaiResultOf<()> {
        let exit_code = i32::try_from(exit_code)
            .map_err(|_| Error::input("an exit code is a small number"))
            .raise()?;
        warn_of(run.locked().finish(exit_code), &context)
    }

    /// Returns where the run can be seen or, offline, where it lies on disk.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(run: &mut WandbRunHandle) -> String {
        format!("WandbRun({:?})", run.locked().place())
    }
}

/// The entries of a map as data.
fn entries(map: &Map) -> Result<Vec<(String, Value)>> {
    let values = bridge::map_to_value(map)?;
    Ok(values
        .as_object()
        .cloned()
        .unwrap_or_default()
        .into_iter()
        .collect())
}

/// Work goes on without W&B: what fails there is a warning.
fn warn_of(result: Result<()>, context: &NativeCallContext) -> RhaiResultOf<()> {
    match result {
        Ok(()) => Ok(()),
        Err(error) => State::of(context)
            .context()
            .events
            .warn(error.to_string())
            .raise(),
    }
}
