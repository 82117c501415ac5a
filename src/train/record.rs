//! What a run left in its folder, read back.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use indexmap::IndexMap;
use serde::Serialize;

use super::checkpoint::list_checkpoints;
use super::folder::METRICS_FILE;
use crate::config::{Map, Value};
use crate::error::{Error, Result};
use crate::event::Metrics;
use crate::files;

/// A run, as its folder tells of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RunRecord {
    /// The facts of `run.json`: how it stands, with what it was made.
    pub facts: Map<String, Value>,
    /// Its settings, as `settings.toml` has them.
    pub settings: Option<String>,
    /// Steps of the checkpoints that are there, oldest first.
    pub checkpoints: Vec<u64>,
    /// What was logged, with the step, oldest first.
    #[serde(skip)]
    pub metrics: Vec<(u64, Metrics)>,
}

impl RunRecord {
    /// Reads what the folder has; `None` if no run was there.
    ///
    /// # Errors
    /// Files that cannot be read; a line of metrics that is none.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let text = |name: &str| {
            let path = folder.join(name);
            let read = |path: &Path| {
                files::read_text(path, files::SETTINGS_MOST).map_err(|error| Error::io("read", path, error))
            };
            path.exists().then(|| read(&path)).transpose()
        };
        let facts = text("run.json")?;
        let (settings, metrics) = (text("settings.toml")?, read_metrics(&folder.join(METRICS_FILE))?);
        let checkpoints = list_checkpoints(folder).into_iter().map(|(step, _)| step);
        let record = RunRecord {
            facts: match &facts {
                None => Map::new(),
                Some(text) => serde_json::from_str(text).map_err(|error| {
                    Error::input(format!(
                        "`{}` cannot be read: {error}",
                        folder.join("run.json").display()
                    ))
                    .hint("a run writes it whole; restore it, or remove it")
                })?,
            },
            settings,
            checkpoints: checkpoints.collect(),
            metrics,
        };
        let is_there = facts.is_some() || !record.metrics.is_empty() || !record.checkpoints.is_empty();
        Ok(is_there.then_some(record))
    }

    /// Returns the values of each metric that was logged, oldest first.
    pub fn curves(&self) -> IndexMap<&str, Vec<f64>> {
        let mut curves: IndexMap<&str, Vec<f64>> = IndexMap::new();
        for (name, value) in self.metrics.iter().flat_map(|(_, metrics)| metrics) {
            curves.entry(name).or_default().push(*value);
        }
        curves
    }
}

/// Reads the lines of a file of metrics; none if it is not there. A last line without its end is still being written.
fn read_metrics(path: &Path) -> Result<Vec<(u64, Metrics)>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let failed = |error| Error::io("read", path, error);
    let mut lines = BufReader::new(files::open(path).map_err(failed)?);
    let mut rows = Vec::new();
    let mut line = String::new();
    while next_line(&mut lines, &mut line).map_err(failed)? {
        let read: Result<Map<String, Value>, _> = serde_json::from_str(&line);
        let mut fields = read.map_err(|error| {
            Error::input(format!(
                "line {} of `{}` is no line of metrics: {error}",
                rows.len() + 1,
                path.display()
            ))
            .hint("mend or remove the line")
        })?;
        let step = fields.remove("step").and_then(|step| step.as_u64()).unwrap_or(0);
        // What is no number was NaN or infinite.
        let values = fields
            .into_iter()
            .map(|(name, value)| (name, value.as_f64().unwrap_or(f64::NAN)));
        rows.push((step, values.collect()));
    }
    Ok(rows)
}

fn next_line(lines: &mut BufReader<File>, line: &mut String) -> std::io::Result<bool> {
    line.clear();
    lines.read_line(line)?;
    Ok(line.ends_with('\n'))
}
