//! Batches made by a language model of Pythia-160m's shape with random weights, or read from a cache of its width.

use saescript::activations::{
    ActivationFactory, ActivationStream, ActivationWriter, Batch, BatchStream, Inputs,
};
use saescript::config::checked;
use saescript::event::RunContext;
use saescript::tensor::{DType, Device, DeviceSpec};
use saescript::{Error, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::cases::{Case, merged};
use crate::support::{PYTHIA_160M, RandomRows, Reading, Texts};

/// Rows of the cache.
const ROWS: i64 = 60_000;

/// A stream, and what it lives on.
pub struct Stream {
    stream: ActivationStream,
    _origin: Origin,
}

#[allow(dead_code)] // held, not read
enum Origin {
    Model(Box<Reading>),
    Cache(TempDir),
}

impl Stream {
    /// Returns batches of activations in the middle of a model, of the examples' texts.
    pub fn live(case: &Case, dtype: DType, place: DeviceSpec) -> Result<Self> {
        let texts = Texts {
            dataset: "",
            tokenizer: "",
        };
        let reading = Reading::of(PYTHIA_160M, place, dtype, &texts)?;
        let mut settings = settings(case);
        if place.resolve()? == Device::Cpu {
            // What is compared is the processor's time: nothing may be made while the unit is measured.
            settings["prefetch"] = json!(0);
        }
        Ok(Stream {
            stream: reading.stream(settings)?,
            _origin: Origin::Model(Box::new(reading)),
        })
    }

    /// Returns batches of a cache of random rows.
    pub fn cached(case: &Case, place: DeviceSpec) -> Result<Self> {
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
        let mut settings = settings(case);
        settings["sources"] = json!([{
            "type": "activations", "name": "cache", "path": folder.path(), "chunk_shuffle_seed": 1, "passes": null,
            "device": place,
        }]);
        let factory = ActivationFactory::new(checked(settings)?)?;
        Ok(Stream {
            stream: factory.process(Inputs::default(), &RunContext::default())?,
            _origin: Origin::Cache(folder),
        })
    }

    /// Returns the next batch.
    pub fn next(&mut self) -> Result<Batch> {
        let batch = self.stream.next_batch()?;
        batch.ok_or_else(|| Error::run("there are no batches"))
    }
}

/// The settings of a factory but for its sources.
fn settings(case: &Case) -> Value {
    let common = json!({
        "target": "activations-1d",
        "hook_points": [case.hook(0)],
        "batch_size": case.batch,
        "buffer_size": 4 * case.batch,
        "buffer_shuffle": {"perm_seed": 42},
    });
    merged([common, case.factory.clone()])
}

fn folder() -> Result<TempDir> {
    tempfile::tempdir().map_err(|error| Error::run(error.to_string()))
}
