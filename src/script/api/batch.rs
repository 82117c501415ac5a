//! Batches of activations as script maps: `batch["blocks.3.hook_resid_post"]`, `batch.tokens`, `batch.mask`.

use rhai::{Array, Dynamic, Map};

use super::tensor::TensorHandle;
use crate::activations::Batch;
use crate::error::{Error, Result, a};
use crate::script::bridge::{self, kind_of};
use crate::tensor::Tensor;

/// Returns one tensor for each hook point, and `tokens`, `mask`, `attention_mask` and `meta` where the batch has them.
pub fn to_map(batch: Batch) -> Map {
    let tensor = |tensor: Tensor| Dynamic::from(TensorHandle::new(tensor));
    let mut map: Map = batch
        .activations
        .into_iter()
        .map(|(name, x)| (name.into(), tensor(x)))
        .collect();
    for (name, part) in [
        ("tokens", batch.tokens),
        ("mask", batch.mask),
        ("attention_mask", batch.attention_mask),
    ] {
        if let Some(part) = part {
            map.insert(name.into(), tensor(part));
        }
    }
    if let Some(meta) = batch.meta {
        map.insert(
            "meta".into(),
            meta.iter().map(bridge::from_value).collect::<Array>().into(),
        );
    }
    map
}

/// Returns a batch from such a map; every other key is a hook point.
pub fn from_map(map: &Map) -> Result<Batch> {
    let mut batch = Batch::default();
    for (name, value) in map {
        if name == "meta" {
            let meta = bridge::to_value(value).map_err(|error| error.under("meta"))?;
            batch.meta = meta.as_array().cloned();
            continue;
        }
        let Some(handle) = value.read_lock::<TensorHandle>() else {
            return Err(
                Error::input(format!("expected a tensor, but was given {}", a(&kind_of(value))))
                    .under(name.as_str()),
            );
        };
        let tensor = handle.tensor().shallow_clone();
        match name.as_str() {
            "tokens" => batch.tokens = Some(tensor),
            "mask" => batch.mask = Some(tensor),
            "attention_mask" => batch.attention_mask = Some(tensor),
            _ => drop(batch.activations.insert(name.to_string(), tensor)),
        }
    }
    Ok(batch)
}

/// Returns a batch from what a script gave as one.
///
/// # Errors
/// It is no map, or something in it is no tensor.
pub fn from_dynamic(value: &Dynamic) -> Result<Batch> {
    match value.read_lock::<Map>() {
        Some(map) => from_map(&map),
        None => Err(Error::input("a batch is a map of tensors")),
    }
}
