//! The folder of a run: settings, facts about the run, and one line of JSON per log.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use serde_json::json;

use super::checkpoint::{checkpoints_folder, list_checkpoints};
use super::config::TrainerConfig;
use crate::atomic;
use crate::clock::timestamp;
use crate::config::{Map, Value, to_value};
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Error, Result};
use crate::event::{Events, Metrics};
use crate::files::{require_regular, require_still_at};
use crate::policy::{self, Access};
use crate::tensor::{get_num_threads, product, runtime};

/// The file of what a run logged.
pub(super) const METRICS_FILE: &str = "metrics.jsonl";

/// What a run's starter knows about it and the trainer does not; written into the run's folder.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    /// All settings of the run; `None` writes those of the dictionary and the trainer.
    pub settings: Option<Value>,
    /// Further facts for `run.json`: script and its hash, command, seeds.
    pub facts: Map<String, Value>,
}

/// An open folder of a run.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    metrics: File,
    /// Length of `metrics.jsonl` in whole lines.
    metrics_bytes: u64,
    facts: Map<String, Value>,
    since: Instant,
}

impl RunFolder {
    /// Makes the folder and writes what is known before the first step. `keep` bytes of an older `metrics.jsonl` stay:
    /// 0 for a new run, what the checkpoint says when going on.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn open(
        cfg: &TrainerConfig,
        sae: &SparseAutoEncoder,
        provenance: &Provenance,
        keep: u64,
    ) -> Result<Self> {
        let path = PathBuf::from(&cfg.exp_result_path);
        std::fs::create_dir_all(&path).map_err(|error| Error::io("create", &path, error))?;
        sae.cfg.save_hyperparameters(&path)?;
        let settings = match &provenance.settings {
            Some(settings) => settings.clone(),
            None => json!({"sae": to_value(&sae.cfg)?, "trainer": to_value(cfg)?}),
        };
        atomic::write(path.join("settings.toml"), settings_text(settings)?)?;
        let mut facts = provenance.facts.clone();
        facts.insert("saescript".into(), env!("CARGO_PKG_VERSION").into());
        facts.insert("libtorch".into(), runtime::libtorch_version().into());
        facts.insert(
            "device".into(),
            format!("{:?}", sae.device()).to_lowercase().into(),
        );
        facts.insert("threads".into(), get_num_threads().into());
        facts.insert("product".into(), product::backend()?.name().into());
        facts.insert("parameters".into(), sae.parameter_count().into());
        let command: Vec<String> = std::env::args().collect();
        facts.entry("command").or_insert(command.into());
        facts.insert("started_at".into(), timestamp(SystemTime::now()).into());
        let mut folder = Self {
            metrics: open_metrics(&path.join(METRICS_FILE), keep)?,
            metrics_bytes: keep,
            path,
            facts,
            since: Instant::now(),
        };
        folder.record("running", 0, 0)?;
        Ok(folder)
    }

    /// Adds one line to `metrics.jsonl`. Numbers that JSON does not have become null.
    ///
    /// # Errors
    /// The disk is full.
    pub fn log(&mut self, step: u64, metrics: &Metrics) -> Result<()> {
        let mut line = Map::new();
        line.insert("step".into(), step.into());
        for (name, value) in metrics {
            line.insert(name.clone(), number(*value));
        }
        let text = format!("{}\n", Value::Object(line));
        self.require_in_place()?;
        if let Err(error) = self.metrics.write_all(text.as_bytes()) {
            // Half a line would spoil the file for whoever reads it.
            self.metrics.set_len(self.metrics_bytes).ok();
            return Err(Error::io("write", self.path.join(METRICS_FILE), error));
        }
        self.metrics_bytes += text.len() as u64;
        Ok(())
    }

    /// Returns the length of `metrics.jsonl` in bytes, after making sure that all of it is on the disk.
    ///
    /// # Errors
    /// The disk is full; the file was removed or replaced.
    pub fn synced_metrics(&self) -> Result<u64> {
        self.require_in_place()?;
        let path = self.path.join(METRICS_FILE);
        self.metrics
            .sync_all()
            .map_err(|error| Error::io("write", path, error))?;
        Ok(self.metrics_bytes)
    }

    /// Refuses to go on in a folder that is no longer the one that was opened: what comes would be the rest of a run
    /// whose beginning is lost.
    fn require_in_place(&self) -> Result<()> {
        let path = self.path.join(METRICS_FILE);
        require_still_at(&self.metrics, &path).map_err(|error| {
            Error::io("write", path, error).hint(
                "leave the folder of a run alone while it goes on; copy files out of it to work with them",
            )
        })
    }

    /// Rewrites `run.json` with how the run stands.
    ///
    /// # Errors
    /// The disk is full.
    pub fn record(&mut self, status: &str, steps: u64, tokens: u64) -> Result<()> {
        self.require_in_place()?;
        self.facts.insert("status".into(), status.into());
        self.facts.insert("steps".into(), steps.into());
        self.facts.insert("tokens".into(), tokens.into());
        if status != "running" {
            self.facts
                .insert("finished_at".into(), timestamp(SystemTime::now()).into());
            let seconds = (self.since.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
            self.facts.insert("seconds".into(), seconds.into());
        }
        let text = serde_json::to_string_pretty(&self.facts)
            .map_err(|error| Error::run(format!("cannot write the facts of the run: {error}")))?;
        atomic::write(self.path.join("run.json"), text + "\n")
    }
}

/// What a run leaves in its folder besides the finished dictionary and its checkpoints.
const RECORDS: [&str; 5] = [
    "metrics.jsonl",
    "lm_config.json",
    "run.json",
    "failure",
    "tensorboard",
];

/// Makes room for a new run in a used folder, so that nothing of the two mixes: what the earlier one left is renamed to
/// `checkpoints.previous`, `metrics.jsonl.previous` and so on.
///
/// # Errors
/// The folder cannot be written.
pub fn set_aside_earlier_run(folder: &Path, events: &Events) -> Result<()> {
    if !list_checkpoints(folder).is_empty() {
        let aside = folder.join("checkpoints.previous");
        move_to(&checkpoints_folder(folder), &aside)?;
        events.note(format!(
            "the checkpoints of an earlier run in this folder are now in `{}`",
            aside.display()
        ))?;
    }
    let names = [&SparseAutoEncoder::FILES[..], &RECORDS[..]].concat();
    // The architecture alone may have been written for this run.
    let [_, architecture] = SparseAutoEncoder::FILES;
    if !names
        .iter()
        .any(|name| *name != architecture && folder.join(name).exists())
    {
        return Ok(());
    }
    set_aside(folder, &names, "an earlier run", events)
}

/// Renames the finished dictionary of a training that goes on, which is finished no more.
pub(super) fn set_aside_final(folder: &Path, events: &Events) -> Result<()> {
    let finished = SparseAutoEncoder::FILES;
    if folder.join(finished[0]).exists() {
        return set_aside(folder, &finished, "this training before it goes on", events);
    }
    Ok(())
}

fn set_aside(folder: &Path, names: &[&str], whose: &str, events: &Events) -> Result<()> {
    let mut moved = Vec::new();
    for name in names {
        let path = folder.join(name);
        if path.exists() {
            move_to(&path, &folder.join(format!("{name}.previous")))?;
            moved.push(format!("{name}.previous"));
        }
    }
    if moved.is_empty() {
        Ok(())
    } else {
        events.note(format!(
            "what {whose} left in `{}` is now called {}",
            folder.display(),
            moved.join(", ")
        ))
    }
}

/// Renames a file or folder, in place of what is there.
fn move_to(path: &Path, aside: &Path) -> Result<()> {
    if aside.is_dir() {
        std::fs::remove_dir_all(aside).map_err(|error| Error::io("replace", aside, error))?;
    }
    std::fs::rename(path, aside).map_err(|error| Error::io("rename", path, error))
}

/// Returns `value` as JSON, whole numbers without a decimal point, as counts read better so.
fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        Value::from(value as i64)
    } else {
        Value::from(value)
    }
}

/// Opens the file with its first `keep` bytes; what comes after them belongs to steps that are done again.
fn open_metrics(path: &Path, keep: u64) -> Result<File> {
    let failed = |error| Error::io("write", path, error);
    if let Ok(found) = std::fs::metadata(path) {
        require_regular(found.file_type()).map_err(failed)?;
    }
    let opened = OpenOptions::new().create(true).append(true).open(path);
    let file = opened.map_err(failed)?;
    policy::confirm(Access::Write, &file, path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length < keep {
        return Err(Error::input(format!(
            "`{}` has {length} bytes, but had {keep} when the checkpoint was saved: lines of the steps before are lost",
            path.display()
        ))
        .hint("put the whole file back, or go on in another folder (`exp_result_path`)"));
    }
    file.set_len(keep).map_err(failed)?;
    Ok(file)
}

/// Returns the settings as TOML, which has no null: what is null is left out, but mixed precision, whose default is not
/// null, is written as float32, which means the same.
fn settings_text(mut settings: Value) -> Result<String> {
    if let Some(amp) = settings.pointer_mut("/trainer/amp_dtype")
        && amp.is_null()
    {
        *amp = "torch.float32".into();
    }
    toml::to_string_pretty(&without_nulls(settings))
        .map_err(|error| Error::run(format!("cannot write the settings: {error}")))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect::<Vec<_>>().into(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_without_mixed_precision_stay_without() {
        let text =
            settings_text(json!({"trainer": {"amp_dtype": null, "lp_coefficient": null}})).expect("text");
        assert_eq!(text.trim(), "[trainer]\namp_dtype = \"torch.float32\"");
    }
}
