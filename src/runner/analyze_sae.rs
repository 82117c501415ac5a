//! Feature analysis over one stream.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::analyze::{AnalyzeOptions, AnalyzeReport, analyze};
use super::analyze_settings::{AnalysisSettings, AnalyzePlan};
use crate::activations::ActivationFactoryConfig;
use crate::config::Config;
use crate::config::flat::read_both;
use crate::error::{Error, Result};
use crate::event::RunContext;

/// A feature analysis: what the latents of a trained dictionary mean, over a stream of whole contexts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AnalyzeSAESettings {
    /// What all analyses have.
    #[serde(flatten)]
    pub analysis: AnalysisSettings,
    /// Its stream.
    #[serde(flatten)]
    pub stream: AnalyzedStream,
}

/// The stream of an analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AnalyzedStream {
    /// Where its activations come from; the target is "activations-2d".
    pub activation_factory: ActivationFactoryConfig,
    /// Processes that share the latents; 1: this one.
    #[serde(default = "one")]
    pub model_parallel_size: u64,
}

fn one() -> u64 {
    1
}

impl<'de> Deserialize<'de> for AnalyzeSAESettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (analysis, stream) = read_both(deserializer)?;
        Ok(AnalyzeSAESettings { analysis, stream })
    }
}

impl Config for AnalyzeSAESettings {
    const NAME: &'static str = "AnalyzeSAESettings";

    fn validate(&self) -> Result<()> {
        self.plan().map(drop)
    }
}

impl AnalyzeSAESettings {
    /// Checks the settings.
    ///
    /// # Errors
    /// What is wrong, under its key.
    fn plan(&self) -> Result<AnalyzePlan> {
        let AnalyzedStream {
            activation_factory,
            model_parallel_size,
        } = &self.stream;
        if *model_parallel_size != 1 {
            return Err(Error::input(format!(
                "an analysis is one process, but {model_parallel_size} were asked for"
            ))
            .hint("set it to 1 or leave it out; `analyzer.latents_at_a_time` divides the latents over passes")
            .under("model_parallel_size"));
        }
        self.analysis
            .plan(vec![(vec!["activation_factory".into()], activation_factory)])
    }
}

/// Analyses a dictionary as the settings say, into one file. An analysis that was broken off goes on.
///
/// # Errors
/// Settings that make no sense; a dictionary, model or data that cannot be read or do not fit each other; a store of
/// another dictionary, or one that cannot be written; a stop was asked for.
pub fn analyze_sae(
    settings: &AnalyzeSAESettings,
    options: &AnalyzeOptions,
    context: &RunContext,
) -> Result<AnalyzeReport> {
    analyze(&settings.plan()?, options, context)
}
