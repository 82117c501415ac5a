//! Data sets: where their files are found, formats, orders, and what is said about broken ones.

mod bad_records;
mod columns;
mod formats;
mod huggingface;
mod layouts;
mod orders;
mod scripts;

use std::fs;
use std::path::Path;

use saescript::error::Error;
use saescript::event::RunContext;
use saescript::text::{Content, Dataset, DatasetConfig, RecordKind};

fn config(path: &Path) -> DatasetConfig {
    DatasetConfig {
        dataset_name_or_path: path.to_string_lossy().into(),
        ..DatasetConfig::default()
    }
}

fn load(config: &DatasetConfig) -> Result<Dataset, Error> {
    Dataset::load(config, &RunContext::default())
}

fn texts(dataset: &Dataset, start: u64) -> Result<Vec<String>, Error> {
    let records = dataset.records(RecordKind::Text, start)?;
    records
        .map(|record| match record?.content {
            Content::Text(text) => Ok(text),
            other => panic!("expected a text, not {other:?}"),
        })
        .collect()
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    fs::write(path, text).expect("written");
}

#[test]
fn records_may_hold_tokens() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ids.jsonl");
    write(&path, "{\"tokens\": [1, 2, 3]}\n{\"tokens\": [4, -1]}\n");
    let dataset = load(&config(&path)).expect("loaded");
    let mut records = dataset.records(RecordKind::Tokens, 0).expect("records");
    let first = records.next().expect("one").expect("good");
    assert_eq!(first.content, Content::Tokens(vec![1, 2, 3]));
    let error = records.next().expect("another").expect_err("a negative id");
    assert!(error.headline().contains("record 2"), "{error}");
}

/// Every bad input, with words that its message must hold.
#[test]
fn bad_data_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    write(&root.join("empty.txt"), "");
    write(&root.join("broken.parquet"), "PAR1 but no more");
    write(&root.join("image.png"), "x");
    write(&root.join("hollow/README.md"), "x");
    write(&root.join("mixed/a.txt"), "x");
    write(&root.join("mixed/b.jsonl"), "{\"text\": \"x\"}");
    write(&root.join("latin.txt"), b"fine\ncaf\xe9\n");
    write(&root.join("cut.jsonl"), "{\"text\": \"a\"}\n{\"text\": \"b");
    write(&root.join("list.jsonl"), "[1]\n");
    write(&root.join("null.jsonl"), "{\"text\": \"a\"}\n{\"text\": null}\n");
    write(&root.join("cut.txt.gz"), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 75]);
    let cases: &[(&str, &[&str])] = &[
        ("empty.txt", &["is empty"]),
        ("broken.parquet", &["broken.parquet", "not a whole Parquet file"]),
        ("image.png", &["not a kind of file", "Parquet (.parquet)"]),
        ("hollow", &["holds no data files"]),
        ("mixed", &["mixes", "data_files"]),
        ("nowhere", &["there is no file, folder or data set"]),
        ("*.nothing", &["no file matches"]),
        ("latin.txt", &["latin.txt`, line 2, byte 4", "UTF-8"]),
        ("cut.jsonl", &["cut.jsonl`, line 2", "broken JSON"]),
        ("list.jsonl", &["line 1", "expected a JSON object"]),
        ("null.jsonl", &["record 2", "is null"]),
        ("cut.txt.gz", &["cut.txt.gz", "cut short or damaged"]),
    ];
    for (name, words) in cases {
        let read = load(&config(&root.join(name))).and_then(|dataset| texts(&dataset, 0));
        let error = read.expect_err(name);
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{name}: {text}");
        assert_eq!(error.fault().exit_code(), 2, "{name}");
    }
    let error = load(&DatasetConfig {
        text_column: "txet".into(),
        ..config(&root.join("null.jsonl"))
    })
    .and_then(|dataset| texts(&dataset, 0))
    .expect_err("no such column");
    assert!(error.to_string().contains("did you mean `text`"), "{error}");
    let whole = DatasetConfig {
        streaming: false,
        ..config(&root.join("latin.txt"))
    };
    assert!(
        load(&whole).is_err(),
        "without streaming, files are read through at once"
    );
}
