//! Batches made by a language model of Pythia-160m's shape with random weights, or read from a cache of its width.

use std::collections::BTreeMap;
use std::sync::Arc;

use saescript::activations::{
    ActivationFactory, ActivationFactoryConfig, ActivationStream, ActivationWriter, Batch, BatchStream,
    Inputs,
};
use saescript::config::{checked, from_value};
use saescript::event::RunContext;
use saescript::model::{LanguageModel, LanguageModelConfig};
use saescript::tensor::{DType, DeviceSpec};
use saescript::text::{Dataset, DatasetConfig};
use saescript::{Error, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::cases::Case;
use crate::support::{PYTHIA_160M, RandomRows, write_model};

/// Rows of the cache.
const ROWS: i64 = 60_000;

/// A stream, and the folder that it lives on.
pub struct Stream {
    stream: ActivationStream,
    _folder: TempDir,
}

impl Stream {
    /// Returns batches of activations in the middle of a model, of the examples' texts.
    pub fn live(case: &Case) -> Result<Self> {
        let folder = folder()?;
        write_model(folder.path(), PYTHIA_160M, DType::FLOAT32)?;
        let config = LanguageModelConfig {
            model_from_pretrained_path: Some(folder.path().into()),
            device: DeviceSpec::Cpu,
            ..LanguageModelConfig::default()
        };
        let model = LanguageModel::load(&config, &RunContext::default())?;
        let dataset = DatasetConfig {
            dataset_name_or_path: format!("{}/examples/corpus", env!("CARGO_MANIFEST_DIR")),
            ..DatasetConfig::default()
        };
        let dataset = Dataset::load(&dataset, &RunContext::default())?;
        let source = json!({"type": "dataset", "name": "corpus"});
        let inputs = Inputs {
            model: Some(Arc::new(model)),
            datasets: BTreeMap::from([("corpus".to_string(), dataset)]),
            ..Inputs::default()
        };
        Self::of(case, source, inputs, folder)
    }

    /// Returns batches of a cache of random rows.
    pub fn cached(case: &Case) -> Result<Self> {
        let folder = folder()?;
        let hook = case.hook(0);
        let writer = ActivationWriter::new(checked(json!({
            "hook_points": [hook], "cache_dir": folder.path(), "n_samples_per_chunk": 8192,
        }))?)?;
        let mut rows = RandomRows {
            hook,
            left: ROWS,
            width: case.d_model,
            batch: 8192,
        };
        writer.process(&mut rows, &RunContext::default())?;
        let source = json!({
            "type": "activations", "name": "cache", "path": folder.path(), "chunk_shuffle_seed": 1, "passes": null,
            "device": "cpu",
        });
        Self::of(case, source, Inputs::default(), folder)
    }

    fn of(case: &Case, source: Value, inputs: Inputs, folder: TempDir) -> Result<Self> {
        let config: ActivationFactoryConfig = from_value(json!({
            "sources": [source],
            "target": "activations-1d",
            "hook_points": [case.hook(0)],
            "batch_size": case.batch,
            "buffer_size": 4 * case.batch,
            "context_size": 128,
            "model_batch_size": 16,
            "buffer_shuffle": {"perm_seed": 42},
        }))?;
        Ok(Stream {
            stream: ActivationFactory::new(config)?.process(inputs, &RunContext::default())?,
            _folder: folder,
        })
    }

    /// Returns the next batch.
    pub fn next(&mut self) -> Result<Batch> {
        let batch = self.stream.next_batch()?;
        batch.ok_or_else(|| Error::run("the texts came to their end: lower --rounds"))
    }
}

fn folder() -> Result<TempDir> {
    tempfile::tempdir().map_err(|error| Error::run(error.to_string()))
}
