//! `FeatureAnalyzer`: analyses of a script's own dictionaries and streams.

use std::path::Path;

use rhai::plugin::*;
use rhai::{Map, Module};

use super::analysis_handle::AnalysisHandle;
use super::factory::{ActivationFactoryHandle, inputs_of};
use super::model::LanguageModelHandle;
use super::sae::SparseAutoEncoderHandle;
use super::stream::ActivationStreamHandle;
use crate::activations::BatchStream;
use crate::analysis::{AnalysisInputs, FeatureAnalyzer, FeatureAnalyzerConfig};
use crate::error::{Error, Result};
use crate::findings::{Store, Vocabulary};
use crate::runner::{decided_by, facts_of, hold_store, store_for};
use crate::script::arguments::Arguments;
use crate::script::class::ConfigHandle;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::script::state::State;

/// An analyzer that scripts hold.
#[derive(Clone)]
pub struct FeatureAnalyzerHandle(FeatureAnalyzer);

/// Puts the analyzer object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<FeatureAnalyzerHandle>(
        "FeatureAnalyzer",
        &["/// Finds out what the latents of a dictionary mean, over a stream of whole contexts."],
    );
    combine_with_exported_module!(module, "analyzer", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

fn analyze(analyzer: &FeatureAnalyzer, context: &NativeCallContext, options: Map) -> Result<AnalysisHandle> {
    let mut arguments = Arguments::new("FeatureAnalyzer", "analyze_chunk", options);
    let stream = arguments.optional::<ActivationStreamHandle>("stream", "an ActivationStream")?;
    let factory = match stream {
        Some(_) => None,
        None => Some(arguments.required::<ActivationFactoryHandle>("factory", "an ActivationFactory")?),
    };
    let sae = arguments.required::<SparseAutoEncoderHandle>("sae", "a SparseAutoEncoder")?;
    let path: String = arguments
        .data("store")?
        .ok_or_else(|| Error::input("`analyze_chunk` needs the argument `store`: the file to write"))?;
    let model = arguments.optional::<LanguageModelHandle>("model", "a language model")?;
    let name: Option<String> = arguments.data("name")?;
    let replace = arguments.data("replace")?.unwrap_or(false);
    let allow_change = arguments.allowances()?;
    let mut inputs = inputs_of(&mut arguments)?;
    arguments.finish()?;
    inputs.model = model.as_ref().map(LanguageModelHandle::for_activations);
    let name = name.unwrap_or_else(|| "default".into());
    let state = State::of(context);
    let _lock = hold_store(Path::new(&path), state.context())?;
    let sae_handle = sae;
    let sae = sae_handle.get()?;
    let facts = facts_of(&sae, model.as_ref().map(LanguageModelHandle::model))?;
    let store = store_for(Path::new(&path), &facts, &allow_change, state.context())?;
    tell_vocabulary(&store, model.as_ref())?;
    let runs_a_model = inputs.model.is_some() && !inputs.datasets.is_empty();
    let mut open = || -> Result<Box<dyn BatchStream>> {
        match (&factory, &stream) {
            (Some(factory), _) => Ok(Box::new(factory.stream(inputs.clone(), state.context())?)),
            (None, Some(stream)) => Ok(Box::new(stream.clone())),
            (None, None) => Err(Error::input("`analyze_chunk` needs a `factory` or a `stream`")),
        }
    };
    let mut decided = decided_by(&sae, &facts["dictionary.weights"])?;
    if sae_handle.activation().is_some() {
        decided.set_unverified("sae.activation", "an activation function of the script");
    }
    let inputs = AnalysisInputs {
        sae: &sae,
        open: &mut open,
        can_replay: factory.is_some(),
        amp: None,
        decided_by: decided,
        runs_a_model,
        allow_change,
        replace,
        at_last: &mut || Ok(()),
    };
    analyzer.analyze(&store, &name, inputs, state.context())?;
    drop(store);
    AnalysisHandle::open(Path::new(&path), Some(&name))
}

/// Writes what tokens stand for, where `model` knows it and the store does not.
fn tell_vocabulary(store: &Store, model: Option<&LanguageModelHandle>) -> Result<()> {
    if let Some(model) = model.filter(|_| store.vocabulary().is_ok_and(|known| known.is_empty())) {
        let vocabulary = Vocabulary::new(model.model().tokenizer().token_bytes());
        store.transaction(|| store.put_vocabulary(&vocabulary))?;
    }
    Ok(())
}

#[export_module(manifest)]
mod functions {
    /// Makes an analyzer.
    #[rhai_fn(name = "FeatureAnalyzer", return_raw)]
    pub fn new_analyzer(config: ConfigHandle<FeatureAnalyzerConfig>) -> RhaiResultOf<FeatureAnalyzerHandle> {
        FeatureAnalyzer::new(config.get())
            .map(FeatureAnalyzerHandle)
            .raise()
    }

    /// Analyses a dictionary into a file: `#{ factory: factory, sae: sae, store: "a.sqlite", model: model,
    /// datasets: #{ wiki: dataset } }`. The factory's target is `ACTIVATIONS_2D`; its stream is read at least twice. In
    /// its place `stream` is one that can be read only once, for which the analyzer has to have `single_pass`. A model also tells what the tokens stand for.
    /// `name` is that of the analysis, and with `replace: true` it takes the place of one of the same name, once it is
    /// complete. A store of another dictionary or model is refused, unless `allow_change: ["dictionary.weights"]` names
    /// what differs. Returns the analysis.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn analyze_chunk(
        context: NativeCallContext,
        analyzer: &mut FeatureAnalyzerHandle,
        options: Map,
    ) -> RhaiResultOf<AnalysisHandle> {
        analyze(&analyzer.0, &context, options).raise()
    }

    /// Returns a copy of the configuration that it was made with.
    #[rhai_fn(get = "cfg", pure)]
    pub fn cfg(analyzer: &mut FeatureAnalyzerHandle) -> ConfigHandle<FeatureAnalyzerConfig> {
        ConfigHandle::new(analyzer.0.config().clone())
    }

    /// Returns what it is, in words.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(analyzer: &mut FeatureAnalyzerHandle) -> String {
        format!(
            "FeatureAnalyzer({} tokens)",
            analyzer.0.config().total_analyzing_tokens
        )
    }
}
