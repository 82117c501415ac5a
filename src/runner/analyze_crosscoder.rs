//! Feature analysis of a crosscoder over several streams, whose hook points are read side by side.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::analyze::{AnalyzeOptions, AnalyzeReport, analyze};
use super::analyze_settings::{AnalyzePlan, AnalyzeSAESettings};
use super::sae_choice::PretrainedSAE;
use crate::activations::ActivationFactoryConfig;
use crate::analysis::{DirectLogitAttributorConfig, FeatureAnalyzerConfig};
use crate::config::{Checked, Config, Value};
use crate::error::{Context, Error, Result};
use crate::event::RunContext;
use crate::model::LanguageModelConfig;
use crate::tensor::{DType, DeviceSpec};

/// A feature analysis of a crosscoder, whose hook points come from several caches.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnalyzeCrosscoderSettings {
    /// The trained crosscoder.
    pub sae: PretrainedSAE,
    /// Name of the dictionary.
    pub sae_name: String,
    /// Series that it belongs to.
    pub sae_series: String,
    /// Where its activations come from: streams of the same contexts, each with some of the hook points.
    pub activation_factories: Vec<ActivationFactoryConfig>,
    /// The language model, which tells the texts; `backend = "tokenizer_only"` is enough.
    #[serde(default)]
    pub model: Option<LanguageModelConfig>,
    /// What is found out, on how many tokens.
    pub analyzer: FeatureAnalyzerConfig,
    /// Number format of products; null: that of the dictionary.
    #[serde(default)]
    pub amp_dtype: Option<DType>,
    /// Name of the analysis: several of one dictionary live side by side in a store.
    #[serde(default = "default_name")]
    pub feature_analysis_name: String,
    /// A database of the reference system, which is not written to: see `store`.
    #[serde(default)]
    pub mongo: Option<Value>,
    /// A folder; the store is `SERIES/NAME/analysis.sqlite` in it where `store` is not given.
    #[serde(default)]
    pub output_dir: Option<String>,
    /// Kind of device that processes run on; where the dictionary lives is said by its own settings.
    #[serde(default)]
    pub device_type: DeviceSpec,
    /// The file that is written; null: `analysis.sqlite` beside the dictionary.
    #[serde(default)]
    pub store: Option<String>,
}

fn default_name() -> String {
    "default".into()
}

impl Config for AnalyzeCrosscoderSettings {
    const NAME: &'static str = "AnalyzeCrosscoderSettings";

    fn validate(&self) -> Result<()> {
        self.resolve().map(drop)
    }
}

impl AnalyzeCrosscoderSettings {
    /// Returns the settings of an analysis over the first stream, and what they resolve to with all streams.
    fn resolve(&self) -> Result<(AnalyzeSAESettings, AnalyzePlan)> {
        let first = self
            .activation_factories
            .first()
            .ok_or_else(|| Error::input("there are no streams to read").under("activation_factories"))?;
        let settings = AnalyzeSAESettings {
            sae: self.sae.clone(),
            sae_name: self.sae_name.clone(),
            sae_series: self.sae_series.clone(),
            activation_factory: first.clone(),
            model: self.model.clone(),
            model_name: None,
            datasets: None,
            analyzer: self.analyzer.clone(),
            direct_logit_attributor: DirectLogitAttributorConfig::default(),
            amp_dtype: self.amp_dtype,
            feature_analysis_name: self.feature_analysis_name.clone(),
            mongo: self.mongo.clone(),
            output_dir: self.output_dir.clone(),
            model_parallel_size: 1,
            device_type: self.device_type,
            store: self.store.clone(),
        };
        let mut plan = settings.plan()?;
        let factories = self
            .activation_factories
            .iter()
            .enumerate()
            .map(|(index, factory)| {
                let place = format!("[{index}]");
                let alone = AnalyzeSAESettings {
                    activation_factory: factory.clone(),
                    ..settings.clone()
                };
                alone.plan().under(place.as_str()).under("activation_factories")?;
                Checked::new(factory.clone())
                    .under(place)
                    .under("activation_factories")
            });
        plan.factories = factories.collect::<Result<_>>()?;
        Ok((settings, plan))
    }
}

/// Analyses a crosscoder as the settings say, into one file.
///
/// # Errors
/// As [`analyze_sae`](super::analyze_sae); streams of different contexts.
pub fn analyze_crosscoder(
    settings: &AnalyzeCrosscoderSettings,
    options: &AnalyzeOptions,
    context: &RunContext,
) -> Result<AnalyzeReport> {
    let (settings, plan) = settings.resolve()?;
    analyze(&settings, &plan, options, context)
}
