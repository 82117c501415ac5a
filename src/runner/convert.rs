//! Converting a trained dictionary: to jumprelu, and between the formats of folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use crate::activations::{ActivationFactory, ActivationStream, Inputs};
use crate::config::{Value, checked};
use crate::dictionary::{LoadOptions, SAEConfig, SparseAutoEncoder};
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::lock::FolderLock;
use crate::model::{LanguageModel, LanguageModelConfig};
use crate::text::{Dataset, DatasetConfig};
use crate::train::{convert_to_jumprelu, target_of};

/// What a dictionary is converted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversionTarget {
    /// A jumprelu dictionary, from one of the top-k family; its threshold is measured on activations.
    Jumprelu,
    /// SAELens's folder: `cfg.json` and `sae_weights.safetensors`.
    Saelens,
    /// The own folder: `config.json` and `sae_weights.safetensors`.
    Saescript,
}

/// Where the activations come from on which a threshold is measured.
#[derive(Clone, Debug)]
pub enum ConversionData {
    /// A cache of activations on disk.
    Cache(String),
    /// A language model reading a data set: folders or names on the hub.
    Texts {
        /// The language model.
        model: String,
        /// The data set.
        dataset: String,
    },
}

/// One conversion.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// The trained dictionary: a folder of saescript's or of SAELens's, or `org/repo:folder` on the hub.
    pub sae: String,
    /// Where the result is written.
    pub out: PathBuf,
    /// What it is converted to.
    pub target: ConversionTarget,
    /// What a threshold is measured on; needed for jumprelu only.
    pub data: Option<ConversionData>,
    /// Batches that a threshold is averaged over.
    pub batches: u64,
    /// Activations in each.
    pub batch_size: u64,
    /// Name of the language model, for SAELens's records.
    pub model_name: String,
}

/// Converts a dictionary and writes the result; returns it.
///
/// # Errors
/// A dictionary that cannot be read, or that has no counterpart in the target; no activations to measure a threshold
/// on; a folder that cannot be written.
pub fn convert_sae(conversion: &Conversion, context: &RunContext) -> Result<SparseAutoEncoder> {
    let same = |path: &str| Some(fs::canonicalize(path).ok()? == fs::canonicalize(&conversion.out).ok()?);
    if same(&conversion.sae) == Some(true) {
        return Err(
            Error::input("the result would be written over what is converted").hint("choose another folder")
        );
    }
    let _lock = FolderLock::take(&conversion.out, "converting", context)?;
    let sae = read(&conversion.sae, context)?;
    let converted = match conversion.target {
        ConversionTarget::Jumprelu => {
            // Whatever has no threshold to measure is refused before any data is read.
            sae.to_jumprelu(1.0)?;
            let mut stream = stream(conversion, &sae.cfg, context)?;
            convert_to_jumprelu(&sae, &mut stream, conversion.batches, context)?
        }
        ConversionTarget::Saelens => {
            sae.to_saelens(&conversion.out, &conversion.model_name)?;
            return Ok(sae);
        }
        ConversionTarget::Saescript => sae,
    };
    converted.save_pretrained(&conversion.out, true)?;
    Ok(converted)
}

/// A dictionary from a folder of either format.
fn read(sae: &str, context: &RunContext) -> Result<SparseAutoEncoder> {
    let options = LoadOptions {
        context: context.clone(),
        ..LoadOptions::default()
    };
    SparseAutoEncoder::from_pretrained(sae, &options)
}

/// Tokens in a sequence, where the model takes so many.
const CONTEXT: i64 = 128;

fn stream(conversion: &Conversion, sae: &SAEConfig, context: &RunContext) -> Result<ActivationStream> {
    let mut factory: Value = json!({
        "target": target_of(sae),
        "hook_points": sae.hook_points(),
        "batch_size": conversion.batch_size,
        "model_batch_size": 8,
    });
    let inputs = match &conversion.data {
        Some(ConversionData::Cache(path)) => {
            factory["sources"] = json!([{"type": "activations", "name": "cache", "path": path}]);
            Inputs::default()
        }
        Some(ConversionData::Texts { model, dataset }) => {
            let model = LanguageModelConfig {
                model_name: model.clone(),
                ..LanguageModelConfig::default()
            };
            let model = LanguageModel::load(&model, context)?;
            factory["sources"] = json!([{"type": "dataset", "name": "texts"}]);
            factory["context_size"] = model.cfg()?.n_ctx.min(CONTEXT).into();
            texts(model, dataset, context)?
        }
        None => {
            return Err(Error::input(
                "the threshold of jumprelu is measured on activations, but none were given",
            )
            .hint("give a cache of activations, or a language model and a data set"));
        }
    };
    ActivationFactory::new(checked(factory)?)?.process(inputs, context)
}

fn texts(model: LanguageModel, dataset: &str, context: &RunContext) -> Result<Inputs> {
    let dataset = DatasetConfig {
        dataset_name_or_path: dataset.into(),
        ..DatasetConfig::default()
    };
    Ok(Inputs {
        model_name: Some(model.name().to_string()),
        model: Some(Arc::new(model)),
        datasets: BTreeMap::from([("texts".to_string(), Dataset::load(&dataset, context)?)]),
        ..Inputs::default()
    })
}
