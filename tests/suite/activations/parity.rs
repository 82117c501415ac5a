//! Activations of a real model against those that the reference computed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use saescript::activations::{ActivationFactory, Batch, Inputs};
use saescript::config::{Value, checked, from_value};
use saescript::event::RunContext;
use saescript::model::{LanguageModel, LanguageModelConfig};
use saescript::tensor::{Kind, Tensor};
use serde_json::json;

use super::toy;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn model() -> LanguageModel {
    let config: LanguageModelConfig = from_value(json!({
        "model_from_pretrained_path": fixtures().join("model/lm/neox_parallel"),
        "pad_token_id": 1,
    }))
    .expect("a configuration");
    LanguageModel::load(&config, &RunContext::default()).expect("the model")
}

pub fn batches(records: &[Value], changes: Value, tokenized: bool) -> Vec<Batch> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records.jsonl");
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    std::fs::write(&path, lines.join("\n")).expect("written");
    let mut value = json!({
        "sources": [{"type": "dataset", "name": "t", "is_dataset_tokenized": tokenized}],
        "context_size": 24,
    });
    let map = value.as_object_mut().expect("a map");
    map.extend(changes.as_object().expect("a map").clone());
    let factory = ActivationFactory::new(checked(value).expect("a configuration")).expect("a factory");
    let inputs = Inputs {
        model: Some(Arc::new(model())),
        model_name: Some("tiny-neox".into()),
        datasets: BTreeMap::from([("t".to_string(), toy::load(&path))]),
        ..Inputs::default()
    };
    toy::all(&mut factory.process(inputs, &RunContext::default()).expect("a stream"))
}

fn fixture(file: &str) -> BTreeMap<String, Tensor> {
    let path = fixtures().join("activations").join(file);
    Tensor::read_safetensors(path)
        .expect("a fixture")
        .into_iter()
        .collect()
}

pub fn assert_near(ours: &Tensor, theirs: &Tensor, what: &str) {
    assert_eq!(ours.size(), theirs.size(), "{what}");
    let difference = (ours - theirs).abs().max().double_value(&[]);
    assert!(difference < 2e-5, "{what} differs by {difference}");
}

#[test]
fn texts_give_the_tokens_masks_and_activations_of_the_reference() {
    let theirs = fixture("to_activations_batch5_ctx24.safetensors");
    let about = std::fs::read(fixtures().join("activations/to_activations_batch5_ctx24.json")).expect("read");
    let about: Value = serde_json::from_slice(&about).expect("JSON");
    let texts = about["texts"].as_array().expect("texts");
    let records: Vec<Value> = texts.iter().map(|text| json!({ "text": text })).collect();
    let hooks: Vec<&String> = theirs.keys().filter(|name| name.contains("hook")).collect();
    let changes =
        json!({"target": "activations-2d", "hook_points": hooks, "batch_size": 5, "model_batch_size": 2});
    let ours = batches(&records, changes, false);
    assert_eq!(ours.len(), 1);
    assert_eq!(ours[0].tokens.as_ref().expect("tokens"), &theirs["tokens"]);
    assert_eq!(ours[0].mask.as_ref().expect("a mask"), &theirs["mask"]);
    assert_eq!(
        ours[0].attention_mask.as_ref().expect("a mask"),
        &theirs["attention_mask"]
    );
    for hook_point in hooks {
        assert_near(
            ours[0].at(hook_point).expect("there"),
            &theirs[hook_point],
            hook_point,
        );
    }
}

#[test]
fn generated_batches_are_the_chunks_of_the_reference() {
    let hooks = ["blocks.1.hook_resid_post", "blocks.1.hook_mlp_out"];
    let mut records = Vec::new();
    for number in 0..4 {
        let chunk = fixture(&format!("cache/2d/{}/chunk-{number:08}.safetensors", hooks[0]));
        let ids = Vec::<i64>::try_from(chunk["tokens"].reshape([-1])).expect("ids");
        for row in ids.chunks(24) {
            let padding = row.iter().rev().take_while(|id| **id == 1).count();
            records.push(json!({"text": "", "tokens": row[..24 - padding]}));
        }
    }
    for (kind, target, batch_size) in [("2d", "activations-2d", 8), ("1d", "activations-1d", 128)] {
        let changes = json!({
            "target": target, "hook_points": hooks, "batch_size": batch_size, "model_batch_size": 4,
        });
        let ours = batches(&records, changes, true);
        for (number, batch) in ours.iter().enumerate().take(4) {
            for hook_point in hooks {
                let file = format!("cache/{kind}/{hook_point}/chunk-{number:08}.safetensors");
                let theirs = fixture(&file);
                assert_eq!(
                    batch.tokens.as_ref().expect("tokens"),
                    &theirs["tokens"],
                    "{file}"
                );
                assert_eq!(batch.mask.as_ref().expect("a mask"), &theirs["mask"], "{file}");
                assert_eq!(batch.mask.as_ref().expect("a mask").kind(), Kind::Int);
                assert_near(batch.at(hook_point).expect("there"), &theirs["activation"], &file);
                let meta = fixtures()
                    .join("activations")
                    .join(file.replace(".safetensors", ".meta.json"));
                if let Ok(meta) = std::fs::read(meta) {
                    let meta: Vec<Value> = serde_json::from_slice(&meta).expect("origins");
                    assert_eq!(batch.meta.as_ref().expect("origins"), &meta, "{file}");
                }
            }
        }
    }
}
