//! JSON lines: one object a line, its keys are the columns.
//!
//! A file that holds one list, or objects over several lines each, is read all the same: see the JSON format.

use super::{Format, Selection, json, rows};

pub(super) const FORMAT: Format = Format {
    name: "JSON lines",
    extensions: &["jsonl", "ndjson"],
    compressible: true,
    settings: &["field"],
    columns: |input| rows::sampled_keys(json::open(input, &Selection::default(), WRAPPED)?),
    count: |input| json::count(input, WRAPPED),
    open: |input, selection| json::open(input, selection, WRAPPED),
};

/// An object on the only line is a record, whatever it holds.
const WRAPPED: bool = false;
