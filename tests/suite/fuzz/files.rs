//! Files of data: JSON, JSON lines, CSV, safetensors, and the index of a cache.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use saescript::activations::check_cache;
use saescript::config::{Map, Value};
use saescript::event::RunContext;
use saescript::tensor::Device;
use saescript::tensor::safetensors::{Beginning, beginning, read};
use saescript::text::{Cell, Dataset, DatasetConfig, Row};
use safetensors::SafeTensors;

use super::{Target, Verdict, ensure, magnitude};

/// A file of its own for each thread.
fn file(name: &str, input: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::write(&path, input).expect("written");
    (folder, path)
}

/// What a data file gives: its rows up to the first error, and that error.
type Given = (Vec<Row>, Option<String>);

/// The rows that saescript reads.
fn ours(name: &str, input: &[u8]) -> Given {
    let (_folder, path) = file(name, input);
    let config = DatasetConfig {
        dataset_name_or_path: path.to_string_lossy().into_owned(),
        ..DatasetConfig::default()
    };
    let dataset = match Dataset::load(&config, &RunContext::default()) {
        Ok(dataset) => dataset,
        Err(error) => return (Vec::new(), Some(error.message().to_string())),
    };
    let mut rows = Vec::new();
    for row in dataset.maps(0) {
        match row {
            Ok(row) => rows.push(row),
            Err(error) => return (rows, Some(error.message().to_string())),
        }
    }
    (rows, None)
}

/// A record as JSON has it; a column that another record has, and it has not, is null.
fn row(record: Value) -> Option<Row> {
    match Cell::from(record) {
        Cell::Map(row) => Some(row),
        _ => None,
    }
}

/// Are these the same rows, but for columns that are null?
fn same(rows: &[Row], expected: &[Row]) -> bool {
    let filled = |rows: &[Row]| -> Vec<Row> {
        let mut rows = rows.to_vec();
        rows.iter_mut()
            .for_each(|row| row.retain(|_, cell| *cell != Cell::Null));
        rows
    };
    filled(rows) == filled(expected)
}

/// What is said of `given`; where all of `expected` is known, it has to be that.
fn compared(given: Given, expected: Option<Vec<Row>>) -> Verdict {
    let (rows, error) = given;
    if let Some(expected) = expected.filter(|rows| rows.first().is_some_and(|row| !row.is_empty())) {
        if let Some(error) = error {
            return Err(format!("what is whole is refused: {error}"));
        }
        ensure(same(&rows, &expected), || {
            format!("{rows:?} instead of {expected:?}")
        })?;
    }
    Ok(error.unwrap_or_else(|| format!("ok, {} rows", magnitude(rows.len()))))
}

const DATA: &[&str] = &[
    "{\"text\": \"a\"}",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"text\"",
    "\"\\\"",
    "\\u00e9",
    "\\ud800",
    "null",
    "true",
    "1e400",
    "[{}]",
    "{\"data\": [",
    "\n",
    "\r\n",
    "\u{feff}",
    "\"a\"\"b\"",
    ";",
    "\t",
    "#",
];

pub const JSON: Target = Target {
    name: "json",
    run: json,
    words: DATA,
};

/// A list of records, and an object that holds one, give the rows that serde_json reads.
fn json(input: &[u8]) -> Verdict {
    let whole = serde_json::from_slice::<Value>(input)
        .ok()
        .filter(|_| !has_negative_zero(input));
    let list = whole.as_ref().filter(|value| value.is_array());
    let verdict = compared(ours("a.json", input), list.and_then(records))?;
    if let Some(Value::Object(map)) = whole {
        // Written again, so that no key comes twice.
        let text = Value::Object(map).to_string();
        let again: Map<String, Value> = serde_json::from_str(&text).expect("what serde_json wrote");
        let starts_with_record = |value: &&Value| value.get(0).is_some_and(Value::is_object);
        let list = again.values().find(starts_with_record);
        let expected = match list.filter(|_| !again.contains_key("text")) {
            Some(list) => records(list),
            None => row(Value::Object(again.clone())).map(|row| vec![row]),
        };
        compared(ours("a.json", text.as_bytes()), expected)?;
    }
    Ok(verdict)
}

/// serde_json takes `-0` for a float, Python and we for a whole number.
fn has_negative_zero(input: &[u8]) -> bool {
    input.windows(2).any(|pair| pair == b"-0")
}

/// The records of a list, if all of its items are some.
fn records(list: &Value) -> Option<Vec<Row>> {
    list.as_array()?.iter().cloned().map(row).collect()
}

pub const JSON_LINES: Target = Target {
    name: "jsonl",
    run: json_lines,
    words: DATA,
};

/// Line by line what serde_json reads, up to the first line that it refuses. What it refuses may still be what Python
/// writes.
fn json_lines(input: &[u8]) -> Verdict {
    let (rows, error) = ours("a.jsonl", input);
    let input = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
    let lines = input.split(|byte| matches!(byte, b'\n' | b'\r'));
    let filled = lines.filter(|line| !line.trim_ascii().is_empty());
    let records = filled.map_while(|line| {
        serde_json::from_slice(line)
            .ok()
            .filter(|_| !has_negative_zero(line))
    });
    let expected: Vec<Row> = records.map_while(row).collect();
    if expected.first().is_some_and(|row| !row.is_empty()) {
        let begins = rows
            .get(..expected.len())
            .is_some_and(|rows| same(rows, &expected));
        ensure(begins, || format!("{rows:?} instead of {expected:?}"))?;
    }
    Ok(error.unwrap_or_else(|| format!("ok, {} rows", magnitude(rows.len()))))
}

pub const CSV: Target = Target {
    name: "csv",
    run: csv,
    words: DATA,
};

/// The cells that the crate reads, under the names of the first line, where none of them is blank.
fn csv(input: &[u8]) -> Verdict {
    let input_text = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
    let mut reader = csv::Reader::from_reader(input_text);
    let names = reader.headers().cloned().unwrap_or_default();
    let unique = names
        .iter()
        .enumerate()
        .all(|(at, name)| names.iter().take(at).all(|other| other != name));
    let records: Result<Vec<csv::StringRecord>, csv::Error> = reader.records().collect();
    let filled = |record: &csv::StringRecord| record.iter().all(|cell| !cell.trim().is_empty());
    // What a quote within a cell or a second byte-order mark means, every reader says otherwise.
    let plain = input_text.iter().all(|byte| *byte != b'"') && !input_text.starts_with(b"\xef\xbb\xbf");
    let row = |cells: &csv::StringRecord| {
        let cells = names.iter().zip(cells);
        cells
            .map(|(name, cell)| (name.to_string(), cell.into()))
            .collect()
    };
    let records = records
        .ok()
        .filter(|records| unique && plain && filled(&names) && records.iter().all(filled));
    let expected = records.map(|records| records.iter().map(row).collect());
    compared(ours("a.csv", input), expected)
}

pub const SAFETENSORS: Target = Target {
    name: "safetensors",
    run: safetensors,
    words: &[
        "\"dtype\":\"F32\"",
        "\"BF16\"",
        "\"F8_E4M3\"",
        "\"F4\"",
        "\"shape\":[",
        "\"data_offsets\":[0,4]",
        "__metadata__",
        "{",
        "}",
        "[",
        "]",
        "0",
        ",",
        " ",
        "18446744073709551615",
        "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}",
    ],
};

/// A file is accepted if the crate accepts it, and gives the same names, shapes and bytes.
fn safetensors(input: &[u8]) -> Verdict {
    let (_folder, path) = file("a.safetensors", input);
    let (ours, theirs) = (read(&path), SafeTensors::deserialize(input));
    ensure(ours.is_ok() == theirs.is_ok(), || {
        format!(
            "{:?}, but the crate says {:?}",
            ours.as_ref().err(),
            theirs.as_ref().err()
        )
    })?;
    let (ours, theirs) = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(error), _) => return Ok(error.message().to_string()),
        _ => unreachable!("both or neither"),
    };
    ensure(ours.names().len() == theirs.len(), || {
        format!("{:?}", ours.names())
    })?;
    let mut loaded = 0;
    for (name, view) in theirs.tensors() {
        let shape: Vec<i64> = view.shape().iter().map(|size| *size as i64).collect();
        ensure(ours.shape(&name) == Some(shape.clone()), || {
            format!("shape of {name}")
        })?;
        ensure(ours.bytes(&name) == Some(view.data()), || {
            format!("bytes of {name}")
        })?;
        let from_header = matches!(beginning(input, &name), Beginning::Shape(found) if found == shape);
        ensure(from_header, || {
            format!("the first bytes tell another shape of {name} than {shape:?}")
        })?;
        if let Ok(tensor) = ours.tensor(&name, Device::Cpu, None) {
            ensure(tensor.size() == shape, || {
                format!("the tensor {name} is {:?}", tensor.size())
            })?;
            loaded += 1;
        }
    }
    Ok(format!(
        "ok, {} tensors, {} loaded",
        magnitude(theirs.len()),
        magnitude(loaded)
    ))
}

pub const CACHE_INDEX: Target = Target {
    name: "cache_index",
    run: cache_index,
    words: &[
        "{\"cache\":",
        "{\"chunk\":",
        "{\"complete\":{\"chunks\":4}}",
        "\"xxh3\":\"",
        "\"rows\":",
        "\"tokens\":",
        "\"bytes\":",
        "chunk-00000001",
        "\n",
        "\"version\":2",
        "\"meta_xxh3\":\"0\"",
        "\"n_shards\":2",
        "null",
        "\"settings\":{}",
    ],
};

/// No index is accepted that says other things of the chunks than are true.
fn cache_index(input: &[u8]) -> Verdict {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    static TRUTH: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    let folder = FOLDER.get_or_init(four_chunks).path();
    std::fs::write(folder.join("blocks.1.hook_mlp_out/index.jsonl"), input).expect("written");
    let report = match check_cache(folder, &RunContext::default()) {
        Ok(report) => report,
        Err(error) => return Ok(error.message().to_string()),
    };
    if let Some(problem) = report.problems.first() {
        return Ok(problem.message().to_string());
    }
    if !report.has_checksums {
        return Ok("ok, unchecked".into());
    }
    let truth = TRUTH.get_or_init(|| entries(include_bytes!("../../fuzz/seeds/cache_index/whole")));
    let said = entries(input);
    ensure(said == *truth, || {
        format!("{said:?} is accepted, though {truth:?} is true")
    })?;
    Ok("ok".into())
}

/// A cache of four chunks without an index.
fn four_chunks() -> tempfile::TempDir {
    let hook = "blocks.1.hook_mlp_out";
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/activations/cache/1d")
        .join(hook);
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(folder.path().join(hook)).expect("a folder");
    for entry in std::fs::read_dir(source).expect("the fixture").flatten() {
        std::fs::copy(entry.path(), folder.path().join(hook).join(entry.file_name())).expect("copied");
    }
    folder
}

/// What an index says of each chunk.
fn entries(index: &[u8]) -> BTreeMap<String, Value> {
    let lines = index.split(|byte| *byte == b'\n');
    let chunks = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok()?.get("chunk").cloned());
    chunks.map(|chunk| (chunk["name"].to_string(), chunk)).collect()
}
