//! What goes out of a store for other programs, and comes in from them.

mod dashboards;
mod delphi;
mod hostile;
mod records;
mod schema;
mod tables;

use std::path::{Path, PathBuf};

use saescript::findings::Store;
use serde_json::Value;

use crate::analysis::command::{analyze, settings};

/// The store of a small analysis in `folder`, with a label, a bookmark and a metric.
pub fn analysed(folder: &Path) -> PathBuf {
    analyze(folder, &settings(folder), &["--quiet"]).ended_with(0);
    let path = folder.join("a.sqlite");
    let store = Store::open(&path).expect("a store");
    store
        .set_label(3, "felines, \"quoted\"\nin two lines", "user")
        .expect("labelled");
    store.bookmark(3, "animals", "look again").expect("marked");
    store
        .set_metric("peakiness", &[(3, 0.25), (7, 1e300)].into())
        .expect("set");
    path
}

/// The lines of a file, each JSON.
pub fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}")))
        .collect()
}
