//! From settings to a trained dictionary in a folder.

use std::path::{Path, PathBuf};

use super::evaluate::evaluation;
use super::loggers::{Started, Training};
use super::options::TrainOptions;
use super::plan::TrainPlan;
use super::prepare::{Effort, Prepared};
use super::settings::TrainSAESettings;
use crate::atomic;
use crate::config::{Value, to_value};
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Context, Error, Fault, Result, counted};
use crate::event::{Control, Event, Events, Metrics, Observer, RunContext};
use crate::fingerprint::Fingerprint;
use crate::lock::FolderLock;
use crate::model::LanguageModelConfig;
use crate::train::{FitOptions, FitOutcome, Forecast, Provenance, set_aside_earlier_run};

/// How a run ended.
#[derive(Clone, Debug)]
pub struct TrainReport {
    /// Folder of the run.
    pub folder: PathBuf,
    /// Why it ended.
    pub outcome: FitOutcome,
    /// Steps done.
    pub steps: u64,
    /// The metrics that were logged last.
    pub metrics: Metrics,
}

/// Trains a dictionary as the settings say and saves it in the trainer's `exp_result_path`.
///
/// # Errors
/// Settings that make no sense; a model, data or folder that cannot be read or written; what
/// [`Run::fit`](crate::train::Run::fit) refuses.
pub fn train_sae(
    settings: &TrainSAESettings,
    options: &TrainOptions,
    context: &RunContext,
) -> Result<TrainReport> {
    let plan = settings.plan()?;
    let folder = PathBuf::from(&plan.trainer.exp_result_path);
    let lock = in_folder(FolderLock::take(&folder, "training", context))?;
    let mut prepared = Prepared::new(&plan, options, Effort::Full, context)?;
    let start = Start {
        written: to_value(settings)?,
        options,
        began_with: prepared.began_with.clone(),
        lock,
    };
    let outcome = if prepared.run.trainer.is_finished() {
        context.events.note(format!(
            "nothing is left to train: {} of {} are done",
            prepared.run.trainer.steps_done(),
            counted(prepared.run.trainer.total_steps().unwrap_or(0), "step")
        ))?;
        FitOutcome::Finished
    } else {
        fit(&plan, &start, &mut prepared, context)?
    };
    if !matches!(outcome, FitOutcome::Interrupted { .. }) {
        save(&plan, &prepared.sae, &folder, context)?;
    }
    Ok(TrainReport {
        folder,
        outcome,
        steps: prepared.run.trainer.steps_done(),
        metrics: prepared.run.trainer.metrics().clone(),
    })
}

/// Returns what a training would cost, after everything that comes before its first step: model, data and dictionary
/// are opened, a checkpoint is compared and read, the first batch is made. Nothing is written into the folder of the
/// run. `None`: the run has done all its steps.
///
/// # Errors
/// What [`train_sae`] refuses before its first step.
pub fn rehearse_training(
    settings: &TrainSAESettings,
    options: &TrainOptions,
    context: &RunContext,
) -> Result<Option<Forecast>> {
    let plan = settings.plan()?;
    let folder = Path::new(&plan.trainer.exp_result_path);
    in_folder(FolderLock::look(folder))?;
    let mut prepared = Prepared::new(&plan, options, Effort::Refusals, context)?;
    if prepared.run.trainer.is_finished() {
        return Ok(None);
    }
    let written = to_value(settings)?;
    let training = Training {
        folder,
        settings: &written,
        steps_done: prepared.run.trainer.steps_done(),
        context,
    };
    for logger in &plan.loggers {
        logger.look(&training)?;
    }
    let fit_options = FitOptions {
        began_with: prepared.began_with.clone(),
        ..FitOptions::default()
    };
    prepared
        .run
        .rehearse(&mut prepared.sae, &mut prepared.stream, context, fit_options)
        .map(Some)
}

/// An error about the folder of the results, at its key.
fn in_folder<T>(result: Result<T>) -> Result<T> {
    result.under("exp_result_path").under("trainer")
}

/// What a run has before its first step.
struct Start<'a> {
    /// The settings as they were written.
    written: Value,
    options: &'a TrainOptions,
    /// What decided how the dictionary began.
    began_with: Fingerprint,
    /// Held until the last file is written.
    lock: FolderLock,
}

fn fit(
    plan: &TrainPlan,
    start: &Start<'_>,
    prepared: &mut Prepared,
    context: &RunContext,
) -> Result<FitOutcome> {
    let events = Events::new();
    events.add(Box::new(Relay(context.events.clone())));
    let folder = Path::new(&plan.trainer.exp_result_path);
    let steps_done = prepared.run.trainer.steps_done();
    if steps_done == 0 {
        set_aside_earlier_run(folder, &context.events)?;
    }
    let training = Training {
        folder,
        settings: &start.written,
        steps_done,
        context,
    };
    let started = plan.loggers.iter().map(|logger| logger.start(&training, &events));
    let started: Vec<Started> = started.collect::<Result<_>>()?;
    let mut facts = start.options.facts.clone();
    facts.extend(started.iter().flat_map(|logger| logger.facts.clone()));
    let fit_options = FitOptions {
        eval_fn: evaluation(plan, prepared.model.as_ref(), context)?,
        provenance: Provenance {
            settings: Some(start.written.clone()),
            facts,
        },
        events: Some(events),
        began_with: start.began_with.clone(),
        lock: Some(start.lock.clone()),
        ..FitOptions::default()
    };
    let outcome = prepared
        .run
        .fit(&mut prepared.sae, &mut prepared.stream, context, fit_options);
    let exit_code = match &outcome {
        Ok(FitOutcome::Interrupted { .. }) => Fault::Interrupted.exit_code(),
        Ok(_) => 0,
        Err(error) => error.fault().exit_code(),
    };
    for running in started.iter().filter_map(|logger| logger.running.as_ref()) {
        if let Err(error) = running.finish(exit_code) {
            context.events.warn(error.to_string())?;
        }
    }
    outcome
}

/// Writes the trained dictionary and the model's settings into the run's folder.
fn save(plan: &TrainPlan, sae: &SparseAutoEncoder, folder: &Path, context: &RunContext) -> Result<()> {
    let folds = sae.cfg.variant.folds(&sae.cfg);
    if plan.fold_activation_scale && !folds {
        context.events.warn(
            "the activation scale of this dictionary cannot be folded into its weights, so it is saved beside them",
        )?;
    }
    sae.save_pretrained(folder, plan.fold_activation_scale && folds)?;
    if let Some(model) = &plan.model {
        atomic::write(folder.join("lm_config.json"), model_settings(model)?)?;
    }
    context.events.emit(Event::Saved {
        what: "weights",
        path: folder.join("sae_weights.safetensors"),
    })?;
    Ok(())
}

/// The model's settings as JSON, without device and dtype, which are this machine's affair.
fn model_settings(model: &LanguageModelConfig) -> Result<String> {
    let mut value = to_value(model)?;
    if let Some(map) = value.as_object_mut() {
        map.remove("device");
        map.remove("dtype");
    }
    serde_json::to_string_pretty(&value)
        .map(|text| text + "\n")
        .map_err(|error| Error::run(format!("cannot write the model's settings: {error}")))
}

/// Passes events on to those who hear of the whole run.
struct Relay(Events);

impl Observer for Relay {
    fn on(&mut self, event: &Event) -> Result<Control> {
        self.0.emit(event.clone())
    }

    fn wants_distributions(&self) -> bool {
        self.0.wants_distributions()
    }
}
