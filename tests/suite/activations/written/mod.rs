//! Writing caches: what comes back, what a crash leaves, what damage does.

mod damage;
mod interrupted;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use saescript::activations::{
    ActivationFactory, ActivationWriter, ActivationWriterConfig, Batch, BatchStream, Inputs, Written,
    check_cache,
};
use saescript::config::{Value, checked, from_value};
use saescript::error::Result;
use saescript::event::{Control, Event, Observer, RunContext};
use saescript::fingerprint::{Fingerprint, Names};
use saescript::tensor::Generator;
use saescript::text::Dataset;
use serde_json::json;

use super::toy::{self, HOOK, OTHER_HOOK};

pub fn writer(folder: &Path, changes: Value) -> ActivationWriter {
    let mut value = json!({"hook_points": [HOOK, OTHER_HOOK], "cache_dir": folder});
    if let (Some(value), Value::Object(changes)) = (value.as_object_mut(), changes) {
        value.extend(changes);
    }
    let config: ActivationWriterConfig = from_value(value).expect("a configuration");
    ActivationWriter::new(config).expect("a writer")
}

pub fn source(changes: Value, dataset: &Dataset) -> impl BatchStream + use<> {
    let mut value = json!({"hook_points": [HOOK, OTHER_HOOK], "buffer_size": 100, "model_batch_size": 4});
    if let (Some(value), Value::Object(changes)) = (value.as_object_mut(), changes) {
        value.extend(changes);
    }
    toy::stream(toy::config(value), dataset, &RunContext::default()).expect("a stream")
}

fn read(folder: &Path, changes: Value) -> Result<Vec<Batch>> {
    let mut value = json!({
        "sources": [{"type": "activations", "name": "cache", "path": folder}],
        "target": "activations-1d", "hook_points": [HOOK, OTHER_HOOK], "batch_size": 16,
    });
    if let (Some(value), Value::Object(changes)) = (value.as_object_mut(), changes) {
        value.extend(changes);
    }
    let factory = ActivationFactory::new(checked(value)?)?;
    let mut stream = factory.process(Inputs::default(), &RunContext::default())?;
    let mut batches = Vec::new();
    while let Some(batch) = stream.next_batch()? {
        batches.push(batch);
    }
    Ok(batches)
}

pub fn process(writer: &ActivationWriter, stream: &mut dyn BatchStream) -> Result<Written> {
    writer.process(stream, &RunContext::default())
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(150));
    let expected = toy::all(&mut source(json!({}), &dataset));
    for (name, size) in [
        ("by_batch", Value::Null),
        ("by_37", json!(37)),
        ("all", json!(100_000)),
    ] {
        let cache = folder.path().join(name);
        let written = process(
            &writer(&cache, json!({"n_samples_per_chunk": size})),
            &mut source(json!({}), &dataset),
        )
        .expect("written");
        assert_eq!(written.tokens, toy::tokens(&expected).len() as u64);
        let batches = read(&cache, json!({})).expect("read");
        assert_eq!(toy::rows(&batches), toy::rows(&expected));
        assert_eq!(toy::tokens(&batches), toy::tokens(&expected));
        let report = check_cache(&cache, &RunContext::default()).expect("checked");
        assert!(report.problems.is_empty() && report.has_checksums, "{report:?}");
        assert_eq!((report.chunks, report.rows), (written.chunks, written.tokens));
    }
}

#[test]
fn sequences_keep_their_origins_and_stop_at_the_wanted_tokens() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(100));
    let changes =
        json!({"target": "activations-2d", "context_size": 20, "batch_size": 8, "buffer_size": null});
    let expected = toy::all(&mut source(changes.clone(), &dataset));
    let cache = folder.path().join("cache");
    let writer = writer(&cache, json!({"total_generating_tokens": 500}));
    let written = process(&writer, &mut source(changes, &dataset)).expect("written");
    assert!((500..700).contains(&written.tokens), "{written:?}");
    let batches = read(&cache, json!({"target": "activations-2d", "batch_size": 8})).expect("read");
    assert_eq!(batches.len() as u64, written.chunks);
    for (ours, theirs) in batches.iter().zip(&expected) {
        assert_eq!(
            ours.at(OTHER_HOOK).expect("there"),
            theirs.at(OTHER_HOOK).expect("there")
        );
        assert_eq!(ours.mask, theirs.mask);
        assert_eq!(ours.meta, theirs.meta);
    }
    let again = process(&writer, &mut source(json!({}), &dataset)).expect_err("other settings");
    assert!(
        again.to_string().contains("was begun with other settings"),
        "{again}"
    );
    assert!(again.to_string().contains("activation_factory.target"), "{again}");
}

#[test]
fn shards_lie_side_by_side() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let mut expected = Vec::new();
    for shard in 0..2 {
        let data = tempfile::tempdir().expect("a folder");
        let dataset = toy::jsonl(data.path(), &toy::texts(40 + shard as usize));
        let mut stream = source(json!({}), &dataset);
        expected.extend(toy::tokens(&toy::all(&mut source(json!({}), &dataset))));
        // What all shards are parts of; they read different files here.
        let writer = writer(&cache, json!({}))
            .in_shards(shard, 2)
            .made_from(Fingerprint::new(), Names::default());
        process(&writer, &mut stream).expect("written");
        if shard == 0 {
            assert!(
                read(&cache, json!({}))
                    .expect_err("half")
                    .to_string()
                    .contains("lacks shard 1 of 2")
            );
        }
    }
    assert_eq!(toy::tokens(&read(&cache, json!({})).expect("read")), expected);
    assert!(
        cache
            .join(HOOK)
            .join("shard-1-chunk-00000000.safetensors")
            .exists()
    );
}

/// Every file of a cache that a reader looks at, and its bytes.
fn contents(cache: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for hook_point in [HOOK, OTHER_HOOK] {
        for entry in std::fs::read_dir(cache.join(hook_point)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(cache).expect("below").to_path_buf();
            files.insert(name, std::fs::read(&path).expect("read"));
        }
    }
    files
}

#[test]
fn folders_of_others_are_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(10));
    let cache = folder.path().join("cache");
    let stray = cache.join(HOOK).join("chunk-00000000.safetensors");
    std::fs::create_dir_all(stray.parent().expect("a parent")).expect("made");
    std::fs::write(&stray, "not ours").expect("written");
    let error = process(&writer(&cache, json!({})), &mut source(json!({}), &dataset)).expect_err("refused");
    assert!(error.to_string().contains("holds chunks already"), "{error}");
    assert_eq!(std::fs::read(&stray).expect("read"), b"not ours");
}
