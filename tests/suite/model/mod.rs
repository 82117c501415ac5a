//! Language models: reference numbers, interventions, generation, tokens, and what is said about bad input.

mod bad_input;
mod batches;
mod chat;
mod generation;
mod hooks;
mod memory;
mod padding;
mod parity;
mod tokens;
mod weights;

use std::path::{Path, PathBuf};

use saescript::config::Value;
use saescript::event::RunContext;
use saescript::model::{Backend, LanguageModel, LanguageModelConfig};
use saescript::tensor::{DType, Kind, Tensor};
use tempfile::TempDir;

use crate::fixtures::{json, roots};

/// A model folder of the repository's own fixtures.
fn own(name: &str) -> PathBuf {
    roots("model")[0].join("lm").join(name)
}

/// A copy of one, to be changed.
fn copy_of(name: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for file in [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ] {
        std::fs::copy(own(name).join(file), folder.path().join(file)).expect("a copy");
    }
    folder
}

/// Sets a key of a model folder's `config.json`.
fn set(folder: &Path, key: &str, value: Value) {
    let path = folder.join("config.json");
    let mut config = json(&path);
    config[key] = value;
    std::fs::write(path, config.to_string()).expect("written");
}

fn load(folder: &Path, backend: Backend) -> LanguageModel {
    load_as(folder, backend, DType::FLOAT32)
}

fn load_as(folder: &Path, backend: Backend, dtype: DType) -> LanguageModel {
    let config = LanguageModelConfig {
        model_from_pretrained_path: Some(folder.to_path_buf()),
        backend,
        dtype,
        ..LanguageModelConfig::default()
    };
    LanguageModel::load(&config, &RunContext::default())
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

/// `count` rows of `length` tokens that differ from each other.
fn some_tokens(count: i64, length: i64) -> Tensor {
    let numbers: Vec<i64> = (0..count * length)
        .map(|at| 2 + (at * 37 + at / 5) % 300)
        .collect();
    Tensor::from_slice(&numbers).view([count, length])
}

/// Largest absolute difference; equal infinities count as equal, a NaN or a wrong shape as infinite.
fn difference(ours: &Tensor, reference: &Tensor) -> f64 {
    if ours.size() != reference.size() {
        return f64::INFINITY;
    }
    let (ours, reference) = (ours.to_kind(Kind::Double), reference.to_kind(Kind::Double));
    let difference = (&ours - &reference).abs();
    let difference = difference.where_self(&ours.not_equal_tensor(&reference), &difference.zeros_like());
    match f64::try_from(difference.max()).expect("a number") {
        worst if worst.is_nan() => f64::INFINITY,
        worst => worst,
    }
}
