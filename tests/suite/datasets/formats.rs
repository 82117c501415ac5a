//! Formats: what each file gives, and what is said about broken ones.

use std::path::Path;

use saescript::event::RunContext;
use saescript::text::{Cell, DatasetConfig, Row};

use super::{config, load, texts, write};

#[test]
fn globs_and_compressed_files_are_read() {
    use std::io::Write;
    let folder = tempfile::tempdir().expect("a folder");
    let line = "{\"content\": \"packed\"}\n";
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(line.as_bytes()).expect("packed");
    write(&folder.path().join("a.jsonl.gz"), gz.finish().expect("packed"));
    write(
        &folder.path().join("b.jsonl.zst"),
        zstd::encode_all(line.as_bytes(), 0).expect("packed"),
    );
    let all = DatasetConfig {
        text_column: "content".into(),
        ..config(&folder.path().join("*.jsonl.*"))
    };
    assert_eq!(
        texts(&load(&all).expect("loaded"), 0).expect("texts"),
        ["packed", "packed"]
    );
}

/// The same three records in every text format.
#[test]
fn every_format_gives_the_same_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let files: &[(&str, &str)] = &[
        (
            "a.jsonl",
            "{\"text\": \"one\", \"n\": \"1\"}\n{\"text\": \"two, \\\"or\\\" so\", \"n\": \"2\"}\n\n{\"text\": \"three\\nlines\", \"n\": \"3\"}",
        ),
        (
            "lines.json",
            "{\"text\": \"one\", \"n\": \"1\"}\n{\"text\": \"two, \\\"or\\\" so\", \"n\": \"2\"}\n{\"text\": \"three\\nlines\", \"n\": \"3\"}\n",
        ),
        (
            "list.json",
            " [ {\"text\": \"one\", \"n\": \"1\"},\n{\"text\": \"two, \\\"or\\\" so\", \"n\": \"2\"}, {\"text\": \"three\\nlines\", \"n\": \"3\"} ]\n",
        ),
        (
            "field.json",
            "{\"version\": [1, 2], \"about\": {\"data\": []},\n \"data\": [{\"text\": \"one\", \"n\": \"1\"}, {\"text\": \"two, \\\"or\\\" so\", \"n\": \"2\"}, {\"text\": \"three\\nlines\", \"n\": \"3\"}], \"end\": true}",
        ),
        (
            "a.csv",
            "text,n\none,1\n\"two, \"\"or\"\" so\",2\n\"three\nlines\",3\n",
        ),
        (
            "a.tsv",
            "text\tn\none\t1\ntwo, \"or\" so\t2\n\"three\nlines\"\t3\n",
        ),
    ];
    for (name, content) in files {
        let path = folder.path().join(name);
        write(&path, content);
        let dataset = load(&config(&path)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(dataset.columns(), ["text", "n"], "{name}");
        assert_eq!(dataset.len().expect("counted"), 3, "{name}");
        let wanted = ["one", "two, \"or\" so", "three\nlines"];
        assert_eq!(texts(&dataset, 0).expect("texts"), wanted, "{name}");
        assert_eq!(texts(&dataset, 2).expect("texts"), wanted[2..], "{name}");
        let rows: Vec<Row> = dataset.maps(0).map(|row| row.expect("a row")).collect();
        assert_eq!(rows[1]["n"], Cell::from("2"), "{name}");
    }
}

/// A folder that Python's `save_to_disk` wrote; see tests/fixtures/datasets/make.py.
#[test]
fn a_folder_of_save_to_disk_is_read() {
    let saved = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/datasets/saved");
    let on_disk = |split: &str| DatasetConfig {
        is_dataset_on_disk: true,
        split: split.into(),
        ..config(&saved)
    };
    let train = load(&on_disk("train")).expect("train");
    assert_eq!(train.columns(), ["text", "id", "tokens", "label", "when"]);
    assert_eq!(train.files().len(), 2);
    assert_eq!(train.len().expect("counted"), 5);
    assert_eq!(
        texts(&train, 0).expect("texts"),
        ["text 0", "text 1", "text 2", "text 3", "text 4"]
    );
    assert_eq!(texts(&train, 3).expect("texts"), ["text 3", "text 4"]);
    let row = train.maps(4).next().expect("a row").expect("readable");
    assert_eq!(row["tokens"], Cell::from(serde_json::json!([4, 5])));
    assert_eq!((&row["id"], &row["label"]), (&4i64.into(), &0i64.into()));
    assert_eq!(row["when"], Cell::from("2026-01-05T00:00:00"));
    let test = load(&on_disk("test")).expect("test");
    assert_eq!(texts(&test, 0).expect("texts"), ["other"]);
    let error = load(&on_disk("validation")).expect_err("no such split");
    assert!(error.to_string().contains("`train`, `test`"), "{error}");
    // Without the flag it is recognised, and a split's own folder is one too.
    assert_eq!(
        load(&config(&saved)).expect("recognised").len().expect("counted"),
        5
    );
    assert_eq!(
        load(&config(&saved.join("test")))
            .expect("one split")
            .len()
            .expect("counted"),
        1
    );
    let error = load(&DatasetConfig {
        is_dataset_on_disk: true,
        ..config(saved.parent().expect("a folder"))
    })
    .expect_err("no such folder");
    assert!(
        error.to_string().contains("was not written by `save_to_disk`"),
        "{error}"
    );
    // Cut short between two batches, which the reader itself would not notice.
    let folder = tempfile::tempdir().expect("a folder");
    let mut file = std::fs::read_dir(saved.join("test"))
        .expect("a folder")
        .flatten()
        .map(|entry| entry.path());
    let file = file
        .find(|path| path.extension().is_some_and(|ext| ext == "arrow"))
        .expect("a file");
    let bytes = std::fs::read(file).expect("readable");
    write(&folder.path().join("cut.arrow"), &bytes[..bytes.len() - 8]);
    let error = load(&config(&folder.path().join("cut.arrow"))).expect_err("cut");
    assert!(error.to_string().contains("not a whole Arrow file"), "{error}");
}

#[test]
fn broken_files_of_every_format_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let cases: &[(&str, &[u8], &[&str])] = &[
        (
            "cut.json",
            b"[{\"text\": \"a\"},\n{\"text\": \"b",
            &["cut.json`, line 2", "ends in the middle"],
        ),
        (
            "bad.json",
            b"[{\"text\": \"a\"}, {\"text\" 5}]",
            &["line 1", "broken JSON"],
        ),
        ("numbers.json", b"[1, 2]", &["expected a JSON object"]),
        ("word.json", b"word", &["expected a list of records"]),
        ("bare.json", b"{\"a\": 1}", &["unknown column `text`"]),
        (
            "long.csv",
            b"text,n\na,1\nb,2,3\n",
            &["line 3", "3 cells", "2 columns"],
        ),
        ("latin.csv", b"text\ncaf\xe9\n", &["line 2", "UTF-8"]),
        ("short.arrow", b"ARROW1", &["not a whole Arrow file"]),
        (
            "noise.arrow",
            b"what is this, and why does it go on",
            &["not a whole Arrow file"],
        ),
    ];
    for (name, bytes, words) in cases {
        write(&root.join(name), bytes);
        let read = load(&config(&root.join(name))).and_then(|dataset| texts(&dataset, 0));
        let text = read.expect_err(name).to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{name}: {text}");
    }
    let column = DatasetConfig {
        text_column: "content".into(),
        ..config(&root.join("bare.json"))
    };
    let error = load(&column).expect_err("a column that was asked for");
    assert_eq!(error.key_path(), "text_column");
    write(&root.join("null.jsonl"), "{\"text\": \"a\"}\n{\"text\": null}\n");
    let whole = DatasetConfig {
        streaming: false,
        ..config(&root.join("null.jsonl"))
    };
    let error = load(&whole).expect_err("read through at once");
    assert!(error.to_string().contains("record 2"), "{error}");
    let context = RunContext::default();
    context.stop.set();
    assert!(saescript::text::Dataset::load(config(&root.join("null.jsonl")), &context).is_err());
}

#[test]
fn an_object_with_a_text_is_a_record_and_another_is_looked_into() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.json");
    for (text, wanted) in [
        ("{\"text\": \"a\", \"turns\": [{\"text\": \"x\"}]}", "a"),
        ("{\"turns\": [{\"text\": \"x\"}],\n \"text\": \"a\"}", "a"),
        ("{\"about\": \"text\", \"turns\": [{\"text\": \"x\"}]}", "x"),
        ("{\"about\": 1, \"turns\":\n [{\"text\": \"x\"}]}", "x"),
    ] {
        write(&path, text);
        let dataset = load(&config(&path)).expect("loaded");
        assert_eq!(texts(&dataset, 0).expect("texts"), [wanted], "{text}");
        assert_eq!(dataset.len().expect("counted"), 1, "{text}");
    }
}

/// The corpus beside the fixtures, in all forms it comes in.
#[test]
fn all_forms_of_a_corpus_hold_the_same_records() {
    let Some(fixtures) = std::env::var_os("SAESCRIPT_FIXTURES") else {
        return;
    };
    let corpus = Path::new(&fixtures).join("../data/wikitext");
    let parquet = load(&config(&corpus)).expect("parquet");
    assert_eq!(parquet.len().expect("counted"), 3359);
    let from_parquet = texts(&parquet, 0).expect("texts");
    assert_eq!(from_parquet.len(), 3359);
    assert_eq!(texts(&parquet, 2500).expect("texts"), from_parquet[2500..]);
    let jsonl = load(&config(&corpus.join("jsonl"))).expect("jsonl");
    assert_eq!(texts(&jsonl, 0).expect("texts"), from_parquet);
}
