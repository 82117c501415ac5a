//! Every format against Hugging Face's own loaders; the files and what the loaders gave come from
//! scripts/make-text-fixtures.

use std::path::Path;

use saescript::config::{Value, from_value};
use saescript::text::{Cell, Dataset, DatasetConfig, Row};

use super::load;

/// A cell as text, in which NaN is like NaN and the order of keys does not matter.
fn shown(cell: &Cell) -> String {
    match cell {
        Cell::List(items) => format!("{:?}", items.iter().map(shown).collect::<Vec<_>>()),
        Cell::Map(row) => {
            let mut cells: Vec<(&String, String)> =
                row.iter().map(|(name, cell)| (name, shown(cell))).collect();
            cells.sort();
            format!("{cells:?}")
        }
        other => format!("{other:?}"),
    }
}

/// A value of cases.json; floats that are not finite are written as `{"float": "nan"}` there.
fn cell(value: &Value) -> Cell {
    match value {
        Value::Object(map) => match map.get("float").and_then(Value::as_str) {
            Some(float) => Cell::Float(float.parse().expect("a float")),
            None => Cell::Map(
                map.iter()
                    .map(|(name, value)| (name.clone(), cell(value)))
                    .collect(),
            ),
        },
        Value::Array(items) => Cell::List(items.iter().map(cell).collect()),
        other => other.clone().into(),
    }
}

/// The data set of a case: its files below `folder` with its settings.
fn dataset(folder: &Path, case: &Value) -> Dataset {
    let mut settings = case["settings"].clone();
    settings["dataset_name_or_path"] = folder.to_string_lossy().into();
    settings["data_files"] = case["files"].clone();
    let config: DatasetConfig = from_value(settings).expect("settings");
    load(&config).unwrap_or_else(|error| panic!("{}: {error}", case["files"]))
}

#[test]
fn every_format_gives_what_the_loaders_give() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/datasets/huggingface");
    let text = std::fs::read_to_string(folder.join("cases.json")).expect("readable");
    let cases: Value = serde_json::from_str(&text).expect("JSON");
    let cases = cases["cases"].as_array().expect("a list");
    assert!(cases.len() > 100);
    let mut wrong = Vec::new();
    for case in cases {
        let dataset = dataset(&folder, case);
        let wanted: Vec<String> = case["records"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|row| shown(&cell(row)))
            .collect();
        let given = |start: u64| -> Vec<String> {
            let rows = dataset.maps(start).map(|row| {
                row.unwrap_or_else(|error| Row::from_iter([("error".to_string(), error.to_string().into())]))
            });
            rows.map(|row| shown(&Cell::Map(row))).collect()
        };
        let all = given(0);
        if all != wanted {
            wrong.push(format!(
                "{}:\n  {all:?}\n  instead of\n  {wanted:?}",
                case["files"]
            ));
        }
        assert_eq!(
            given(1),
            all[1.min(all.len())..],
            "{}: from the second on",
            case["files"]
        );
        assert_eq!(
            dataset.len().expect("counted"),
            all.len() as u64,
            "{}",
            case["files"]
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
