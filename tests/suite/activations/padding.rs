//! Sequences of unequal lengths that go through the model together.

use saescript::activations::Batch;
use saescript::config::Value;
use saescript::event::RunContext;
use serde_json::json;

use super::parity::{assert_near, batches};
use super::toy;

/// Texts as long as paragraphs of an encyclopaedia are, of few words to very many: each tells its number.
fn paragraphs(count: usize) -> Vec<String> {
    let length = |number: usize| 4 + number * number * 37 % 173 + (number * 101 % 7) * (number * 59 % 31);
    (0..count)
        .map(|number| format!("{number}:{}", "x".repeat(length(number))))
        .collect()
}

#[test]
fn little_is_padded_and_the_order_stays_that_of_the_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &paragraphs(400));
    let run = |changes: &Value, model_batch_size: usize| {
        let mut config = json!({
            "batch_size": 4096, "context_size": 256, "model_batch_size": model_batch_size,
        });
        let fields = config.as_object_mut().expect("a map");
        fields.extend(changes.as_object().expect("a map").clone());
        let mut stream =
            toy::stream(toy::config(config), &dataset, &RunContext::default()).expect("a stream");
        let rows = toy::rows(&toy::all(&mut stream));
        (rows, stream.stats())
    };
    // The more of them are looked at together, the less is padded: a batch, a buffer, all.
    let cases = [
        (json!({}), 0.03),
        (json!({"buffer_size": 8192}), 0.025),
        (json!({"buffer_size": 1_000_000}), 0.015),
    ];
    for (changes, most) in cases {
        let (one_by_one, alone) = run(&changes, 1);
        assert_eq!(alone.padding, 0);
        for model_batch_size in [4, 16, 64] {
            let (rows, stats) = run(&changes, model_batch_size);
            // The buffer is filled by whole passes: with another size it is permuted at another place.
            if changes == json!({}) {
                assert_eq!(rows, one_by_one);
            }
            assert_eq!((stats.tokens, stats.sequences), (alone.tokens, 400));
            let share = stats.padding as f64 / (stats.tokens + stats.padding) as f64;
            assert!(
                0.0 < share && share < most,
                "{changes}, {model_batch_size} at a time: {share} is padding"
            );
        }
    }
}

#[test]
fn a_model_gives_each_token_the_same_whatever_it_is_batched_with() {
    let hook = "blocks.1.hook_resid_post";
    let words = ["ab", "cdefg", "hi", "jklmnopq", "r"];
    let records: Vec<Value> = (0..40usize)
        .map(|number| json!({"text": words[number % 5].repeat(1 + number * 7 % 9)}))
        .collect();
    let run = |model_batch_size: usize| -> Batch {
        let changes = json!({
            "target": "activations-1d", "hook_points": [hook], "batch_size": 10_000,
            "model_batch_size": model_batch_size,
        });
        batches(&records, changes, false).remove(0)
    };
    let alone = run(1);
    for model_batch_size in [3, 16] {
        let together = run(model_batch_size);
        assert_eq!(together.tokens, alone.tokens);
        let (ours, theirs) = (together.at(hook), alone.at(hook));
        assert_near(ours.expect("there"), theirs.expect("there"), "what goes together");
    }
}
