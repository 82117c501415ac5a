//! What comes before the first step of a training, for the run itself and for its rehearsal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::evaluate::evaluation;
use super::going_on::{began_with, compare, load, to_go_on};
use super::options::TrainOptions;
use super::plan::TrainPlan;
use super::sae_choice::Beginning;
use crate::activations::{ActivationFactory, ActivationFactoryTarget, ActivationStream, Inputs};
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Context, Result};
use crate::event::RunContext;
use crate::fingerprint::Fingerprint;
use crate::model::LanguageModel;
use crate::text::Dataset;
use crate::train::{Initializer, InitializerInputs, Run, list_checkpoints};

/// How much is done before the first step.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Effort {
    /// All of it.
    Full,
    /// What may be refused: no grid search.
    Refusals,
}

/// A run before its first step, or before the next.
pub(super) struct Prepared {
    /// What decided how the dictionary began.
    pub(super) began_with: Fingerprint,
    pub(super) model: Option<LanguageModel>,
    pub(super) stream: ActivationStream,
    pub(super) run: Run,
    pub(super) sae: SparseAutoEncoder,
}

impl Prepared {
    /// Opens model, data and dictionary; compares with and reads the newest checkpoint where the run goes on.
    ///
    /// # Errors
    /// What cannot be opened or does not fit; a checkpoint that was made with something else.
    pub(super) fn new(
        plan: &TrainPlan,
        options: &TrainOptions,
        effort: Effort,
        context: &RunContext,
    ) -> Result<Self> {
        let newest = if options.resume {
            list_checkpoints(Path::new(&plan.trainer.exp_result_path)).pop()
        } else {
            None
        };
        let datasets = load_datasets(plan, context)?;
        let began_with = began_with(plan, context)?;
        compare(plan, options, newest.as_ref(), (&datasets, &began_with), context)?;
        let mut run = Run::new(&plan.trainer)?;
        run.allow_change(options.allow_change.clone());
        if newest.is_none() {
            announce(plan, &mut run, context)?;
        }
        let model = plan
            .model
            .as_ref()
            .map(|model| LanguageModel::load(model, context).under("model"))
            .transpose()?;
        evaluation(plan, model.as_ref(), context)?;
        let mut stream = open_stream(plan, model.as_ref(), datasets, context)?;
        let sae = match &newest {
            Some(newest) => load_newest(newest, plan, &mut run, context)?,
            None => {
                if options.resume {
                    context
                        .events
                        .note("there is no checkpoint to go on from; the run begins anew")?;
                }
                make(plan, &mut stream, model.as_ref(), effort, context)?
            }
        };
        Ok(Prepared {
            began_with,
            model,
            stream,
            run,
            sae,
        })
    }
}

/// Makes the remarks about a run whose batches are known to be of one size, before anything is loaded.
fn announce(plan: &TrainPlan, run: &mut Run, context: &RunContext) -> Result<()> {
    let factory = &plan.activation_factory;
    if let (Beginning::Fresh(sae), ActivationFactoryTarget::Activations1D) = (&plan.sae, factory.target) {
        return run.announce(sae, factory.batch_size as u64, &context.events);
    }
    Ok(())
}

/// The dictionary of the newest checkpoint, and `run` as it was there.
fn load_newest(
    (step, path): &(u64, PathBuf),
    plan: &TrainPlan,
    run: &mut Run,
    context: &RunContext,
) -> Result<SparseAutoEncoder> {
    context
        .events
        .note(format!("going on from step {step}: {}", path.display()))?;
    let mut sae = to_go_on(path, plan, context)?;
    run.continue_from(&mut sae, path)?;
    Ok(sae)
}

fn load_datasets(plan: &TrainPlan, context: &RunContext) -> Result<BTreeMap<String, Dataset>> {
    let mut datasets = BTreeMap::new();
    for (name, config) in &plan.datasets {
        let sources = &plan.activation_factory.sources;
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
    plan: &TrainPlan,
    model: Option<&LanguageModel>,
    datasets: BTreeMap<String, Dataset>,
    context: &RunContext,
) -> Result<ActivationStream> {
    let named = plan.model_name.clone();
    let inputs = Inputs {
        model: model.map(|model| Arc::new(model.clone()) as Arc<_>),
        model_name: named.or_else(|| Some(plan.model.as_ref()?.model_name.clone())),
        datasets,
        ..Inputs::default()
    };
    ActivationFactory::new(&plan.activation_factory)
        .and_then(|factory| factory.process(inputs, context))
        .under("activation_factory")
}

/// The dictionary that training begins with.
fn make(
    plan: &TrainPlan,
    stream: &mut ActivationStream,
    model: Option<&LanguageModel>,
    effort: Effort,
    context: &RunContext,
) -> Result<SparseAutoEncoder> {
    let cfg = match &plan.sae {
        Beginning::Fresh(cfg) => cfg,
        Beginning::Pretrained(trained) => {
            if plan.initializer.is_some() {
                context
                    .events
                    .warn("`initializer` does nothing here: the dictionary begins with trained weights")?;
            }
            return load(Path::new(&trained.pretrained_name_or_path), plan, context).under("sae");
        }
    };
    // What goes on from a checkpoint has begun, and needs its batches for going on.
    let begins = plan.trainer.from_pretrained_path.is_none();
    let Some(initializer) = plan.initializer.as_ref().filter(|_| begins) else {
        return SparseAutoEncoder::from_config(cfg, context).under("sae");
    };
    let mlp = mlp_of(model, initializer.model_layer);
    let inputs = InitializerInputs {
        stream: Some(stream),
        mlp: mlp.as_deref(),
        ..InitializerInputs::default()
    };
    let initializer = match (Initializer::new(initializer)?, effort) {
        (initializer, Effort::Full) => initializer,
        (initializer, Effort::Refusals) => initializer.without_search(),
    };
    initializer.initialize_sae_from_config(cfg, inputs, context)
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
