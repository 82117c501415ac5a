//! Columns: paths into nested ones, token ids under either name, and settings of single formats.

use std::path::Path;

use saescript::text::{Content, DatasetConfig, RecordKind, SampleBy};

use super::{config, load, texts, write};

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/datasets/huggingface")
}

fn with_text(path: &Path, column: &str) -> DatasetConfig {
    DatasetConfig {
        text_column: column.into(),
        ..config(path)
    }
}

#[test]
fn a_path_leads_into_a_nested_column_of_every_format() {
    for name in ["nested.jsonl", "nested.json", "nested.parquet", "nested.arrow"] {
        let path = fixtures().join(name);
        let dataset = load(&with_text(&path, "meta.text")).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(texts(&dataset, 0).expect("texts"), ["a", "b"], "{name}");
        assert_eq!(texts(&dataset, 1).expect("texts"), ["b"], "{name}");
        let error = load(&with_text(&path, "meta.txet")).expect_err("no such path");
        assert!(
            error.to_string().contains("did you mean `meta.text`"),
            "{name}: {error}"
        );
        let error = load(&with_text(&path, "mteta.text")).expect_err("no such column");
        assert_eq!(error.key_path(), "text_column");
    }
    // A column of that name comes first.
    for name in ["nested.parquet", "nested.arrow"] {
        let dataset = load(&with_text(&fixtures().join(name), "meta.n")).expect("loaded");
        assert_eq!(texts(&dataset, 0).expect("texts"), ["name", "name"], "{name}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("a.csv"), "meta.text,n\nx,1\n");
    let dataset = load(&with_text(&folder.path().join("a.csv"), "meta.text")).expect("loaded");
    assert_eq!(texts(&dataset, 0).expect("texts"), ["x"]);
    // Into a map, and through a null on the way.
    write(
        &folder.path().join("a.jsonl"),
        "{\"meta\": null}\n{\"meta\": {\"a.b\": {\"text\": \"deep\"}}}\n",
    );
    let dataset = load(&with_text(&folder.path().join("a.jsonl"), "meta.a.b.text")).expect("loaded");
    assert!(
        texts(&dataset, 0)
            .expect_err("null")
            .to_string()
            .contains("is null")
    );
    assert_eq!(texts(&dataset, 1).expect("texts"), ["deep"]);
}

#[test]
fn a_text_may_be_missing_from_the_first_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.jsonl");
    write(&path, "{\"n\": 1}\n".repeat(20) + "{\"text\": \"late\"}\n");
    let dataset = load(&config(&path)).expect("loaded");
    assert_eq!(dataset.columns(), ["n", "text"]);
    assert_eq!(texts(&dataset, 20).expect("texts"), ["late"]);
    assert!(
        texts(&dataset, 0)
            .expect_err("missing")
            .to_string()
            .contains("is missing")
    );
}

#[test]
fn token_ids_may_stand_under_either_name_and_padding_is_left_out() {
    let ids = |path: &Path| {
        let dataset = load(&config(path)).expect("loaded");
        let records = dataset.records(RecordKind::Tokens, 0).expect("records");
        records
            .map(|record| record.map(|record| record.content))
            .collect::<Result<Vec<_>, _>>()
    };
    for name in ["tokens.jsonl", "tokens.json", "tokens.parquet", "tokens.arrow"] {
        let given = ids(&fixtures().join(name)).expect("ids");
        assert_eq!(given, [Content::Tokens(vec![5, 6])], "{name}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.jsonl");
    for (text, wanted) in [
        ("{\"input_ids\": [1, 2]}", Ok(vec![1, 2])),
        (
            "{\"input_ids\": [0, 0, 7], \"attention_mask\": [0, 0, 1]}",
            Ok(vec![7]),
        ),
        // Under `tokens` a mask is that of the reference, which is 0 at BOS too.
        ("{\"tokens\": [1, 2], \"attention_mask\": [0, 1]}", Ok(vec![1, 2])),
        ("{\"tokens\": [1, 2], \"input_ids\": [3]}", Ok(vec![1, 2])),
        (
            "{\"input_ids\": [1, 2], \"attention_mask\": [1]}",
            Err("2 token ids, but its `attention_mask` has 1"),
        ),
        (
            "{\"input_ids\": [1, 2], \"attention_mask\": \"x\"}",
            Err("has an `attention_mask` that holds a text"),
        ),
        (
            "{\"input_ids\": [1.5]}",
            Err("not all items are non-negative integers"),
        ),
        (
            "{\"input_ids\": \"1 2\"}",
            Err("should hold a list of token ids, but holds a text"),
        ),
        ("{\"ids\": [1]}", Err("under `tokens` or `input_ids`")),
    ] {
        write(&path, text);
        let given = load(&config(&path)).and_then(|dataset| dataset.records(RecordKind::Tokens, 0));
        let given = given.and_then(|mut records| records.next().expect("one"));
        match (given, wanted) {
            (Ok(record), Ok(wanted)) => assert_eq!(record.content, Content::Tokens(wanted), "{text}"),
            (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{text}: {error}"),
            (given, wanted) => panic!("{text}: {given:?} instead of {wanted:?}"),
        }
    }
}

#[test]
fn settings_of_other_formats_and_separators_of_no_use_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lines, csv) = (folder.path().join("a.jsonl"), folder.path().join("a.csv"));
    write(&lines, "{\"text\": \"a\"}\n");
    write(&csv, "text\na\n");
    let sep = |path: &Path, sep: &str| DatasetConfig {
        sep: Some(sep.into()),
        ..config(path)
    };
    let field = |path: &Path| DatasetConfig {
        field: Some("data".into()),
        ..config(path)
    };
    let by = DatasetConfig {
        sample_by: SampleBy::Document,
        ..config(&csv)
    };
    for (config, key, words) in [
        (sep(&lines, ";"), "sep", "it is for CSV"),
        (field(&csv), "field", "JSON lines and JSON"),
        (by, "sample_by", "plain text"),
        (field(&lines), "field", "no key `data` with a list"),
        (sep(&csv, ""), "sep", "one ASCII character"),
        (sep(&csv, "||"), "sep", "one ASCII character"),
        (sep(&csv, "\""), "sep", "one ASCII character"),
        (sep(&csv, "é"), "sep", "one ASCII character"),
    ] {
        let error = load(&config).expect_err(words);
        assert_eq!(error.key_path(), key, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn texts_of_other_encodings_are_named_in_every_format() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["a.txt", "a.jsonl", "a.json", "a.csv", "a.tsv"] {
        let path = folder.path().join(name);
        for (mark, encoding) in [
            (&b"\xff\xfe"[..], "utf-16"),
            (b"\xfe\xff", "utf-16"),
            (b"\xff\xfe\0\0", "utf-32"),
        ] {
            write(&path, [mark, &b"a\0"[..]].concat());
            let read = load(&config(&path)).and_then(|dataset| texts(&dataset, 0));
            let error = read.expect_err(name).to_string();
            assert!(
                error.contains(&format!("iconv -f {encoding} -t utf-8")),
                "{name}: {error}"
            );
        }
    }
}
