//! What the settings of feature analyses have in common.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sae_choice::PretrainedSAE;
use super::settings::require_data_sets;
use crate::activations::{ActivationFactoryConfig, ActivationFactoryTarget};
use crate::analysis::{DirectLogitAttributorConfig, FeatureAnalyzerConfig};
use crate::config::{Checked, Value};
use crate::error::{Context, Error, Result};
use crate::model::LanguageModelConfig;
use crate::tensor::{DType, DeviceSpec};
use crate::text::DatasetConfig;

/// What the settings of all feature analyses have.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AnalysisSettings {
    /// The trained dictionary.
    pub sae: PretrainedSAE,
    /// Name of the dictionary.
    pub sae_name: String,
    /// Series that it belongs to.
    pub sae_series: String,
    /// The language model. Needed by data set sources; of a cache, it tells the texts and what latents add to the logits.
    #[serde(default)]
    pub model: Option<LanguageModelConfig>,
    /// Name of the model, for the records of where contexts came from; null: the model's own.
    #[serde(default)]
    pub model_name: Option<String>,
    /// The data sets by the names of the sources that read them.
    #[serde(default)]
    pub datasets: Option<BTreeMap<String, DatasetConfig>>,
    /// What is found out, on how many tokens.
    pub analyzer: FeatureAnalyzerConfig,
    /// What latents add to the logits, where the model's weights are there.
    #[serde(default)]
    pub direct_logit_attributor: DirectLogitAttributorConfig,
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
    /// Kind of device that processes run on; where the dictionary and the model live is said by their own settings.
    #[serde(default)]
    pub device_type: DeviceSpec,
    /// The file that is written; null: `analysis.sqlite` beside the dictionary, `NAME.analysis.sqlite` in the current
    /// folder for one of the hub.
    #[serde(default)]
    pub store: Option<String>,
}

fn default_name() -> String {
    "default".into()
}

/// What an analysis resolves to; all of it was checked.
pub(super) struct AnalyzePlan {
    pub(super) settings: AnalysisSettings,
    pub(super) sae: Checked<PretrainedSAE>,
    /// One stream, or several whose hook points are read side by side.
    pub(super) streams: Vec<PlannedStream>,
    pub(super) model: Option<Checked<LanguageModelConfig>>,
    pub(super) datasets: BTreeMap<String, Checked<DatasetConfig>>,
    pub(super) analyzer: Checked<FeatureAnalyzerConfig>,
    pub(super) logits: Checked<DirectLogitAttributorConfig>,
}

/// A stream of an analysis.
pub(super) struct PlannedStream {
    /// Its key path in the settings.
    pub(super) key: Vec<String>,
    pub(super) factory: Checked<ActivationFactoryConfig>,
}

impl PlannedStream {
    /// Returns `error`, which is about this stream, under its key.
    pub(super) fn blamed(&self, error: Error) -> Error {
        blamed(&self.key, error)
    }
}

/// Returns `error` under the key path `key`.
pub(super) fn blamed(key: &[String], error: Error) -> Error {
    key.iter().rev().fold(error, Error::under)
}

/// Refuses what the reference system writes to.
pub(super) fn refuse_mongo(mongo: Option<&Value>) -> Result<()> {
    match mongo {
        None => Ok(()),
        Some(_) => Err(
            Error::input("analyses are written into one file, not into a database server")
                .hint("leave `mongo` out; `store` names the file")
                .under("mongo"),
        ),
    }
}

impl AnalysisSettings {
    /// Checks the settings of an analysis over the streams of `factories`, each with its key path.
    ///
    /// # Errors
    /// What is wrong, under its key.
    pub(super) fn plan(
        &self,
        factories: Vec<(Vec<String>, &ActivationFactoryConfig)>,
    ) -> Result<AnalyzePlan> {
        refuse_mongo(self.mongo.as_ref())?;
        for (key, text) in [
            ("sae_name", &self.sae_name),
            ("feature_analysis_name", &self.feature_analysis_name),
        ] {
            if text.trim().is_empty() {
                return Err(Error::input("must not be empty").under(key));
            }
        }
        let mut datasets = BTreeMap::new();
        for (name, dataset) in self.datasets.iter().flatten() {
            let dataset = Checked::new(dataset.clone()).under(name.as_str());
            datasets.insert(name.clone(), dataset.under("datasets")?);
        }
        let streams = factories.into_iter().map(|(key, factory)| {
            require_data_sets(factory, self.model.is_some(), self.datasets.as_ref(), &key)?;
            let factory = whole_contexts(factory);
            let factory = factory.map_err(|error| blamed(&key, error))?;
            Ok(PlannedStream { key, factory })
        });
        Ok(AnalyzePlan {
            settings: self.clone(),
            sae: Checked::new(self.sae.clone()).under("sae")?,
            streams: streams.collect::<Result<_>>()?,
            model: self.model.clone().map(Checked::new).transpose().under("model")?,
            datasets,
            analyzer: Checked::new(self.analyzer.clone()).under("analyzer")?,
            logits: Checked::new(self.direct_logit_attributor.clone()).under("direct_logit_attributor")?,
        })
    }

    /// Returns where the analysis is written.
    pub fn store_path(&self) -> PathBuf {
        if let Some(store) = &self.store {
            return PathBuf::from(store);
        }
        if let Some(folder) = &self.output_dir {
            return Path::new(folder)
                .join(&self.sae_series)
                .join(&self.sae_name)
                .join("analysis.sqlite");
        }
        beside(&self.sae.pretrained_name_or_path, &self.sae_name)
    }
}

/// Checks a stream, and refuses one that is no whole contexts.
fn whole_contexts(factory: &ActivationFactoryConfig) -> Result<Checked<ActivationFactoryConfig>> {
    let checked = Checked::new(factory.clone())?;
    if checked.target != ActivationFactoryTarget::Activations2D {
        return Err(Error::input(format!(
            "an analysis looks at whole contexts, but the target is \"{}\"",
            checked.target
        ))
        .hint("use \"activations-2d\"; a cache has to be written so too")
        .under("target"));
    }
    Ok(checked)
}

/// Returns where the store of a dictionary is looked for, and made, if nothing is said.
pub(super) fn beside(dictionary: &str, name: &str) -> PathBuf {
    let path = Path::new(dictionary);
    let folder = if path.is_dir() {
        Some(path)
    } else {
        path.parent().filter(|_| path.is_file())
    };
    match folder {
        Some(folder) => folder.join("analysis.sqlite"),
        None => PathBuf::from(format!("{}.analysis.sqlite", name.replace(['/', '\\'], "_"))),
    }
}
