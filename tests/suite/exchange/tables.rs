//! Tables as JSON lines, CSV and Parquet.

use std::path::Path;

use saescript::event::RunContext;
use saescript::findings::Store;
use saescript::text::{Cell, Dataset, DatasetConfig};
use serde_json::{Value, json};

use super::{analysed, lines};
use crate::program::run_in;

/// The records of a file as our own readers of data sets have them.
fn read_back(path: &Path) -> Vec<Value> {
    let config = DatasetConfig {
        dataset_name_or_path: path.display().to_string(),
        ..DatasetConfig::default()
    };
    let dataset = Dataset::load(&config, &RunContext::default()).expect("a data set");
    let rows = dataset.maps(0).map(|row| {
        let cells = row.expect("a row").into_iter();
        Value::Object(cells.map(|(name, cell)| (name, plain(cell))).collect())
    });
    rows.collect()
}

fn plain(cell: Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Bool(flag) => flag.into(),
        Cell::Int(number) => number.into(),
        Cell::Float(number) if number.is_nan() => "NaN".into(),
        Cell::Float(number) if number.is_infinite() => {
            if number > 0.0 { "Infinity" } else { "-Infinity" }.into()
        }
        Cell::Float(number) => number.into(),
        Cell::Text(text) => text.into(),
        Cell::List(cells) => cells.into_iter().map(plain).collect(),
        Cell::Map(row) => Value::Object(row.into_iter().map(|(name, cell)| (name, plain(cell))).collect()),
    }
}

/// Whether both are the same, numbers of lists as float32.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            a == b || (a as f32) == (b as f32)
        }
        _ => ours == theirs,
    }
}

#[test]
fn every_table_is_the_same_in_every_form() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(analysed(folder.path())).expect("a store");
    for form in ["jsonl", "csv", "parquet"] {
        let ran = run_in(folder.path(), ["export", "a.sqlite", "--to", form, "-o", form]).ended_with(0);
        assert_eq!(ran.out, format!("17 files in {form}\n"));
    }
    for table in saescript::findings::TABLES {
        let name = table.name;
        let rows = lines(&folder.path().join(format!("jsonl/{name}.jsonl")));
        if rows.is_empty() {
            assert!(
                ["heads", "score", "evaluation"].contains(&name),
                "{name} is empty"
            );
            continue;
        }
        let parquet = read_back(&folder.path().join(format!("parquet/{name}.parquet")));
        assert_eq!(rows.len(), parquet.len(), "{name}");
        for (a, b) in rows.iter().zip(&parquet) {
            for column in table.columns {
                assert!(
                    same(&a[column.name], &b[column.name]),
                    "{name}.{}: {a} {b}",
                    column.name
                );
            }
        }
        let mut csv = csv::Reader::from_path(folder.path().join(format!("csv/{name}.csv"))).expect("CSV");
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        assert_eq!(csv.headers().expect("a head").iter().collect::<Vec<_>>(), names);
        for (row, record) in rows.iter().zip(csv.records()) {
            for (column, cell) in names.iter().zip(record.expect("a record").iter()) {
                let expected = match &row[column] {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let number = |text: &str| text.parse::<f64>().ok();
                assert!(
                    cell == expected || number(cell) == number(&expected),
                    "{name}.{column}: {cell}"
                );
            }
        }
    }
    samples_and_contexts_are_there(&store, folder.path());
}

/// The best sample of a latent, and its context's tokens, are those of the store.
fn samples_and_contexts_are_there(store: &Store, folder: &Path) {
    let id = store.analysis(None).expect("one").id;
    let all = store.scalars(id).expect("read").into_iter();
    let latent = all.max_by_key(|one| one.act_times).expect("one").latent;
    let best = &store.samples(id, latent).expect("read")[0].samples[0];
    let rows = lines(&folder.join("jsonl/sample.jsonl"));
    let row = rows
        .iter()
        .find(|row| row["latent"] == latent && row["rank"] == 0 && row["subsample"] == 0)
        .expect("a row");
    assert_eq!(row["peak"], json!(f64::from(best.peak)));
    assert_eq!(
        row["positions"].as_array().map(Vec::len),
        Some(best.activations.len())
    );
    let context = &store.contexts([best.context]).expect("read")[&best.context];
    let rows = lines(&folder.join("jsonl/context.jsonl"));
    let row = rows.iter().find(|row| row["id"] == best.context).expect("a row");
    assert_eq!(row["tokens"], json!(context.tokens));
}

#[test]
fn one_table_is_one_file_and_nothing_is_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    analysed(folder.path());
    let export = |more: &[&str]| {
        let start = [
            "export",
            "a.sqlite",
            "--to",
            "csv",
            "--table",
            "latent",
            "-o",
            "latents.csv",
        ];
        run_in(folder.path(), start.iter().chain(more))
    };
    assert_eq!(export(&[]).ended_with(0).out, "latents.csv\n");
    let path = folder.path().join("latents.csv");
    let written = std::fs::read(&path).expect("read");
    std::fs::write(&path, "mine").expect("written");
    let refused = export(&[]).ended_with(2);
    assert!(
        refused.err.contains("is there already") && refused.err.contains("--force"),
        "{}",
        refused.err
    );
    assert_eq!(std::fs::read(&path).expect("read"), b"mine");
    export(&["--force"]).ended_with(0);
    assert_eq!(std::fs::read(&path).expect("read"), written);
    let wrong = run_in(
        folder.path(),
        [
            "export", "a.sqlite", "--to", "csv", "--table", "latnet", "-o", "x",
        ],
    )
    .ended_with(2);
    assert!(wrong.err.contains("did you mean `latent`?"), "{}", wrong.err);
    let idle = run_in(
        folder.path(),
        ["export", "a.sqlite", "--to", "csv", "--set", "x", "-o", "x"],
    )
    .ended_with(2);
    assert!(idle.err.contains("`--set` has no meaning"), "{}", idle.err);
}
