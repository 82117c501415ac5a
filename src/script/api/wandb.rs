//! `wandb::init(#{ project, name })` and the run it returns.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rhai::plugin::*;
use rhai::{Map, Module};

use crate::config::Value;
use crate::error::Result;
use crate::event::{Control, Event, Observer};
use crate::report::wandb::{Resume, WandbConfig, WandbRun};
use crate::script::arguments::Arguments;
use crate::script::bridge;
use crate::script::class::ConfigHandle;
use crate::script::failure::{Raise, RhaiResultOf, placed};

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
}

/// Puts the run object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<WandbRunHandle>(
        "WandbRun",
        &["/// A live run of Weights & Biases: pass it to `trainer.fit` as `wandb_logger`, then `finish()` it."],
    );
    combine_with_exported_module!(module, "wandb_run", methods);
}

/// Python's argument names to those of `WandbConfig`.
fn init(options: Map) -> Result<WandbRunHandle> {
    let mut arguments = Arguments::new("init", options);
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
    let settings = arguments
        .data::<Value>("config")?
        .unwrap_or_else(|| Value::Object(Default::default()));
    arguments.finish()?;
    start(&config, &settings)
}

fn start(config: &WandbConfig, settings: &Value) -> Result<WandbRunHandle> {
    WandbRun::init(config, settings).map(|run| WandbRunHandle(Arc::new(Mutex::new(run))))
}

/// Weights & Biases.
#[export_module]
pub mod functions {
    /// Starts a run: `wandb::init(#{ project: "my-sae-training", name: "pythia-160m-sae", config: settings.to_map() })`;
    /// also `entity`, `id` and `resume`.
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
            start(&config.get(), &Value::Object(Default::default())).raise()
        })
    }
}

#[export_module]
mod methods {
    /// Logs a map of metrics under the next step.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn log(run: &mut WandbRunHandle, metrics: Map) -> RhaiResultOf<()> {
        log_values(run, metrics, None).raise()
    }

    /// Logs a map of metrics under a step; steps must not decrease.
    #[rhai_fn(name = "log", return_raw, pure, volatile)]
    pub fn log_at(run: &mut WandbRunHandle, metrics: Map, step: i64) -> RhaiResultOf<()> {
        log_values(run, metrics, u64::try_from(step).ok()).raise()
    }

    /// The run's id.
    #[rhai_fn(get = "id", pure)]
    pub fn id(run: &mut WandbRunHandle) -> String {
        run.locked().id().to_string()
    }

    /// Ends the run and waits until everything is uploaded or, offline, on disk.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn finish(run: &mut WandbRunHandle) -> RhaiResultOf<()> {
        run.locked().finish(0).raise()
    }

    /// Where the run can be seen or, offline, where it lies on disk.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(run: &mut WandbRunHandle) -> String {
        format!("WandbRun({:?})", run.locked().place())
    }
}

fn log_values(run: &WandbRunHandle, metrics: Map, step: Option<u64>) -> Result<()> {
    let values = bridge::map_to_value(&metrics)?;
    let values: Vec<(String, Value)> = values
        .as_object()
        .cloned()
        .unwrap_or_default()
        .into_iter()
        .collect();
    run.locked().log(step, &values)
}
