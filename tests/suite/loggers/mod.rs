//! Logs read back by the programs they are for: W&B's own engine, reader and protocol, TensorBoard's own reader.
//!
//! `scripts/test` provides those and names the Python that has them in `SAESCRIPT_TEST_PYTHON`; without it these tests
//! say that they were skipped.

mod server;
mod tensorboard;
mod wandb;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use saescript::config::Value;

/// The Python with the readers and W&B's engine beside them.
pub struct Tools {
    python: PathBuf,
}

impl Tools {
    /// `None` where nobody provided them.
    pub fn find() -> Option<Self> {
        match std::env::var_os("SAESCRIPT_TEST_PYTHON") {
            Some(python) => Some(Tools {
                python: python.into(),
            }),
            None => {
                eprintln!("skipped: run scripts/test, or set SAESCRIPT_TEST_PYTHON=$(scripts/test-tools)");
                None
            }
        }
    }

    /// The real `wandb-core`.
    pub fn core(&self) -> PathBuf {
        let code = "import importlib.util as u; print(u.find_spec('wandb').submodule_search_locations[0])";
        let output = Command::new(&self.python).args(["-c", code]).output();
        let folder = String::from_utf8(output.expect("Python runs").stdout).expect("UTF-8");
        Path::new(folder.trim()).join("bin/wandb-core")
    }

    /// What one of the readers beside this file prints about a folder.
    pub fn read(&self, reader: &str, folder: &Path) -> Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/suite/loggers")
            .join(reader);
        let output = Command::new(&self.python).arg(script).arg(folder).output();
        let output = output.expect("Python runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{errors}"))
    }
}

/// The rows of `metrics.jsonl` by step; an evaluation shares the row of its step.
pub fn rows_of(results: &Path) -> BTreeMap<u64, serde_json::Map<String, Value>> {
    let text = std::fs::read_to_string(results.join("metrics.jsonl")).expect("metrics");
    let mut rows = BTreeMap::<u64, serde_json::Map<String, Value>>::new();
    for line in text.lines() {
        let mut row: serde_json::Map<String, Value> = serde_json::from_str(line).expect("JSON");
        let step = row.remove("step").and_then(|step| step.as_u64()).expect("a step");
        rows.entry(step).or_default().extend(row);
    }
    assert!(!rows.is_empty());
    rows
}
