//! A model and a tokenizer that can be computed by hand: ids are bytes, activations tell id and position.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use saescript::activations::{
    ActivationFactory, ActivationFactoryConfig, ActivationModel, ActivationStream, Batch, BatchStream,
    Capture, Encoder, Inputs,
};
use saescript::config::{Value, from_value};
use saescript::error::{Error, Result};
use saescript::event::RunContext;
use saescript::tensor::{Device, Kind, Tensor};
use saescript::text::{Dataset, DatasetConfig};

pub const BOS: i64 = 256;
pub const PAD: i64 = 257;
pub const HOOK: &str = "hook";
pub const OTHER_HOOK: &str = "other_hook";

/// `(batch, seq) -> (batch, seq, 2)`: the running sum of the ids, as a causal model would see them, and the id.
pub struct ToyModel;

impl ActivationModel for ToyModel {
    fn plan(self: Arc<Self>, hook_points: &[String]) -> Result<Capture> {
        let hook_points = hook_points.to_vec();
        Ok(Box::new(move |tokens| {
            let ids = tokens.to_kind(Kind::Float);
            let x = Tensor::stack(&[ids.cumsum(1, Kind::Float), ids], 2);
            let named = hook_points.iter().map(|name| (name.clone(), x.shallow_clone()));
            Ok(named.collect())
        }))
    }

    fn check_hook_point(&self, hook_point: &str) -> Result<()> {
        match hook_point {
            HOOK | OTHER_HOOK => Ok(()),
            other => Err(Error::unknown("hook point", other, &[HOOK, OTHER_HOOK])),
        }
    }

    fn device(&self) -> Device {
        Device::Cpu
    }

    fn encoder(&self) -> Arc<dyn Encoder> {
        Arc::new(Bytes)
    }
}

struct Bytes;

impl Encoder for Bytes {
    fn encode(&self, text: &str, prepend_bos: bool, limit: usize) -> Result<Vec<i64>> {
        let bos = prepend_bos.then_some(BOS).into_iter();
        Ok(bos.chain(text.bytes().map(i64::from)).take(limit).collect())
    }

    fn max_length(&self) -> usize {
        512
    }

    fn bos_id(&self) -> Option<i64> {
        Some(BOS)
    }

    fn pad_id(&self) -> Option<i64> {
        Some(PAD)
    }
}

/// `count` texts of very unequal lengths, each telling its number.
pub fn texts(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{number}:{}", "abcdefghij".repeat(number * 7 % 5)))
        .collect()
}

pub fn jsonl(folder: &Path, texts: &[String]) -> Dataset {
    let path = folder.join("texts.jsonl");
    let lines: Vec<String> = texts
        .iter()
        .map(|text| serde_json::json!({ "text": text }).to_string())
        .collect();
    std::fs::write(&path, lines.join("\n")).expect("written");
    load(&path)
}

pub fn load(path: &Path) -> Dataset {
    let config = DatasetConfig {
        dataset_name_or_path: path.to_string_lossy().into(),
        ..DatasetConfig::default()
    };
    Dataset::load(&config, &RunContext::default()).expect("a data set")
}

/// A configuration of one source `texts`, with `changes` on top.
pub fn config(changes: Value) -> ActivationFactoryConfig {
    let mut value = serde_json::json!({
        "sources": [{"type": "dataset", "name": "texts"}],
        "target": "activations-1d",
        "hook_points": [HOOK],
        "batch_size": 16,
    });
    if let (Some(value), Value::Object(changes)) = (value.as_object_mut(), changes) {
        value.extend(changes);
    }
    from_value(value).expect("a valid configuration")
}

pub fn stream(
    config: ActivationFactoryConfig,
    dataset: &Dataset,
    context: &RunContext,
) -> Result<ActivationStream> {
    let inputs = Inputs {
        model: Some(Arc::new(ToyModel)),
        model_name: Some("toy".into()),
        datasets: BTreeMap::from([("texts".to_string(), dataset.clone())]),
        ..Inputs::default()
    };
    ActivationFactory::new(config)?.process(inputs, context)
}

pub fn all(stream: &mut dyn BatchStream) -> Vec<Batch> {
    std::iter::from_fn(|| stream.next_batch().expect("a batch")).collect()
}

/// Running sum and id of every row, in order.
pub fn rows(batches: &[Batch]) -> Vec<(i64, i64)> {
    let mut rows = Vec::new();
    for batch in batches {
        let x = batch.at(HOOK).expect("the hook point").to_kind(Kind::Int64);
        let flat = Vec::<i64>::try_from(x.reshape([-1])).expect("numbers");
        rows.extend(flat.chunks(2).map(|row| (row[0], row[1])));
    }
    rows
}

pub fn tokens(batches: &[Batch]) -> Vec<i64> {
    let ids = batches.iter().map(|batch| {
        let tokens = batch.tokens.as_ref().expect("tokens").reshape([-1]);
        Vec::<i64>::try_from(tokens).expect("ids")
    });
    ids.flatten().collect()
}
