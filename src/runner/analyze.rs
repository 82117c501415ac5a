//! From settings to a store of what the latents of a dictionary mean.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::analyze_settings::{AnalysisSettings, AnalyzePlan};
use super::analyzed::{hold_store, load};
use super::facts::{Facts, compare_with_training, decided_by, facts_of, store_for};
use super::logits::attribute_into;
use super::side_by_side::side_by_side;
use crate::activations::{ActivationFactorySource, Inputs};
use crate::analysis::{AnalysisInputs, AnalysisReport, DirectLogitAttributor, FeatureAnalyzer};
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Context, Error, Result};
use crate::event::{Event, RunContext};
use crate::findings::{Analysis, Store, Vocabulary};
use crate::fingerprint::Allowances;
use crate::model::{Backend, LanguageModel};
use crate::text::Dataset;

/// What an analysis may be told besides its settings.
#[derive(Clone, Debug, Default)]
pub struct AnalyzeOptions {
    /// Take the place of an analysis of the same name, once this one is complete.
    pub replace: bool,
    /// Settings that may differ from those that an unfinished analysis was begun with; "dictionary" for that of the store.
    pub allow_change: Allowances,
}

/// How an analysis ended.
#[derive(Clone, Debug)]
pub struct AnalyzeReport {
    /// The store.
    pub store: PathBuf,
    /// The analysis as the store has it.
    pub analysis: Analysis,
    /// Passes over the stream that this call made.
    pub passes: u32,
}

/// Analyses as `plan` says.
///
/// # Errors
/// As [`analyze_sae`](super::analyze_sae()).
pub(super) fn analyze(
    plan: &AnalyzePlan,
    options: &AnalyzeOptions,
    context: &RunContext,
) -> Result<AnalyzeReport> {
    let path = plan.settings.store_path();
    let _lock = hold_store(&path, context).under("store")?;
    let sae = load(&plan.sae, context).under("sae")?;
    check_hook_points(plan, &sae)?;
    let folder = Path::new(&plan.sae.pretrained_name_or_path);
    let identity = SparseAutoEncoder::identity(folder, context)?;
    let model = plan
        .model
        .as_ref()
        .map(|model| LanguageModel::load(model, context).under("model"));
    let model = model.transpose()?;
    compare_with_training(folder, model.as_ref(), &options.allow_change, context)?;
    let inputs = stream_inputs(plan, model.as_ref(), context)?;
    let about = about(&plan.settings, &sae, &identity, model.as_ref())?;
    let is_new = !path.exists();
    let store = store_for(&path, &about, &options.allow_change, context).under("store")?;
    let subject = Subject {
        sae: &sae,
        identity: &identity,
        model: model.as_ref(),
        inputs,
    };
    let done = write(&store, plan, &subject, options, context);
    // What was refused before it began leaves no empty store behind.
    if done.is_err() && is_new && store.analyses().is_ok_and(|all| all.is_empty()) {
        drop(store);
        let _ = std::fs::remove_file(&path);
    }
    let report = done?;
    context.events.emit(Event::Saved {
        what: "analysis",
        path: path.clone(),
    })?;
    Ok(AnalyzeReport {
        store: path,
        analysis: report.analysis,
        passes: report.passes,
    })
}

/// What is analysed.
struct Subject<'a> {
    sae: &'a SparseAutoEncoder,
    identity: &'a str,
    model: Option<&'a LanguageModel>,
    inputs: Inputs,
}

/// Analyses into `store`, and attributes logits where the model's weights are there.
fn write(
    store: &Store,
    plan: &AnalyzePlan,
    subject: &Subject<'_>,
    options: &AnalyzeOptions,
    context: &RunContext,
) -> Result<AnalysisReport> {
    let name = &plan.settings.feature_analysis_name;
    tell_vocabulary(store, subject.model, context)?;
    let attributed = attributed(subject, context)?;
    let mut open = || side_by_side(&plan.streams, &subject.inputs, context);
    let sources = plan.streams.iter().flat_map(|stream| &stream.factory.sources);
    let is_dataset = |source: &ActivationFactorySource| matches!(source, ActivationFactorySource::Dataset(_));
    let mut at_last = || match attributed {
        Some(model) => attribute_into(store, (subject.sae, model), &plan.logits, context),
        None => Ok(()),
    };
    let inputs = AnalysisInputs {
        sae: subject.sae,
        open: &mut open,
        can_replay: true,
        amp: plan.settings.amp_dtype,
        decided_by: decided_by(subject.sae, subject.identity)?,
        runs_a_model: sources.into_iter().any(is_dataset),
        allow_change: options.allow_change.clone(),
        replace: options.replace,
        at_last: &mut at_last,
    };
    FeatureAnalyzer::new(&plan.analyzer)?.analyze(store, name, inputs, context)
}

/// Returns the model to whose logits the latents add something: one with weights, whose residual stream they write into.
/// That they do not is said.
fn attributed<'a>(subject: &Subject<'a>, context: &RunContext) -> Result<Option<&'a LanguageModel>> {
    let with_weights = |model: &&LanguageModel| model.config().backend != Backend::TokenizerOnly;
    let Some(model) = subject.model.filter(with_weights) else {
        return Ok(None);
    };
    match DirectLogitAttributor::directions(subject.sae, model) {
        Ok(_) => Ok(Some(model)),
        Err(error) => {
            let said = format!("the analysis is without logits: {}", error.message());
            context.events.warn(said)?;
            Ok(None)
        }
    }
}

/// Returns what streams are made from.
fn stream_inputs(plan: &AnalyzePlan, model: Option<&LanguageModel>, context: &RunContext) -> Result<Inputs> {
    let mut datasets = BTreeMap::new();
    for (name, config) in &plan.datasets {
        let dataset = Dataset::load(config, context)
            .under(name.as_str())
            .under("datasets")?;
        datasets.insert(name.clone(), dataset);
    }
    let named = plan.settings.model_name.clone();
    Ok(Inputs {
        model: model.map(|model| Arc::new(model.clone()) as Arc<_>),
        model_name: named.or_else(|| Some(plan.model.as_ref()?.model_name.clone())),
        datasets,
        ..Inputs::default()
    })
}

/// Refuses streams without the hook points that the dictionary reads.
fn check_hook_points(plan: &AnalyzePlan, sae: &SparseAutoEncoder) -> Result<()> {
    let given: Vec<&String> = plan
        .streams
        .iter()
        .flat_map(|stream| &stream.factory.hook_points)
        .collect();
    for hook in sae.cfg.reads() {
        if !given.iter().any(|one| *one == hook) {
            let shown: Vec<String> = given.iter().map(|one| format!("`{one}`")).collect();
            let error = Error::input(format!(
                "the dictionary reads `{hook}`, but the stream has {}",
                shown.join(", ")
            ))
            .hint("give the hook points of the dictionary, or the dictionary of these hook points");
            return Err(match plan.streams.as_slice() {
                [only] => only.blamed(error.under("hook_points")),
                _ => error.under("activation_factories"),
            });
        }
    }
    Ok(())
}

/// Returns what a store says of its dictionary and model.
fn about(
    settings: &AnalysisSettings,
    sae: &SparseAutoEncoder,
    identity: &str,
    model: Option<&LanguageModel>,
) -> Result<Facts> {
    let mut facts = facts_of(sae, model)?;
    for (key, value) in [
        ("dictionary.name", settings.sae_name.as_str()),
        ("dictionary.series", &settings.sae_series),
        ("dictionary.path", &settings.sae.pretrained_name_or_path),
        ("dictionary.identity", identity),
    ] {
        facts.insert(key.into(), value.to_string());
    }
    if let (Some(name), Some(_)) = (&settings.model_name, model) {
        facts.insert("model.name".into(), name.clone());
    }
    Ok(facts)
}

/// Writes what tokens stand for, where that is known and not there yet.
fn tell_vocabulary(store: &Store, model: Option<&LanguageModel>, context: &RunContext) -> Result<()> {
    if !store.vocabulary()?.is_empty() {
        return Ok(());
    }
    let Some(model) = model else {
        return context.events.warn(
            "without a `model` nobody knows what the tokens stand for: the store will have their numbers alone; a model \
             with backend = \"tokenizer_only\" tells",
        );
    };
    let vocabulary = Vocabulary::new(model.tokenizer().token_bytes());
    store.transaction(|| store.put_vocabulary(&vocabulary))
}
