//! Texts that are read several times, and bad records that are skipped on the way: what comes, what is said, and that a
//! saved stream goes on to the same rows.

use saescript::activations::BatchStream;
use saescript::config::{Value, from_value};
use saescript::event::RunContext;
use saescript::text::{Dataset, DatasetConfig};
use serde_json::json;

use super::toy;
use crate::heard::warnings;

/// A data set of `count` records of which every fifth is bad, from the fourth on; bad records are skipped.
fn with_bad(folder: &std::path::Path, count: usize) -> Dataset {
    let path = folder.join("texts.jsonl");
    let line = |(number, text): (usize, String)| match number % 5 {
        3 => "{\"text\": null}\n".to_string(),
        _ => json!({ "text": text }).to_string() + "\n",
    };
    let lines: String = toy::texts(count).into_iter().enumerate().map(line).collect();
    std::fs::write(&path, lines).expect("written");
    let config: DatasetConfig =
        from_value(json!({"dataset_name_or_path": path, "on_bad_record": "skip"})).expect("a configuration");
    Dataset::load(&config, &RunContext::default()).expect("a data set")
}

fn passes(passes: Value, changes: Value) -> saescript::activations::ActivationFactoryConfig {
    let mut all = json!({"sources": [{"type": "dataset", "name": "texts", "passes": passes}]});
    all.as_object_mut()
        .expect("a map")
        .extend(changes.as_object().expect("a map").clone());
    toy::config(all)
}

fn rows(config: saescript::activations::ActivationFactoryConfig, dataset: &Dataset) -> Vec<(i64, i64)> {
    let mut stream = toy::stream(config, dataset, &RunContext::default()).expect("a stream");
    toy::rows(&toy::all(&mut stream))
}

#[test]
fn each_pass_gives_the_records_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(50));
    let once = rows(passes(json!(1), json!({})), &dataset);
    assert_eq!(
        rows(toy::config(json!({})), &dataset),
        once,
        "one pass is what there is without the setting"
    );
    assert_eq!(rows(passes(json!(3), json!({})), &dataset), once.repeat(3));
    let forever = passes(json!(null), json!({}));
    let mut stream = toy::stream(forever, &dataset, &RunContext::default()).expect("a stream");
    let mut given = Vec::new();
    while given.len() < once.len() * 3 {
        given.extend(toy::rows(&[stream
            .next_batch()
            .expect("works")
            .expect("there is no end")]));
    }
    assert_eq!(given[..once.len() * 3], once.repeat(3));
    let packed =
        json!({"packed": true, "context_size": 11, "target": "tokens", "hook_points": [], "batch_size": 1});
    let tokens = |passes| {
        let mut stream = toy::stream(passes, &dataset, &RunContext::default()).expect("a stream");
        toy::tokens(&toy::all(&mut stream))
    };
    let (one, two) = (
        tokens(self::passes(json!(1), packed.clone())),
        tokens(self::passes(json!(2), packed)),
    );
    // But for the last window of the first pass, which is not full there and goes on here.
    let full = one.len() - 11;
    assert_eq!(two[..full], one[..full]);
    assert!(two.len() > one.len() + full);
}

#[test]
fn a_shuffled_data_set_is_shuffled_anew_and_a_choice_from_it_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(50))
        .shuffle(7, 1000)
        .expect("mixed");
    let two = rows(passes(json!(2), json!({})), &dataset);
    let (first, second) = two.split_at(two.len() / 2);
    assert_eq!(first, rows(passes(json!(1), json!({})), &dataset));
    assert_ne!(first, second);
    let sorted = |rows: &[(i64, i64)]| {
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        rows
    };
    assert_eq!(sorted(first), sorted(second));
    let chosen = dataset.take(20);
    let once = rows(passes(json!(1), json!({})), &chosen);
    assert_eq!(rows(passes(json!(2), json!({})), &chosen), once.repeat(2));
}

#[test]
fn passes_over_nothing_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("empty.txt");
    std::fs::write(&path, "\n\n\n").expect("written");
    assert!(rows(passes(json!(null), json!({})), &toy::load(&path)).is_empty());
    let bad = with_bad(folder.path(), 100).skip(3).take(1);
    assert!(rows(passes(json!(null), json!({})), &bad).is_empty());
}

#[test]
fn a_saved_stream_goes_on_within_any_pass_and_counts_what_was_skipped() {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = with_bad(folder.path(), 60);
    let mixed = plain.shuffle(3, 25).expect("mixed");
    for changes in [
        json!({"prefetch": 0}),
        json!({"prefetch": 3, "buffer_size": 64}),
        json!({"packed": true, "context_size": 11}),
    ] {
        for dataset in [&plain, &mixed] {
            let config = || passes(json!(3), changes.clone());
            let whole = rows(config(), dataset);
            for taken in [0, 1, 20, 45] {
                let mut first = toy::stream(config(), dataset, &RunContext::default()).expect("a stream");
                let mut given = Vec::new();
                for _ in 0..taken {
                    given.extend(toy::rows(&[first.next_batch().expect("works").expect("a batch")]));
                }
                let saved = tempfile::tempdir().expect("a folder");
                first.save_state(saved.path()).expect("saved");
                drop(first);
                let context = RunContext::default();
                let heard = warnings(&context);
                let mut second = toy::stream(config(), dataset, &context).expect("a stream");
                second.restore_state(saved.path()).expect("restored");
                given.extend(toy::rows(&toy::all(&mut second)));
                assert!(given == whole, "after {taken} batches with {changes}");
                assert_eq!(
                    second.stats().bad_records,
                    36,
                    "after {taken} batches with {changes}"
                );
                drop(second);
                let heard = heard.lock().expect("a lock").clone();
                let skipped: Vec<&String> = heard.iter().filter(|text| text.contains("skipped")).collect();
                assert_eq!(skipped.len(), 1, "it is said once: {heard:?}");
                assert!(
                    skipped[0].starts_with("`texts`: 36 bad records were skipped; the first: "),
                    "{heard:?}"
                );
            }
        }
    }
}

#[test]
fn what_was_skipped_is_said_when_a_stream_is_not_read_to_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = with_bad(folder.path(), 400);
    for prefetch in [0, 2] {
        let context = RunContext::default();
        let heard = warnings(&context);
        let config = passes(json!(1), json!({"prefetch": prefetch}));
        let mut stream = toy::stream(config, &dataset, &context).expect("a stream");
        for _ in 0..20 {
            stream.next_batch().expect("works").expect("a batch");
        }
        assert!(stream.stats().bad_records > 0);
        drop(stream);
        let heard = heard.lock().expect("a lock").clone();
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert!(heard[0].contains("bad records were skipped"), "{heard:?}");
    }
}

#[test]
fn settings_of_passes_are_checked_and_known_to_the_fingerprint() {
    let read = |passes: Value| {
        from_value::<saescript::activations::ActivationFactoryDatasetSource>(
            json!({"name": "texts", "passes": passes}),
        )
    };
    assert_eq!(read(json!(0)).expect_err("none").key_path(), "passes");
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = toy::jsonl(folder.path(), &toy::texts(5));
    let fingerprint = |passes: Value| {
        let stream = toy::stream(self::passes(passes, json!({})), &dataset, &RunContext::default());
        format!("{:?}", stream.expect("a stream").fingerprint().expect("readable"))
    };
    assert!(
        !fingerprint(json!(1)).contains("sources[0].passes"),
        "as before there was the setting"
    );
    assert_ne!(fingerprint(json!(2)), fingerprint(json!(1)));
    assert_ne!(fingerprint(json!(2)), fingerprint(json!(null)));
}
