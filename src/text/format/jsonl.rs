//! JSON lines: one object a line, its keys are the columns.

use std::path::PathBuf;

use super::lines::Lines;
use super::{Format, Input, Row, Rows, Selection};
use crate::config::Value;
use crate::error::{Error, Result};

pub(super) const FORMAT: Format = Format {
    name: "JSON lines",
    extensions: &["jsonl", "ndjson"],
    compressible: true,
    columns: |input| super::first_keys(open(input, &Selection::default())?),
    count: |input| Lines::open(input)?.count_filled(),
    open,
};

pub(super) fn open(input: &Input, selection: &Selection) -> Result<Rows> {
    Ok(Box::new(JsonLines {
        lines: Lines::open(input)?,
        path: input.path.clone(),
        column: selection.column.clone(),
        skip: selection.skip,
    }))
}

struct JsonLines {
    lines: Lines,
    path: PathBuf,
    column: Option<String>,
    skip: u64,
}

impl Iterator for JsonLines {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        loop {
            let line = match self.lines.next()? {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            if line.trim().is_empty() {
                continue;
            }
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            return Some(self.parse(&line));
        }
    }
}

impl JsonLines {
    fn parse(&self, line: &str) -> Result<Row> {
        let place = || format!("`{}`, line {}", self.path.display(), self.lines.number());
        let mut row = match serde_json::from_str(line) {
            Ok(Value::Object(row)) => row,
            Ok(_) => {
                return Err(
                    Error::input(format!("{}: expected a JSON object, one a line", place()))
                        .hint("a file that holds one JSON list is read under the extension .json"),
                );
            }
            Err(error) => {
                let what = error.to_string();
                let what = what.split(" at line ").next().unwrap_or(&what);
                let what = format!("{}, column {}: broken JSON: {what}", place(), error.column());
                return Err(Error::input(what));
            }
        };
        if let Some(column) = &self.column {
            row.retain(|name, _| name == column);
        }
        Ok(row)
    }
}
