//! From settings to a trained dictionary in a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::evaluate::evaluation;
use super::going_on::{began_with, compare, load, to_go_on};
use super::sae_choice::SaeChoice;
use super::settings::TrainSAESettings;
use super::wandb::{SharedRun, WANDB_RUN_ID, going_on, start_wandb};
use crate::activations::{ActivationFactory, ActivationFactoryTarget, ActivationStream, Inputs};
use crate::atomic;
use crate::config::{Config, Map, Value, to_value};
use crate::dictionary::{SAEConfig, SparseAutoEncoder};
use crate::error::{Context, Error, Fault, Result};
use crate::event::{Control, Event, Events, Metrics, Observer, RunContext};
use crate::fingerprint::{Allowances, Fingerprint};
use crate::lock::FolderLock;
use crate::model::{LanguageModel, LanguageModelConfig};
use crate::report::tensorboard::TensorBoard;
use crate::text::Dataset;
use crate::train::{
    FitOptions, FitOutcome, Forecast, Initializer, InitializerInputs, Provenance, Trainer, list_checkpoints,
    set_aside_earlier_run,
};

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
/// [`Trainer::fit`] refuses.
pub fn train_sae(
    settings: &TrainSAESettings,
    options: &TrainOptions,
    context: &RunContext,
) -> Result<TrainReport> {
    settings.validate()?;
    let folder = PathBuf::from(&settings.trainer.exp_result_path);
    let lock = FolderLock::take(&folder, "training", context)
        .under("exp_result_path")
        .under("trainer")?;
    let newest = match options.resume {
        true => list_checkpoints(&folder).pop(),
        false => None,
    };
    let datasets = load_datasets(settings, context)?;
    let began_with = began_with(settings, context)?;
    compare(
        settings,
        options,
        newest.as_ref(),
        (&datasets, &began_with),
        context,
    )?;
    let model = settings
        .model
        .as_ref()
        .map(|model| LanguageModel::load(model, context).under("model"))
        .transpose()?;
    let mut stream = open_stream(settings, model.as_ref(), datasets, context)?;
    let mut trainer = Trainer::new(settings.trainer.clone()).under("trainer")?;
    trainer.allow_change(options.allow_change.clone());
    let mut sae = match &newest {
        Some(newest) => load_newest(newest, settings, &mut trainer, context)?,
        None => {
            if options.resume {
                context
                    .events
                    .note("there is no checkpoint to go on from; the run begins anew")?;
            }
            make(settings, &mut stream, model.as_ref(), context)?
        }
    };
    let start = Start {
        options,
        began_with,
        lock,
    };
    let outcome = match trainer.is_finished() {
        true => FitOutcome::Finished,
        false => fit(
            settings,
            &start,
            &mut trainer,
            &mut sae,
            &mut stream,
            model.as_ref(),
            context,
        )?,
    };
    if !matches!(outcome, FitOutcome::Interrupted { .. }) {
        save(settings, &sae, &folder, context)?;
    }
    Ok(TrainReport {
        folder,
        outcome,
        steps: trainer.steps_done(),
        metrics: trainer.metrics().clone(),
    })
}

/// The dictionary of the newest checkpoint, and `trainer` as it was there.
fn load_newest(
    (step, path): &(u64, PathBuf),
    settings: &TrainSAESettings,
    trainer: &mut Trainer,
    context: &RunContext,
) -> Result<SparseAutoEncoder> {
    context
        .events
        .note(format!("going on from step {step}: {}", path.display()))?;
    let mut sae = to_go_on(path, settings, context)?;
    trainer.continue_from(&mut sae, path)?;
    Ok(sae)
}

/// What a run has before its first step.
struct Start<'a> {
    options: &'a TrainOptions,
    /// What decided how the dictionary began.
    began_with: Fingerprint,
    /// Held until the last file is written.
    lock: FolderLock,
}

/// What the run will cost, without loading anything.
///
/// # Errors
/// Settings that make no sense; a trained dictionary that cannot be read.
pub fn forecast(settings: &TrainSAESettings) -> Result<Forecast> {
    settings.validate()?;
    let sae = match &settings.sae {
        SaeChoice::Fresh(cfg) => cfg.clone(),
        SaeChoice::Pretrained(trained) => {
            SAEConfig::from_pretrained(&trained.pretrained_name_or_path, &RunContext::default())
                .under("sae")?
        }
    };
    let factory = &settings.activation_factory;
    let per_sequence = match factory.target {
        ActivationFactoryTarget::Activations1D => 1,
        _ => factory.context_size.unwrap_or(1),
    };
    let rows = (factory.batch_size * per_sequence) as u64;
    let steps = settings.trainer.total_training_tokens / rows.max(1);
    Ok(Forecast::new(&sae, &settings.trainer, steps, rows))
}

fn load_datasets(settings: &TrainSAESettings, context: &RunContext) -> Result<BTreeMap<String, Dataset>> {
    let mut datasets = BTreeMap::new();
    for (name, config) in settings.datasets.iter().flatten() {
        let sources = &settings.activation_factory.sources;
        if !sources.iter().any(|source| source.name() == name) {
            context.events.warn(format!(
                "no source of the activations reads the data set `{name}`"
            ))?;
            continue;
        }
        let dataset = Dataset::load(config, context)
            .under(name.as_str())
            .under("datasets")?;
        datasets.insert(name.clone(), dataset);
    }
    Ok(datasets)
}

/// Starts the stream of activations.
fn open_stream(
    settings: &TrainSAESettings,
    model: Option<&LanguageModel>,
    datasets: BTreeMap<String, Dataset>,
    context: &RunContext,
) -> Result<ActivationStream> {
    let named = settings.model_name.clone();
    let inputs = Inputs {
        model: model.map(|model| Arc::new(model.clone()) as Arc<_>),
        model_name: named.or_else(|| Some(settings.model.as_ref()?.model_name.clone())),
        datasets,
        ..Inputs::default()
    };
    ActivationFactory::new(settings.activation_factory.clone())
        .and_then(|factory| factory.process(inputs, context))
        .under("activation_factory")
}

/// The dictionary that training begins with.
fn make(
    settings: &TrainSAESettings,
    stream: &mut ActivationStream,
    model: Option<&LanguageModel>,
    context: &RunContext,
) -> Result<SparseAutoEncoder> {
    let cfg = match &settings.sae {
        SaeChoice::Fresh(cfg) => cfg,
        SaeChoice::Pretrained(trained) => {
            if settings.initializer.is_some() {
                context
                    .events
                    .warn("`initializer` does nothing here: the dictionary begins with trained weights")?;
            }
            return load(Path::new(&trained.pretrained_name_or_path), settings, context).under("sae");
        }
    };
    let Some(initializer) = &settings.initializer else {
        return SparseAutoEncoder::from_config(cfg.clone(), context).under("sae");
    };
    let mlp = mlp_of(model, initializer.model_layer);
    let inputs = InitializerInputs {
        stream: Some(stream),
        mlp: mlp.as_deref(),
        ..InitializerInputs::default()
    };
    Initializer::new(initializer.clone())?.initialize_sae_from_config(cfg, inputs, context)
}

/// The MLP of one layer as a function, where there are a model and a layer.
#[allow(clippy::type_complexity)]
fn mlp_of<'a>(
    model: Option<&'a LanguageModel>,
    layer: Option<i64>,
) -> Option<Box<dyn Fn(&crate::tensor::Tensor) -> Result<crate::tensor::Tensor> + 'a>> {
    let (model, layer) = (model?, layer?);
    let layer = usize::try_from(layer).ok()?;
    Some(Box::new(move |x| model.apply_mlp(layer, x)))
}

fn fit(
    settings: &TrainSAESettings,
    start: &Start<'_>,
    trainer: &mut Trainer,
    sae: &mut SparseAutoEncoder,
    stream: &mut ActivationStream,
    model: Option<&LanguageModel>,
    context: &RunContext,
) -> Result<FitOutcome> {
    let written = to_value(settings)?;
    let events = Events::new();
    events.add(Box::new(Relay(context.events.clone())));
    let folder = Path::new(&settings.trainer.exp_result_path);
    if trainer.steps_done() == 0 {
        set_aside_earlier_run(folder, &context.events)?;
    }
    if settings.tensorboard {
        events.add(Box::new(TensorBoard::new(&folder.join("tensorboard"))));
    }
    let asked = settings
        .wandb
        .as_ref()
        .map(|config| match trainer.steps_done() > 0 {
            true => going_on(config, folder),
            false => config.clone(),
        });
    let wandb = match &asked {
        Some(config) => start_wandb(config, &written, context)?,
        None => None,
    };
    let mut facts = start.options.facts.clone();
    let id = wandb.as_ref().map(SharedRun::id);
    if let Some(id) = id.or_else(|| asked?.wandb_run_id) {
        facts.insert(WANDB_RUN_ID.into(), id.into());
    }
    if let Some(run) = &wandb {
        run.catch_up(&folder.join("metrics.jsonl"), trainer.steps_done());
        events.add_dispensable("Weights & Biases", Box::new(run.clone()));
    }
    let fit_options = FitOptions {
        eval_fn: evaluation(settings, model, context)?,
        provenance: Provenance {
            settings: Some(written),
            facts,
        },
        events: Some(events),
        began_with: start.began_with.clone(),
        lock: Some(start.lock.clone()),
        ..FitOptions::default()
    };
    let outcome = trainer.fit(sae, stream, context, fit_options);
    if let Some(run) = wandb {
        let exit_code = match &outcome {
            Ok(FitOutcome::Interrupted { .. }) => Fault::Interrupted.exit_code(),
            Ok(_) => 0,
            Err(error) => error.fault().exit_code(),
        };
        if let Err(error) = run.finish(i32::from(exit_code)) {
            context.events.warn(error.to_string())?;
        }
    }
    outcome
}

/// Writes the trained dictionary and the model's settings into the run's folder.
fn save(
    settings: &TrainSAESettings,
    sae: &SparseAutoEncoder,
    folder: &Path,
    context: &RunContext,
) -> Result<()> {
    sae.save_pretrained(folder, settings.fold_activation_scale)?;
    if let Some(model) = &settings.model {
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
