//! Feature analysis of a crosscoder over several streams, whose hook points are read side by side.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::analyze::{AnalyzeOptions, AnalyzeReport, analyze};
use super::analyze_settings::{AnalysisSettings, AnalyzePlan};
use crate::activations::ActivationFactoryConfig;
use crate::config::Config;
use crate::config::flat::read_both;
use crate::error::{Error, Result};
use crate::event::RunContext;

/// A feature analysis of a crosscoder, whose hook points come from several streams.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AnalyzeCrosscoderSettings {
    /// What all analyses have.
    #[serde(flatten)]
    pub analysis: AnalysisSettings,
    /// Its streams.
    #[serde(flatten)]
    pub streams: AnalyzedStreams,
}

/// The streams of an analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AnalyzedStreams {
    /// Where its activations come from: streams of the same contexts, each with some of the hook points.
    pub activation_factories: Vec<ActivationFactoryConfig>,
}

impl<'de> Deserialize<'de> for AnalyzeCrosscoderSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (analysis, streams) = read_both(deserializer)?;
        Ok(AnalyzeCrosscoderSettings { analysis, streams })
    }
}

impl Config for AnalyzeCrosscoderSettings {
    const NAME: &'static str = "AnalyzeCrosscoderSettings";

    fn validate(&self) -> Result<()> {
        self.plan().map(drop)
    }
}

impl AnalyzeCrosscoderSettings {
    /// Checks the settings.
    ///
    /// # Errors
    /// What is wrong, under its key.
    fn plan(&self) -> Result<AnalyzePlan> {
        let factories = &self.streams.activation_factories;
        if factories.is_empty() {
            return Err(Error::input("there are no streams to read").under("activation_factories"));
        }
        let keyed = (0..).zip(factories).map(|(index, factory)| {
            let key = vec!["activation_factories".to_string(), format!("[{index}]")];
            (key, factory)
        });
        self.analysis.plan(keyed.collect())
    }
}

/// Analyses a crosscoder as the settings say, into one file. An analysis that was broken off goes on.
///
/// # Errors
/// As [`analyze_sae`](super::analyze_sae()); streams of different contexts.
pub fn analyze_crosscoder(
    settings: &AnalyzeCrosscoderSettings,
    options: &AnalyzeOptions,
    context: &RunContext,
) -> Result<AnalyzeReport> {
    analyze(&settings.plan()?, options, context)
}
