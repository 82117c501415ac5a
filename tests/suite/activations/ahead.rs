//! Batches that are made ahead, and sequences that are packed.

use std::sync::Arc;

use saescript::activations::{ActivationFactory, BatchStream, Inputs};
use saescript::event::RunContext;
use serde_json::json;

use super::toy::{self, BOS, PAD};

#[test]
fn batches_made_ahead_are_those_made_when_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(300));
    let run = |prefetch: usize| {
        let config = toy::config(json!({"prefetch": prefetch, "buffer_size": 128, "model_batch_size": 5}));
        let mut stream = toy::stream(config, &dataset, &RunContext::default()).expect("a stream");
        let rows = toy::rows(&toy::all(&mut stream));
        let stats = stream.stats();
        assert_eq!(stats.batches_ahead, prefetch);
        assert_eq!((stats.rows, stats.sequences), (rows.len() as u64, 300));
        assert!(stats.waiting <= stats.elapsed, "{stats:?}");
        rows
    };
    let asked = run(0);
    assert_eq!(asked, run(1));
    assert_eq!(asked, run(50));
}

#[test]
fn a_stream_that_nobody_reads_to_its_end_lets_go_of_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(20_000));
    let config = toy::config(json!({"prefetch": 2, "buffer_size": 100_000, "model_batch_size": 5}));
    let model = Arc::new(toy::ToyModel);
    let inputs = Inputs {
        model: Some(model.clone()),
        datasets: [("texts".to_string(), dataset)].into(),
        ..Default::default()
    };
    let factory = ActivationFactory::new(config).expect("a factory");
    let mut stream = factory.process(inputs, &RunContext::default()).expect("a stream");
    stream.next_batch().expect("works").expect("a batch");
    assert!(Arc::strong_count(&model) > 1);
    drop(stream);
    // The thread that was making the next batches has ended, with all that it held.
    assert_eq!(Arc::strong_count(&model), 1);
}

#[test]
fn packed_sequences_hold_every_token_and_no_padding() {
    let folder = tempfile::tempdir().expect("a folder");
    let texts = toy::texts(100);
    let dataset = toy::jsonl(folder.path(), &texts);
    let config = toy::config(json!({
        "target": "activations-2d", "context_size": 16, "packed": true, "batch_size": 4, "model_batch_size": 3,
    }));
    let batches = toy::all(&mut toy::stream(config, &dataset, &RunContext::default()).expect("a stream"));
    let tokens = toy::tokens(&batches);
    let windows: Vec<&[i64]> = tokens.chunks(16).collect();
    let (last, full) = windows.split_last().expect("windows");
    assert!(
        full.iter()
            .all(|window| window[0] == BOS && !window.contains(&PAD))
    );
    let text: String = texts.concat();
    let real = |ids: &[i64]| -> Vec<i64> { ids.iter().copied().filter(|id| *id < BOS).collect() };
    let bytes: Vec<i64> = text.bytes().map(i64::from).collect();
    assert_eq!(real(&tokens), bytes, "no text is cut short");
    assert!(last.contains(&PAD) || last.len() == 16);
    let first = batches[0].meta.as_ref().expect("origins");
    assert_eq!(first[0]["context_idx"], 0);
}
