//! Whole runs from settings: `train_sae(settings)`, `evaluate_sae(settings)`.

use rhai::plugin::*;
use rhai::{Dynamic, Map, Module};

use super::analysis_handle::AnalysisHandle;
use super::fit::{facts, outcome_name};
use super::trainer::metrics_map;
use super::writer::written_map;
use crate::event::RunContext;
use crate::runner::{
    AnalyzeCrosscoderSettings, AnalyzeOptions, AnalyzeReport, AnalyzeSAESettings,
    DirectLogitAttributeSettings, EvalSettings, GenerateActivationsSettings, GenerateOptions, TrainOptions,
    TrainSAESettings, analyze_crosscoder, analyze_sae, direct_logit_attribute as attribute, evaluate_sae,
    generate_activations, train_sae,
};
use crate::script::arguments::Arguments;
use crate::script::class::ConfigHandle;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::script::state::State;

/// Puts the functions into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "runner", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// How a training from settings goes on after an interruption.
const WITH_RESUME: &str =
    "to go on from there, call `train_sae(settings, #{ resume: true })` with the same settings";

fn train(
    context: &NativeCallContext,
    settings: &TrainSAESettings,
    options: Map,
) -> crate::error::Result<Map> {
    let mut arguments = Arguments::new("", "train_sae", options);
    let resume = arguments.data("resume")?.unwrap_or(false);
    let allow_change = arguments.allowances()?;
    arguments.finish()?;
    let state = State::of(context);
    let options = TrainOptions {
        resume,
        allow_change,
        facts: facts(context, &state),
    };
    let report = train_sae(settings, &options, state.context())?;
    let entries = [
        ("folder", Dynamic::from(report.folder.display().to_string())),
        (
            "outcome",
            outcome_name(&report.outcome, &state, WITH_RESUME)?.into(),
        ),
        ("steps", (report.steps as i64).into()),
        ("metrics", metrics_map(&report.metrics).into()),
    ];
    Ok(entries
        .into_iter()
        .map(|(name, value)| (name.into(), value))
        .collect())
}

fn generate(
    context: &NativeCallContext,
    settings: &GenerateActivationsSettings,
    options: Map,
) -> crate::error::Result<Map> {
    let mut arguments = Arguments::new("", "generate_activations", options);
    let options = GenerateOptions {
        allow_change: arguments.allowances()?,
    };
    arguments.finish()?;
    generate_activations(settings, &options, State::of(context).context()).map(written_map)
}

/// A function that analyses as settings of its class say.
type Analyzer<C> = fn(&C, &AnalyzeOptions, &RunContext) -> crate::error::Result<AnalyzeReport>;

fn analyze<C>(
    context: &NativeCallContext,
    (name, analyzer): (&'static str, Analyzer<C>),
    settings: &C,
    options: Map,
) -> crate::error::Result<AnalysisHandle> {
    let mut arguments = Arguments::new("", name, options);
    let options = AnalyzeOptions {
        replace: arguments.data("replace")?.unwrap_or(false),
        allow_change: arguments.allowances()?,
    };
    arguments.finish()?;
    let report = analyzer(settings, &options, State::of(context).context())?;
    AnalysisHandle::open(&report.store, Some(&report.analysis.name))
}

fn logits(
    context: &NativeCallContext,
    settings: &DirectLogitAttributeSettings,
    options: Map,
) -> crate::error::Result<String> {
    let mut arguments = Arguments::new("", "direct_logit_attribute", options);
    let allowed = arguments.allowances()?;
    arguments.finish()?;
    let path = attribute(settings, &allowed, State::of(context).context())?;
    Ok(path.display().to_string())
}

const SAE: (&str, Analyzer<AnalyzeSAESettings>) = ("analyze_sae", analyze_sae);
const CROSSCODER: (&str, Analyzer<AnalyzeCrosscoderSettings>) = ("analyze_crosscoder", analyze_crosscoder);

#[export_module(manifest)]
mod functions {
    /// Finds out what the latents of a trained dictionary mean, into one file; goes on where an earlier call was
    /// interrupted. Returns the analysis.
    #[rhai_fn(name = "analyze_sae", return_raw, volatile)]
    pub fn analyze_settings(
        context: NativeCallContext,
        settings: ConfigHandle<AnalyzeSAESettings>,
    ) -> RhaiResultOf<AnalysisHandle> {
        analyze(&context, SAE, &settings.get(), Map::new()).raise()
    }

    /// Analyses with `#{ replace: true }`: takes the place of an analysis of the same name, once it is complete.
    /// `allow_change: ["model.weights"]` names what may differ from what an unfinished analysis was begun with.
    #[rhai_fn(name = "analyze_sae", return_raw, volatile)]
    pub fn analyze_with_options(
        context: NativeCallContext,
        settings: ConfigHandle<AnalyzeSAESettings>,
        options: Map,
    ) -> RhaiResultOf<AnalysisHandle> {
        analyze(&context, SAE, &settings.get(), options).raise()
    }

    /// Finds out what the latents of a crosscoder mean, over several streams whose hook points are read side by side.
    /// Returns the analysis.
    #[rhai_fn(name = "analyze_crosscoder", return_raw, volatile)]
    pub fn analyze_heads(
        context: NativeCallContext,
        settings: ConfigHandle<AnalyzeCrosscoderSettings>,
    ) -> RhaiResultOf<AnalysisHandle> {
        analyze(&context, CROSSCODER, &settings.get(), Map::new()).raise()
    }

    /// Analyses with `#{ replace: true }` or `allow_change`, as `analyze_sae` does.
    #[rhai_fn(name = "analyze_crosscoder", return_raw, volatile)]
    pub fn analyze_heads_with_options(
        context: NativeCallContext,
        settings: ConfigHandle<AnalyzeCrosscoderSettings>,
        options: Map,
    ) -> RhaiResultOf<AnalysisHandle> {
        analyze(&context, CROSSCODER, &settings.get(), options).raise()
    }

    /// Computes what the latents of a dictionary add to the logits of its model, into the store of an analysis. Returns
    /// the path of the store.
    #[rhai_fn(return_raw, volatile)]
    pub fn direct_logit_attribute(
        context: NativeCallContext,
        settings: ConfigHandle<DirectLogitAttributeSettings>,
    ) -> RhaiResultOf<String> {
        logits(&context, &settings.get(), Map::new()).raise()
    }

    /// Attributes with `#{ allow_change: ["model.weights"] }`: what of the dictionary and the model may differ from what
    /// the store and the training have.
    #[rhai_fn(name = "direct_logit_attribute", return_raw, volatile)]
    pub fn direct_logit_attribute_with_options(
        context: NativeCallContext,
        settings: ConfigHandle<DirectLogitAttributeSettings>,
        options: Map,
    ) -> RhaiResultOf<String> {
        logits(&context, &settings.get(), options).raise()
    }

    /// Trains a dictionary of any kind as the settings say and saves it. Returns
    /// `#{ folder, outcome, steps, metrics }`, where `outcome` is as `fit` returns it and `metrics` are those logged
    /// last, by name.
    #[rhai_fn(name = "train_sae", return_raw, volatile)]
    pub fn train_settings(
        context: NativeCallContext,
        settings: ConfigHandle<TrainSAESettings>,
    ) -> RhaiResultOf<Map> {
        train(&context, &settings.get(), Map::new()).raise()
    }

    /// Trains with `#{ resume: true }`: goes on from the newest checkpoint in the run's folder.
    /// `allow_change: ["trainer.lr"]` names settings that may differ from those that the run was begun with.
    #[rhai_fn(name = "train_sae", return_raw, volatile)]
    pub fn train_with_options(
        context: NativeCallContext,
        settings: ConfigHandle<TrainSAESettings>,
        options: Map,
    ) -> RhaiResultOf<Map> {
        train(&context, &settings.get(), options).raise()
    }

    /// Writes a language model's activations to disk as the settings say; goes on where an earlier call was
    /// interrupted. Returns `#{ chunks, tokens, bytes, kept }`.
    #[rhai_fn(name = "generate_activations", return_raw, volatile)]
    pub fn generate_settings(
        context: NativeCallContext,
        settings: ConfigHandle<GenerateActivationsSettings>,
    ) -> RhaiResultOf<Map> {
        generate(&context, &settings.get(), Map::new()).raise()
    }

    /// Generates with `#{ allow_change: ["model.dtype"] }`: settings that may differ from those that the folder was
    /// begun with.
    #[rhai_fn(name = "generate_activations", return_raw, volatile)]
    pub fn generate_with_options(
        context: NativeCallContext,
        settings: ConfigHandle<GenerateActivationsSettings>,
        options: Map,
    ) -> RhaiResultOf<Map> {
        generate(&context, &settings.get(), options).raise()
    }

    /// Evaluates a trained dictionary on its language model, and returns the metrics by name.
    #[rhai_fn(name = "evaluate_sae", return_raw, volatile)]
    pub fn evaluate_settings(
        context: NativeCallContext,
        settings: ConfigHandle<EvalSettings>,
    ) -> RhaiResultOf<Map> {
        let state = State::of(&context);
        evaluate_sae(&settings.get(), state.context())
            .map(|metrics| metrics_map(&metrics))
            .raise()
    }
}
