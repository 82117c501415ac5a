//! Evaluating a dictionary on its model: during a training, and by itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::plan::TrainPlan;
use super::sae_choice::PretrainedSAE;
use crate::activations::{
    ActivationFactory, ActivationFactoryConfig, ActivationFactorySource, ActivationStream, Inputs,
};
use crate::config::{Checked, Config, checked, to_value};
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Context, Error, Result};
use crate::eval::evaluate;
use crate::event::{Metrics, RunContext};
use crate::model::{LanguageModel, LanguageModelConfig};
use crate::text::{Dataset, DatasetConfig};
use crate::train::EvalFn;

/// Sequences in a batch of an evaluation, and batches of an evaluation during a training.
const SEQUENCES: u64 = 8;
const BATCHES: u64 = 4;
const CONTEXT: usize = 128;

/// Evaluation of a trained dictionary on a language model.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvalSettings {
    /// The trained dictionary.
    pub sae: PretrainedSAE,
    /// The language model it was trained on.
    pub model: LanguageModelConfig,
    /// Texts to evaluate on.
    pub dataset: DatasetConfig,
    /// Tokens in each sequence.
    #[serde(default = "default_context")]
    pub context_size: usize,
    /// Sequences in one forward pass.
    #[serde(default = "default_batch")]
    pub batch_size: u64,
    /// Tokens to evaluate on, BOS and padding included.
    #[serde(default = "default_tokens")]
    pub total_tokens: u64,
}

fn default_context() -> usize {
    CONTEXT
}

fn default_batch() -> u64 {
    SEQUENCES
}

fn default_tokens() -> u64 {
    100_000
}

impl Config for EvalSettings {
    const NAME: &'static str = "EvalSettings";

    fn validate(&self) -> Result<()> {
        self.plan().map(drop)
    }
}

/// What the settings of an evaluation resolve to besides their numbers; all of it was checked.
struct EvalPlan {
    sae: Checked<PretrainedSAE>,
    model: Checked<LanguageModelConfig>,
    dataset: Checked<DatasetConfig>,
}

impl EvalSettings {
    /// Checks the settings.
    ///
    /// # Errors
    /// What is wrong, under its key.
    fn plan(&self) -> Result<EvalPlan> {
        let sae = Checked::new(self.sae.clone()).under("sae")?;
        let model = Checked::new(self.model.clone()).under("model")?;
        let dataset = Checked::new(self.dataset.clone()).under("dataset")?;
        for (key, value) in [
            ("context_size", self.context_size as u64),
            ("batch_size", self.batch_size),
            ("total_tokens", self.total_tokens),
        ] {
            if value < 1 {
                return Err(Error::input("must be at least 1").under(key));
            }
        }
        Ok(EvalPlan { sae, model, dataset })
    }
}

/// Evaluates a trained dictionary: explained variance, L0, and the cross-entropy that it recovers.
///
/// # Errors
/// Settings that make no sense; a dictionary, model or data set that cannot be read; hook points or widths that do not
/// fit.
pub fn evaluate_sae(settings: &EvalSettings, context: &RunContext) -> Result<Metrics> {
    let plan = settings.plan()?;
    let sae = plan.sae.load(context).under("sae")?;
    let model = LanguageModel::load(plan.model, context).under("model")?;
    let dataset = Dataset::load(plan.dataset, context).under("dataset")?;
    let name = "evaluation".to_string();
    let factory = checked(json!({
        "sources": [{"type": "dataset", "name": name}], "target": "tokens", "hook_points": [],
        "batch_size": settings.batch_size, "context_size": settings.context_size,
    }))?;
    let mut stream = tokens_of(&factory, &model, [(name, dataset)].into(), context)?;
    let in_batch = settings.batch_size * settings.context_size as u64;
    let batches = settings.total_tokens.div_ceil(in_batch);
    evaluate(&sae, &model, &mut stream, batches, context)
}

fn tokens_of(
    factory: &Checked<ActivationFactoryConfig>,
    model: &LanguageModel,
    datasets: BTreeMap<String, Dataset>,
    context: &RunContext,
) -> Result<ActivationStream> {
    let inputs = Inputs {
        model: Some(std::sync::Arc::new(model.clone())),
        datasets,
        ..Inputs::default()
    };
    ActivationFactory::new(factory)?.process(inputs, context)
}

/// Returns the evaluation of a training run, where its settings ask for one: the same first texts of its data every
/// time.
pub(super) fn evaluation<'a>(
    plan: &'a TrainPlan,
    model: Option<&'a LanguageModel>,
    context: &'a RunContext,
) -> Result<Option<EvalFn<'a>>> {
    let (true, Some(model)) = (plan.eval, model) else {
        return Ok(None);
    };
    let factory = &plan.activation_factory;
    let is_text = |source: &&ActivationFactorySource| matches!(source, ActivationFactorySource::Dataset(_));
    let texts: Vec<&ActivationFactorySource> = factory.sources.iter().filter(is_text).collect();
    if texts.is_empty() {
        return Err(
            Error::input("an evaluation needs texts, but the activations come from a cache only")
                .hint("set `eval` to false, and evaluate the saved dictionary by itself")
                .under("eval"),
        );
    }
    let mut tokens = json!({
        "target": "tokens", "hook_points": [], "batch_size": SEQUENCES, "context_size": factory.context_size.unwrap_or(CONTEXT),
    });
    tokens["sources"] = to_value(&texts)?;
    tokens["ignore_token_ids"] = to_value(&factory.ignore_token_ids)?;
    let factory: Checked<ActivationFactoryConfig> = checked(tokens)?;
    Ok(Some(Box::new(move |sae: &SparseAutoEncoder, _| {
        let quiet = RunContext {
            stop: context.stop.clone(),
            ..RunContext::default()
        };
        let mut loaded = BTreeMap::new();
        for (name, config) in &plan.datasets {
            loaded.insert(name.clone(), Dataset::load(config, &quiet)?);
        }
        let mut stream = tokens_of(&factory, model, loaded, &quiet)?;
        let metrics = evaluate(sae, model, &mut stream, BATCHES, &quiet)?;
        Ok(metrics
            .into_iter()
            .filter(|(name, _)| name.contains("downstream") || name.contains("recovered"))
            .collect())
    })))
}
