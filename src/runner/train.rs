//! From settings to a trained dictionary in a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::evaluate::evaluation;
use super::sae_choice::SaeChoice;
use super::settings::TrainSAESettings;
use crate::activations::{ActivationFactory, ActivationFactoryTarget, ActivationStream, Inputs};
use crate::atomic;
use crate::config::{Config, Map, Value, to_value};
use crate::dictionary::{LoadOptions, SAEConfig, SparseAutoEncoder};
use crate::error::{Context, Error, Result};
use crate::event::{Control, Event, Events, Metrics, Observer, RunContext};
use crate::model::{LanguageModel, LanguageModelConfig};
use crate::report::tensorboard::TensorBoard;
use crate::report::wandb::WandbRun;
use crate::text::Dataset;
use crate::train::{
    FitOptions, FitOutcome, Forecast, Initializer, InitializerInputs, Provenance, Trainer, list_checkpoints,
};

/// What a run may be told besides its settings.
#[derive(Clone, Debug, Default)]
pub struct TrainOptions {
    /// Go on from the newest checkpoint in the run's folder; begin anew where there is none.
    pub resume: bool,
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
    let model = settings
        .model
        .as_ref()
        .map(|model| LanguageModel::load(model, context).under("model"))
        .transpose()?;
    let mut stream = open_stream(settings, model.as_ref(), context)?;
    let mut trainer = Trainer::new(settings.trainer.clone()).under("trainer")?;
    let newest = match options.resume {
        true => list_checkpoints(&folder).pop(),
        false => None,
    };
    let mut sae = match &newest {
        Some((step, path)) => {
            context
                .events
                .note(format!("going on from step {step}: {}", path.display()))?;
            let mut sae = load(path, settings, context)?;
            trainer.continue_from(&mut sae, path)?;
            sae
        }
        None if options.resume => {
            context
                .events
                .note("there is no checkpoint to go on from; the run begins anew")?;
            make(settings, &mut stream, model.as_ref(), context)?
        }
        None => make(settings, &mut stream, model.as_ref(), context)?,
    };
    let outcome = match trainer.is_finished() {
        true => FitOutcome::Finished,
        false => fit(
            settings,
            options,
            &mut trainer,
            &mut sae,
            &mut stream,
            model.as_ref(),
            context,
        )?,
    };
    if !matches!(outcome, FitOutcome::Interrupted { .. }) {
        save(settings, &mut sae, &folder, context)?;
    }
    Ok(TrainReport {
        folder,
        outcome,
        steps: trainer.steps_done(),
        metrics: trainer.metrics().clone(),
    })
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

/// Starts the stream of activations.
fn open_stream(
    settings: &TrainSAESettings,
    model: Option<&LanguageModel>,
    context: &RunContext,
) -> Result<ActivationStream> {
    let mut datasets = BTreeMap::new();
    for (name, config) in settings.datasets.iter().flatten() {
        let dataset = Dataset::load(config, context)
            .under(name.as_str())
            .under("datasets")?;
        datasets.insert(name.clone(), dataset);
    }
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

/// A trained dictionary, on the device and in the dtype that the settings say.
fn load(path: &Path, settings: &TrainSAESettings, context: &RunContext) -> Result<SparseAutoEncoder> {
    let mut options = match &settings.sae {
        SaeChoice::Fresh(cfg) => LoadOptions {
            device: cfg.device,
            dtype: Some(cfg.dtype),
            ..LoadOptions::default()
        },
        SaeChoice::Pretrained(trained) => LoadOptions {
            device: trained.device,
            dtype: trained.dtype,
            strict_loading: trained.strict_loading,
            ..LoadOptions::default()
        },
    };
    options.context = context.clone();
    SparseAutoEncoder::from_pretrained(path, &options)
}

fn fit(
    settings: &TrainSAESettings,
    options: &TrainOptions,
    trainer: &mut Trainer,
    sae: &mut SparseAutoEncoder,
    stream: &mut ActivationStream,
    model: Option<&LanguageModel>,
    context: &RunContext,
) -> Result<FitOutcome> {
    let written = to_value(settings)?;
    let events = Events::new();
    events.add(Box::new(Relay(context.events.clone())));
    if settings.tensorboard {
        let folder = Path::new(&settings.trainer.exp_result_path).join("tensorboard");
        events.add(Box::new(TensorBoard::create(&folder)?));
    }
    let wandb = match &settings.wandb {
        Some(config) => start_wandb(config, &written, context)?,
        None => None,
    };
    if let Some(run) = &wandb {
        events.add(Box::new(run.clone()));
    }
    let fit_options = FitOptions {
        eval_fn: evaluation(settings, model, context)?,
        provenance: Provenance {
            settings: Some(written),
            facts: options.facts.clone(),
        },
        events: Some(events),
        on_step: None,
    };
    let outcome = trainer.fit(sae, stream, context, fit_options);
    if let Some(run) = wandb {
        run.finish(outcome.is_err())?;
    }
    outcome
}

/// Writes the trained dictionary and the model's settings into the run's folder.
fn save(
    settings: &TrainSAESettings,
    sae: &mut SparseAutoEncoder,
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
}

/// A W&B run that observes the training and is finished after it.
#[derive(Clone)]
struct SharedRun(Arc<Mutex<WandbRun>>);

impl SharedRun {
    fn finish(&self, failed: bool) -> Result<()> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .finish(i32::from(failed))
    }
}

impl Observer for SharedRun {
    fn on(&mut self, event: &Event) -> Result<Control> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).on(event)
    }
}

/// Starts the W&B run. Without W&B on this machine the training goes on without it, and says so.
fn start_wandb(
    config: &crate::report::wandb::WandbConfig,
    settings: &Value,
    context: &RunContext,
) -> Result<Option<SharedRun>> {
    match WandbRun::init(config, settings) {
        Ok(run) => {
            context.events.note(format!("logging to W&B: {}", run.place()))?;
            Ok(Some(SharedRun(Arc::new(Mutex::new(run)))))
        }
        Err(error) => {
            context
                .events
                .warn(format!("training goes on without W&B: {error}"))?;
            Ok(None)
        }
    }
}
