//! Records that cannot be used: skipped and counted in every format, or named.

use std::io::Write;
use std::path::{Path, PathBuf};

use saescript::event::RunContext;
use saescript::text::{Content, Dataset, DatasetConfig, OnBadRecord, RecordKind};

use super::{config, load, write};
use crate::heard::warnings;

/// Files in which the records 1 and 4 (from 0) are texts and the others are bad, in every format of text.
const TEXTS: &[(&str, &[u8])] = &[
    (
        "a.jsonl",
        b"{\"text\": \"b\n{\"text\": \"one\"}\n{\"text\": null}\n{\"n\": 1}\n{\"text\": \"four\"}\n{\"text\": [\"x\"]}\n\
          5\n{\"text\": \"caf\xe9\"}\n{\"text\": 7} x\n",
    ),
    (
        "list.json",
        b"[{\"text\" 5},{\"text\": \"one\"},{\"text\": null},\n{\"n\": 1},{\"text\": \"four\"},{\"text\": [\"x\"]},5,\
          {\"text\": \"caf\xe9\"},{\"text\": tru}]",
    ),
    (
        "field.json",
        b"{\"data\": [{\"text\": NAN},{\"text\": \"one\"},{},{\"n\": 1},{\"text\": \"four\"},{\"text\": {}}]}",
    ),
    ("a.csv", b"text,n\nx,y,z\none,1\n,2\n\"\",3\nfour,4\ncaf\xe9,5\n\"open,6\n"),
    ("a.tsv", b"text\tn\nx\ty\tz\none\t1\n\t2\n\"\"\t3\nfour\t4\ncaf\xe9\t5\n"),
];

fn skipping(path: &Path) -> DatasetConfig {
    DatasetConfig {
        on_bad_record: OnBadRecord::Skip,
        ..config(path)
    }
}

/// The texts of a data set with their numbers, and how many records are bad.
fn used(dataset: &Dataset, start: u64) -> (Vec<(u64, String)>, usize) {
    let (mut texts, mut bad) = (Vec::new(), 0);
    for record in dataset.records(RecordKind::Text, start).expect("records") {
        let record = record.expect("what is bad is skipped");
        match record.content {
            Content::Text(text) => texts.push((record.origin.index, text)),
            Content::Bad(_) => bad += 1,
            Content::Tokens(_) => panic!("no text"),
        }
    }
    (texts, bad)
}

/// The file and its compressed forms.
fn forms(folder: &Path, name: &str, bytes: &[u8]) -> Vec<PathBuf> {
    let path = |ending: &str| folder.join(format!("{name}{ending}"));
    write(&path(""), bytes);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(bytes).expect("packed");
    write(&path(".gz"), gz.finish().expect("packed"));
    write(&path(".zst"), zstd::encode_all(bytes, 0).expect("packed"));
    vec![path(""), path(".gz"), path(".zst")]
}

#[test]
fn bad_records_of_every_format_are_skipped_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in TEXTS {
        for path in forms(folder.path(), name, bytes) {
            let dataset = load(&skipping(&path)).unwrap_or_else(|error| panic!("{name}: {error}"));
            let (texts, bad) = used(&dataset, 0);
            assert_eq!(texts, [(1, "one".into()), (4, "four".into())], "{name}");
            assert_eq!(bad as u64 + 2, dataset.len().expect("counted"), "{name}");
            assert_eq!(used(&dataset, 2).0, [(4, "four".into())], "{name}");
            let counted = dataset.bad_records(&RunContext::default()).expect("counted");
            assert_eq!(counted.count as usize, bad, "{name}");
            let maps: Vec<_> = dataset
                .maps(0)
                .map(|row| row.expect("good")["text"].clone())
                .collect();
            assert_eq!(maps, ["one".into(), "four".into()], "{name}");

            // Read through at once, it is said at once.
            let context = RunContext::default();
            let heard = warnings(&context);
            let whole = DatasetConfig {
                streaming: false,
                ..skipping(&path)
            };
            Dataset::load(&whole, &context).unwrap_or_else(|error| panic!("{name}: {error}"));
            let heard = heard.lock().expect("a lock").clone();
            assert_eq!(heard.len(), 1, "{heard:?}");
            assert!(
                heard[0].contains(&format!("{bad} bad records were skipped; the first: ")),
                "{heard:?}"
            );
        }
    }
}

#[test]
fn without_skipping_the_first_bad_record_ends_the_work_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in TEXTS {
        write(&folder.path().join(name), bytes);
        let records =
            load(&config(&folder.path().join(name))).and_then(|dataset| dataset.records(RecordKind::Text, 0));
        let records: Vec<_> = records
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .collect();
        assert_eq!(records.len(), 1, "{name}: nothing comes after the error");
        let text = records[0].as_ref().expect_err("bad").to_string();
        assert!(
            text.contains("with `on_bad_record` set to \"skip\"") && text.contains(name),
            "{text}"
        );
    }
}

#[test]
fn a_column_that_is_null_all_through_one_file_is_skipped() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/datasets/huggingface");
    for ending in ["parquet", "arrow"] {
        let shards = skipping(&folder.join(format!("shards-*.{ending}")));
        let dataset = load(&shards).expect("loaded");
        assert_eq!(used(&dataset, 0), (vec![(2, "one".into())], 3), "{ending}");
    }
}

#[test]
fn a_broken_first_line_does_not_hide_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, first) in [
        ("comma.jsonl", &b"{\"text\": \"a\"},"[..]),
        ("comma.json", b"{\"text\": \"a\"},"),
        ("open.jsonl", b"{\"text\": {"),
        ("quote.json", b"{\"text\": \"a"),
        ("latin.jsonl", b"{\"text\": \"caf\xe9\"}"),
    ] {
        let path = folder.path().join(name);
        write(
            &path,
            [first, &b"\n{\"text\": \"b\"}\n{\"text\": \"c\"}\n"[..]].concat(),
        );
        let dataset = load(&skipping(&path)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            used(&dataset, 0),
            (vec![(1, "b".into()), (2, "c".into())], 1),
            "{name}"
        );
        let error = load(&config(&path))
            .and_then(|dataset| super::texts(&dataset, 0))
            .expect_err(name);
        assert!(error.to_string().contains("line 1"), "{name}: {error}");
    }
}

#[test]
fn what_cannot_be_read_on_is_no_bad_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let whole = "{\"text\": \"one\"}\n".repeat(100);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gz.write_all(whole.as_bytes()).expect("packed");
    let packed = gz.finish().expect("packed");
    write(&root.join("cut.jsonl.gz"), &packed[..packed.len() / 2]);
    write(&root.join("cut.json"), "[{\"text\": \"one\"}, {\"text\": \"tw");
    for name in ["cut.jsonl.gz", "cut.json"] {
        let dataset = load(&skipping(&root.join(name))).expect("loaded");
        let last = dataset
            .records(RecordKind::Text, 0)
            .expect("records")
            .last()
            .expect("some");
        assert!(last.is_err(), "{name}");
    }
}

#[test]
fn numbers_of_records_count_the_bad_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.jsonl");
    let line = |number: usize| match number % 3 {
        0 => format!("{{\"text\": \"{number}\"}}\n"),
        1 => "{\"text\": null}\n".to_string(),
        _ => "broken\n".to_string(),
    };
    write(&path, (0..30).map(line).collect::<String>());
    let all = load(&skipping(&path)).expect("loaded");
    let context = RunContext::default();
    let texts =
        |dataset: &Dataset| -> Vec<String> { used(dataset, 0).0.into_iter().map(|(_, text)| text).collect() };
    assert_eq!(texts(&all.take(4)), ["0", "3"]);
    assert_eq!(texts(&all.skip(26)), ["27"]);
    assert_eq!(
        texts(&all.select(&[6, 5, 3], &context).expect("chosen")),
        ["6", "3"]
    );
    let kept = all
        .filter(&context, |row| Ok(row["text"].as_str() != Some("0")))
        .expect("chosen");
    assert_eq!((texts(&kept).len(), kept.len().expect("counted")), (9, 9));
    let mapped = all.map(&context, Ok).expect("changed");
    assert_eq!((texts(&mapped).len(), mapped.len().expect("counted")), (10, 10));
    let mut mixed = texts(&all.shuffle(1, 7).expect("mixed"));
    mixed.sort();
    let mut whole = texts(&all);
    whole.sort();
    assert_eq!(mixed, whole);
    assert_eq!(all.record(3).expect("good").expect("there")["text"], "3".into());
    assert!(all.record(4).expect_err("bad").to_string().contains("record 5"));
    assert!(all.record(30).expect("beyond").is_none());
}
