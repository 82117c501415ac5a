//! The stream of a factory with a model that can be computed by hand.

use saescript::activations::BatchStream;
use saescript::config::from_value;
use saescript::event::RunContext;
use saescript::tensor::{Generator, Tensor};
use saescript::text::Dataset;
use serde_json::json;

use super::toy::{self, BOS, HOOK, PAD};

/// What unshuffled rows must be: for every text, each id but BOS with the sum of all ids up to it.
fn expected(texts: &[String], limit: usize) -> Vec<(i64, i64)> {
    let mut rows = Vec::new();
    for text in texts {
        let mut sum = BOS;
        for byte in text.bytes().take(limit - 1) {
            sum += i64::from(byte);
            rows.push((sum, i64::from(byte)));
        }
    }
    rows
}

#[test]
fn rows_are_those_of_real_tokens_in_the_order_of_the_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let texts = toy::texts(100);
    let dataset = toy::jsonl(folder.path(), &texts);
    for model_batch_size in [1, 3, 32] {
        for context_size in [None, Some(12)] {
            let config =
                toy::config(json!({"model_batch_size": model_batch_size, "context_size": context_size}));
            let mut stream = toy::stream(config, &dataset, &RunContext::default()).expect("a stream");
            let batches = toy::all(&mut stream);
            assert_eq!(toy::rows(&batches), expected(&texts, context_size.unwrap_or(512)));
            assert!(
                batches[..batches.len() - 1]
                    .iter()
                    .all(|batch| batch.rows() == 16)
            );
            let stats = stream.stats();
            assert_eq!(stats.rows, toy::rows(&batches).len() as u64);
            assert_eq!(stats.sequences, 100);
        }
    }
}

#[test]
fn shuffling_follows_the_buffer_rule() {
    let folder = tempfile::tempdir().expect("a folder");
    let texts = toy::texts(60);
    let dataset = toy::jsonl(folder.path(), &texts);
    let config = toy::config(json!({"buffer_size": 100, "buffer_shuffle": {"perm_seed": 7}}));
    let mut stream = toy::stream(config, &dataset, &RunContext::default()).expect("a stream");
    let rows = toy::rows(&toy::all(&mut stream));

    let mut generator = Generator::new(7);
    let (mut buffer, mut emitted) = (Vec::new(), Vec::new());
    for text in &texts {
        buffer.extend(expected(std::slice::from_ref(text), 512));
        if buffer.len() >= 100 {
            let order = generator.permutation(buffer.len());
            buffer = order.into_iter().map(|index| buffer[index]).collect();
            while buffer.len() >= 50 {
                emitted.extend(buffer.drain(..16));
            }
        }
    }
    emitted.append(&mut buffer);
    assert_eq!(rows, emitted);
}

#[test]
fn the_order_is_that_of_the_reference() {
    let fixture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/activations/readback_order.safetensors"
    );
    let numbers = |wanted: &str| {
        let tensors = Tensor::read_safetensors(fixture).expect("the fixture");
        let found = tensors.into_iter().find(|(name, _)| name == wanted);
        Vec::<i64>::try_from(found.expect("in the fixture").1).expect("ids")
    };
    let permutation: Vec<i64> = Generator::new(42)
        .permutation(200)
        .iter()
        .map(|index| *index as i64)
        .collect();
    assert_eq!(permutation, numbers("torch_randperm_200_seed42"));

    // The reference read chunks of 128 rows; here they are records of 128 tokens.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chunks.jsonl");
    let unshuffled = numbers("unshuffled_tokens");
    let lines: Vec<String> = unshuffled
        .chunks(128)
        .map(|ids| json!({"text": "", "tokens": ids}).to_string())
        .collect();
    std::fs::write(&path, lines.join("\n")).expect("written");
    let config = toy::config(json!({
        "sources": [{"type": "dataset", "name": "texts", "is_dataset_tokenized": true}],
        "batch_size": 32, "buffer_size": 200, "buffer_shuffle": {"perm_seed": 42},
    }));
    let mut stream = toy::stream(config, &toy::load(&path), &RunContext::default()).expect("a stream");
    assert_eq!(toy::tokens(&toy::all(&mut stream)), numbers("shuffled_tokens"));
}

#[test]
fn the_number_of_workers_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(300));
    let run = |workers: usize| {
        let config = toy::config(json!({"num_workers": workers, "buffer_size": 128, "model_batch_size": 5}));
        let mut stream = toy::stream(config, &dataset, &RunContext::default()).expect("a stream");
        toy::rows(&toy::all(&mut stream))
    };
    let one = run(1);
    assert_eq!(one, run(7));
    assert_eq!(one, run(3));
}

#[test]
fn a_saved_stream_goes_on_exactly_where_it_was() {
    for changes in [
        json!({"prefetch": 0}),
        json!({"prefetch": 3}),
        json!({"packed": true, "context_size": 11}),
    ] {
        goes_on_where_it_was(&changes);
    }
}

fn goes_on_where_it_was(changes: &serde_json::Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(200));
    let config = || {
        let mut value = json!({"buffer_size": 100, "model_batch_size": 4});
        value
            .as_object_mut()
            .expect("a map")
            .extend(changes.as_object().expect("a map").clone());
        toy::config(value)
    };
    let context = RunContext::default();
    let whole = toy::rows(&toy::all(
        &mut toy::stream(config(), &dataset, &context).expect("a stream"),
    ));
    for taken in [0, 1, 9] {
        let mut first = toy::stream(config(), &dataset, &context).expect("a stream");
        let mut rows = Vec::new();
        for _ in 0..taken {
            rows.extend(toy::rows(&[first.next_batch().expect("works").expect("a batch")]));
        }
        let saved = tempfile::tempdir().expect("a folder");
        first.save_state(saved.path()).expect("saved");
        drop(first);
        let mut second = toy::stream(config(), &dataset, &context).expect("a stream");
        second.restore_state(saved.path()).expect("restored");
        rows.extend(toy::rows(&toy::all(&mut second)));
        assert_eq!(rows, whole, "after {taken} batches with {changes}");
    }
}

#[test]
fn an_interrupted_stream_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(100));
    for prefetch in [0, 3] {
        loses_nothing(&dataset, prefetch);
    }
}

fn loses_nothing(dataset: &Dataset, prefetch: usize) {
    let config = || toy::config(json!({"buffer_size": 64, "prefetch": prefetch}));
    let context = RunContext::default();
    let whole = toy::rows(&toy::all(
        &mut toy::stream(config(), dataset, &context).expect("a stream"),
    ));
    let mut stream = toy::stream(config(), dataset, &context).expect("a stream");
    let mut rows = Vec::new();
    loop {
        context.stop.set();
        let error = match stream.next_batch() {
            Err(error) => error.headline(),
            Ok(Some(batch)) => {
                rows.extend(toy::rows(&[batch]));
                continue;
            }
            Ok(None) => break,
        };
        assert!(error.contains("interrupted"), "{error}");
        context.stop.clear();
        match stream.next_batch().expect("goes on") {
            Some(batch) => rows.extend(toy::rows(&[batch])),
            None => break,
        }
    }
    assert_eq!(rows, whole);
}

#[test]
fn two_dimensions_are_padded_masked_and_say_where_they_come_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let texts = ["ab".to_string(), "cdefgh".to_string(), "".to_string()];
    let dataset = toy::jsonl(folder.path(), &texts);
    let config = toy::config(json!({"target": "activations-2d", "context_size": 4, "batch_size": 2}));
    let batches = toy::all(&mut toy::stream(config, &dataset, &RunContext::default()).expect("a stream"));
    assert_eq!(batches.len(), 2);
    let first = &batches[0];
    assert_eq!(first.at(HOOK).expect("there").size(), [2, 4, 2]);
    assert_eq!(toy::tokens(&batches[..1]), [BOS, 97, 98, PAD, BOS, 99, 100, 101]);
    let mask = first.mask.as_ref().expect("a mask").reshape([-1]);
    assert_eq!(
        Vec::<i32>::try_from(mask).expect("numbers"),
        [0, 1, 1, 0, 0, 1, 1, 1]
    );
    let meta = first.meta.as_ref().expect("origins");
    assert_eq!(
        meta[1],
        json!({"model_name": "toy", "context_idx": 1, "dataset_name": "texts", "shard_idx": 0, "n_shards": 1})
    );
    assert_eq!(batches[1].rows(), 1);
}

#[test]
fn ignored_tokens_replace_the_mask_but_never_keep_padding() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &["abc".to_string(), "a".to_string()]);
    let config = toy::config(json!({"ignore_token_ids": [98], "model_batch_size": 2}));
    let batches = toy::all(&mut toy::stream(config, &dataset, &RunContext::default()).expect("a stream"));
    assert_eq!(toy::tokens(&batches), [BOS, 97, 99, BOS, 97]);
}

#[test]
fn several_sources_are_mixed_by_weight_and_seed() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = tempfile::tempdir().expect("a folder");
    let a = toy::jsonl(folder.path(), &vec!["aaaa".to_string(); 300]);
    let b = toy::jsonl(other.path(), &vec!["bbbb".to_string(); 300]);
    let run = || {
        let config = toy::config(json!({"sources": [
            {"type": "dataset", "name": "a", "sample_weights": 3.0},
            {"type": "dataset", "name": "b"},
        ]}));
        let inputs = saescript::activations::Inputs {
            model: Some(std::sync::Arc::new(toy::ToyModel)),
            datasets: [("a".to_string(), a.clone()), ("b".to_string(), b.clone())].into(),
            ..Default::default()
        };
        let factory = saescript::activations::ActivationFactory::new(config).expect("a factory");
        let mut stream = factory.process(inputs, &RunContext::default()).expect("a stream");
        toy::tokens(&toy::all(&mut stream))
    };
    let tokens = run();
    assert_eq!(tokens.len(), 2400, "every record of both");
    let early = tokens[..800].iter().filter(|id| **id == 97).count();
    assert!(
        (520..680).contains(&early),
        "three of four should be `a`: {early} of 800"
    );
    assert_eq!(tokens, run());
}

#[test]
fn errors_of_worker_threads_keep_their_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("texts.jsonl");
    let mut bytes = Vec::new();
    for number in 0..100 {
        bytes.extend(format!("{{\"text\": \"text {number}\"}}\n").bytes());
    }
    bytes.extend(b"{\"text\": \"\xff\"}\n");
    std::fs::write(&path, bytes).expect("written");
    let mut stream =
        toy::stream(toy::config(json!({})), &toy::load(&path), &RunContext::default()).expect("a stream");
    let error = loop {
        match stream.next_batch() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the broken line was passed over"),
            Err(error) => break error,
        }
    };
    let text = error.headline();
    assert!(
        text.contains("line 101, byte 11") && text.contains("UTF-8"),
        "{text}"
    );
    assert!(text.contains("in the source `texts`"), "{text}");
}

/// Settings with these changes are refused: under which key, with which words.
fn refused(cases: &[(serde_json::Value, &str, &str)]) {
    for (changes, key, says) in cases {
        let mut value = json!({
            "sources": [{"type": "dataset", "name": "texts"}], "target": "activations-1d",
            "hook_points": [HOOK], "batch_size": 16,
        });
        value
            .as_object_mut()
            .expect("a map")
            .extend(changes.as_object().expect("a map").clone());
        let error =
            from_value::<saescript::activations::ActivationFactoryConfig>(value).expect_err("refused");
        let text = error.to_string();
        assert_eq!(error.key_path(), *key, "{changes}: {text}");
        assert!(text.contains(says), "{changes}: {text}");
    }
}

#[test]
fn sources_that_make_no_sense_are_refused_with_their_key() {
    refused(&[
        (json!({"sources": []}), "sources", "at least one source"),
        (
            json!({"sources": [{"type": "dataset"}]}),
            "sources[0]",
            "`name` is missing",
        ),
        (
            json!({"sources": [{"type": "dataset", "name": 3}]}),
            "sources[0].name",
            "a string",
        ),
        (
            json!({"sources": [{"type": "dataset", "name": "a", "path": "x"}]}),
            "sources[0].path",
            "is_dataset_tokenized",
        ),
        (
            json!({"sources": [{"type": "datasets", "name": "a"}]}),
            "sources[0].type",
            "did you mean `dataset`",
        ),
        (
            json!({"sources": [{"type": "activations", "name": "a"}]}),
            "sources[0]",
            "`path` is missing",
        ),
        (
            json!({"sources": [{"type": "dataset", "name": "a"}, {"type": "dataset", "name": "a"}]}),
            "sources[1].name",
            "two sources are called `a`",
        ),
        (
            json!({"sources": [{"type": "dataset", "name": "a", "sample_weights": 0.0}]}),
            "sources[0].sample_weights",
            "above 0",
        ),
    ]);
}

#[test]
fn what_makes_no_sense_is_refused_with_its_key() {
    refused(&[
        (
            json!({"packed": true}),
            "context_size",
            "packed sequences need a length",
        ),
        (
            json!({"buffer_size": 8}),
            "buffer_size",
            "smaller than one batch of 16",
        ),
        (
            json!({"hook_points": []}),
            "hook_points",
            "at least one hook point",
        ),
        (
            json!({"hook_points": ["a", "a"]}),
            "hook_points[1]",
            "listed twice",
        ),
        (json!({"batch_size": 0}), "batch_size", "at least 1"),
        (
            json!({"override_dtype": "int64"}),
            "override_dtype",
            "floating-point",
        ),
        (
            json!({"buffer_shuffle": {"generator_device": "gpu"}}),
            "buffer_shuffle.generator_device",
            "unknown device",
        ),
        (
            json!({"buffer_shuffle": {"perm_seed": 7}, "buffer_size": null}),
            "buffer_shuffle",
            "nothing would be shuffled",
        ),
    ]);
}
