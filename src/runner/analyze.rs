//! From settings to a store of what the latents of a dictionary mean.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::analyze_settings::{AnalysisSettings, AnalyzePlan};
use super::analyzed::{hold_store, load};
use super::logits::attribute_into;
use super::side_by_side::side_by_side;
use crate::activations::{ActivationFactorySource, Inputs};
use crate::analysis::{AnalysisInputs, AnalysisReport, FeatureAnalyzer};
use crate::config::Value;
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Context, Error, Result};
use crate::event::{Event, RunContext};
use crate::findings::{Analysis, Store, Vocabulary};
use crate::fingerprint::{Allowances, Fingerprint, Names};
use crate::model::{Backend, LanguageModel};
use crate::text::Dataset;
use crate::train::list_checkpoints;

/// What an analysis may be told besides its settings.
#[derive(Clone, Debug, Default)]
pub struct AnalyzeOptions {
    /// Remove an analysis of the same name first.
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
    let identity = SparseAutoEncoder::identity(Path::new(&plan.sae.pretrained_name_or_path), context)?;
    let model = plan
        .model
        .as_ref()
        .map(|model| LanguageModel::load(model, context).under("model"));
    let model = model.transpose()?;
    compare_with_training(plan, model.as_ref(), options, context).under("model")?;
    let inputs = stream_inputs(plan, model.as_ref(), context)?;
    let about = about(&plan.settings, &sae, &identity, model.as_ref())?;
    let is_new = !path.exists();
    let store = open_store(&path, &about, options).under("store")?;
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
    let there = store.analyses()?.into_iter().find(|one| one.name == *name);
    if let Some(there) = there.filter(|_| options.replace) {
        store.remove_analysis(there.id)?;
    }
    let mut open = || side_by_side(&plan.streams, &subject.inputs, context);
    let mut decided_by = Fingerprint::default();
    decided_by.set("sae", subject.identity.into());
    let sources = plan.streams.iter().flat_map(|stream| &stream.factory.sources);
    let is_dataset = |source: &ActivationFactorySource| matches!(source, ActivationFactorySource::Dataset(_));
    let inputs = AnalysisInputs {
        sae: subject.sae,
        open: &mut open,
        can_replay: true,
        amp: plan.settings.amp_dtype,
        decided_by,
        runs_a_model: sources.into_iter().any(is_dataset),
        allow_change: options.allow_change.clone(),
    };
    let report = FeatureAnalyzer::new(&plan.analyzer)?.analyze(store, name, inputs, context)?;
    let with_weights = |model: &&LanguageModel| model.config().backend != Backend::TokenizerOnly;
    if let Some(model) = subject.model.filter(with_weights) {
        let flags = &plan.analyzer.flags;
        attribute_into(store, (subject.sae, model), &plan.logits, flags, context)?;
    }
    Ok(report)
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

/// Refuses another model or tokenizer than the dictionary was trained on, as far as its checkpoints say.
fn compare_with_training(
    plan: &AnalyzePlan,
    model: Option<&LanguageModel>,
    options: &AnalyzeOptions,
    context: &RunContext,
) -> Result<()> {
    let folder = Path::new(&plan.sae.pretrained_name_or_path);
    let Some(model) = model.filter(|_| folder.is_dir()) else {
        return Ok(());
    };
    let newest = list_checkpoints(folder).pop().map(|(_, path)| path);
    let made = match Fingerprint::read(folder)? {
        Some(made) => Some(made),
        None => newest.map(|path| Fingerprint::read(&path)).transpose()?.flatten(),
    };
    let Some(made) = made else { return Ok(()) };
    let (mut was, mut is) = (Fingerprint::default(), Fingerprint::default());
    let here = model.fingerprint()?;
    for key in ["weights", "config", "tokenizer"] {
        let known = made.get(&format!("model.{key}"));
        if let (Some(known), Some(here)) = (known, here.get(key)) {
            was.set(key, known.clone());
            is.set(key, here.clone());
        }
    }
    let what = format!("the training of `{}`", folder.display());
    let comparison = options
        .allow_change
        .compare_part(&what, &was, &is, &Names::of([("", "model.")]))
        .map_err(|error| error.hint("latents mean something only on the model that they were trained on"))?;
    comparison.tell(&context.events)
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
) -> Result<BTreeMap<String, String>> {
    let mut about = BTreeMap::from([
        (
            "program".to_string(),
            format!("saescript {}", env!("CARGO_PKG_VERSION")),
        ),
        ("dictionary.name".into(), settings.sae_name.clone()),
        ("dictionary.series".into(), settings.sae_series.clone()),
        (
            "dictionary.path".into(),
            settings.sae.pretrained_name_or_path.clone(),
        ),
        ("dictionary.identity".into(), identity.to_string()),
        (
            "dictionary.config".into(),
            Value::Object(sae.cfg.architecture()?).to_string(),
        ),
        ("dictionary.d_sae".into(), sae.cfg.d_sae().to_string()),
    ]);
    if let Some(model) = model {
        about.insert(
            "model.name".into(),
            settings
                .model_name
                .clone()
                .unwrap_or_else(|| model.name().to_string()),
        );
        let fingerprint = model.fingerprint()?;
        for key in ["weights", "config", "tokenizer"] {
            if let Some(value) = fingerprint.get(key).and_then(Value::as_str) {
                about.insert(format!("model.{key}"), value.to_string());
            }
        }
    }
    Ok(about)
}

/// Opens the store, or makes it; refuses one of another dictionary, model or tokenizer.
fn open_store(path: &Path, about: &BTreeMap<String, String>, options: &AnalyzeOptions) -> Result<Store> {
    if !path.exists() {
        return Store::create(path, about);
    }
    let store = Store::open(path)?;
    store.require_writable()?;
    let known = store.all_meta()?;
    let facts = |all: &BTreeMap<String, String>| {
        let mut facts = Fingerprint::default();
        for key in [
            "dictionary.identity",
            "model.weights",
            "model.config",
            "model.tokenizer",
        ] {
            if let Some(value) = all.get(key) {
                facts.set(key, value.as_str().into());
            }
        }
        facts
    };
    let (was, mut is) = (facts(&known), facts(about));
    for (key, value) in was.values() {
        // What this analysis does not look at stays what it was.
        if is.get(key).is_none() {
            is.set(key, value.clone());
        }
    }
    let mut was_known = was.clone();
    for (key, value) in is.values() {
        if was.get(key).is_none() {
            was_known.set(key, value.clone());
        }
    }
    let what = format!("the store `{}`", path.display());
    options
        .allow_change
        .compare_part(&what, &was_known, &is, &Names::default())
        .map_err(|error| error.hint("write this analysis into another `store`"))?;
    store.transaction(|| {
        about
            .iter()
            .try_for_each(|(key, value)| store.set_meta(key, value))
    })?;
    Ok(store)
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
