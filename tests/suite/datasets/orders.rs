//! Parts and orders of data sets: what they hold, that they are the same each time, and that reading may begin
//! anywhere.

use std::collections::BTreeSet;

use saescript::config::Value;
use saescript::event::RunContext;
use saescript::text::{Content, Dataset, RecordKind};

use super::{config, load, texts, write};

/// `count` records `0`, `1`, … in several files.
fn numbered(count: usize, in_file: usize) -> (tempfile::TempDir, Dataset) {
    let folder = tempfile::tempdir().expect("a folder");
    let numbers: Vec<usize> = (0..count).collect();
    for (file, part) in numbers.chunks(in_file).enumerate() {
        let lines: Vec<String> = part
            .iter()
            .map(|number| format!("{{\"text\": \"{number}\"}}"))
            .collect();
        write(
            &folder.path().join(format!("part-{file:03}.jsonl")),
            lines.join("\n"),
        );
    }
    let dataset = load(&config(folder.path())).expect("loaded");
    (folder, dataset)
}

fn values(dataset: &Dataset) -> Vec<u64> {
    let texts = texts(dataset, 0).expect("texts");
    texts.iter().map(|text| text.parse().expect("a number")).collect()
}

/// Reading from any record on gives the rest of what reading from the start gives, numbered alike.
#[track_caller]
fn begins_anywhere(dataset: &Dataset) {
    let whole: Vec<_> = dataset
        .records(RecordKind::Text, 0)
        .expect("records")
        .map(|record| record.expect("good"))
        .collect();
    assert_eq!(dataset.len().expect("counted"), whole.len() as u64);
    for (number, record) in whole.iter().enumerate() {
        assert_eq!(record.origin.index, number as u64);
    }
    for start in [
        0,
        1,
        7,
        whole.len() / 2,
        whole.len().saturating_sub(1),
        whole.len(),
        whole.len() + 3,
    ] {
        let rest = dataset.records(RecordKind::Text, start as u64).expect("records");
        let rest: Vec<_> = rest.map(|record| record.expect("good")).collect();
        assert_eq!(rest, whole[start.min(whole.len())..], "from {start}");
    }
}

#[test]
fn parts_are_lazy_and_exact() {
    let (_folder, all) = numbered(100, 30);
    let context = RunContext::default();
    let parts = [
        (all.take(5), (0..5).collect::<Vec<u64>>()),
        (all.take(500), (0..100).collect()),
        (all.take(0), Vec::new()),
        (all.skip(95), (95..100).collect()),
        (all.skip(500), Vec::new()),
        (all.skip(28).take(4), vec![28, 29, 30, 31]),
        (all.shard(3, 2).expect("a part"), (2..100).step_by(3).collect()),
        (all.shard(3, 0).expect("a part").skip(30).take(2), vec![90, 93]),
        (
            all.select(&[1, 29, 30, 99], &context).expect("there"),
            vec![1, 29, 30, 99],
        ),
        (all.select(&[99, 1, 1], &context).expect("there"), vec![99, 1, 1]),
        (
            all.filter(&context, |row| {
                Ok(row["text"].as_str().is_some_and(|text| text.ends_with('7')))
            })
            .expect("read"),
            (7..100).step_by(10).collect(),
        ),
    ];
    for (part, wanted) in &parts {
        assert_eq!(values(part), *wanted, "{}", part.name());
        begins_anywhere(part);
    }
    assert!(all.shard(3, 3).is_err() && all.shard(0, 0).is_err());
    let error = all.select(&[5, 100], &context).expect_err("beyond the end");
    assert!(error.to_string().contains("no record 100"), "{error}");
    assert!(parts[2].0.is_empty().expect("known") && !all.is_empty().expect("known"));
}

#[test]
fn shuffling_depends_on_the_seed_alone() {
    let (_folder, all) = numbered(100, 30);
    let mixed = all.shuffle(42, 10_000).expect("mixed");
    let order = values(&mixed);
    assert_eq!(
        order.iter().collect::<BTreeSet<_>>().len(),
        100,
        "each record once"
    );
    assert_ne!(order, (0..100).collect::<Vec<u64>>());
    assert_eq!(values(&all.shuffle(42, 10_000).expect("mixed")), order);
    assert_ne!(values(&all.shuffle(43, 10_000).expect("mixed")), order);
    assert_eq!(mixed.name(), format!("{}.shuffle(42)", all.name()));
    begins_anywhere(&mixed);
    // Small windows: only neighbours are mixed, and files come in another order.
    let windows = all.shuffle(7, 8).expect("mixed");
    let order = values(&windows);
    assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 100);
    begins_anywhere(&windows);
    begins_anywhere(&windows.skip(3).shuffle(1, 6).expect("mixed").take(50));
    assert!(all.shuffle(1, 0).is_err());
}

#[test]
fn mapped_records_are_kept_as_long_as_they_are_used() {
    let (_folder, all) = numbered(20, 7);
    let context = RunContext::default();
    let change = |row: saescript::text::Row| {
        let text = row["text"].as_str().expect("a text");
        let tokens: Vec<u64> = vec![text.len() as u64, text.parse().expect("a number")];
        Ok([
            ("tokens".to_string(), Value::from(tokens).into()),
            ("text".to_string(), format!("<{text}>").into()),
        ]
        .into_iter()
        .collect())
    };
    let mapped = all.map(&context, change).expect("mapped");
    assert_eq!(mapped.columns(), ["text", "tokens"]);
    begins_anywhere(&mapped);
    let (file, mut records) = {
        let part = mapped.skip(3);
        drop(mapped);
        (
            part.files()[0].to_path_buf(),
            part.records(RecordKind::Tokens, 0).expect("records"),
        )
    };
    assert!(file.exists());
    let first = records.next().expect("one").expect("good");
    assert_eq!(first.content, Content::Tokens(vec![1, 3]));
    drop(records);
    assert!(!file.exists(), "the temporary file goes with its last reader");
    let error = all
        .map(&context, |_| Err(saescript::Error::input("no")))
        .expect_err("as the closure says");
    assert_eq!(error.message(), "no");
}
