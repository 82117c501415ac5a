//! The folder of a run: settings, facts about the run, and one line of JSON per log.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::config::TrainerConfig;
use crate::atomic;
use crate::config::{Map, Value, to_value};
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Error, Result};
use crate::event::Metrics;
use crate::tensor::runtime;

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
        facts.insert("threads".into(), tch::get_num_threads().into());
        facts.insert("parameters".into(), sae.parameter_count().into());
        let command: Vec<String> = std::env::args().collect();
        facts.entry("command").or_insert(command.into());
        facts.insert("started_at".into(), timestamp(SystemTime::now()).into());
        let mut folder = Self {
            metrics: open_metrics(&path.join("metrics.jsonl"), keep)?,
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
        self.metrics
            .write_all(text.as_bytes())
            .map_err(|error| Error::io("write", self.path.join("metrics.jsonl"), error))
    }

    /// Length of `metrics.jsonl` in bytes, after making sure that all of it is on the disk.
    ///
    /// # Errors
    /// The disk is full.
    pub fn synced_metrics(&self) -> Result<u64> {
        let path = self.path.join("metrics.jsonl");
        let size = self.metrics.sync_all().and_then(|()| self.metrics.metadata());
        Ok(size.map_err(|error| Error::io("write", path, error))?.len())
    }

    /// Rewrites `run.json` with how the run stands.
    ///
    /// # Errors
    /// The disk is full.
    pub fn record(&mut self, status: &str, steps: u64, tokens: u64) -> Result<()> {
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

/// Whole numbers without a decimal point, as counts read better so.
fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value.fract() == 0.0 && value.abs() < EXACT {
        true => Value::from(value as i64),
        false => Value::from(value),
    }
}

fn open_metrics(path: &Path, keep: u64) -> Result<File> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    let file = opened.map_err(|error| Error::io("write", path, error))?;
    file.set_len(keep)
        .map_err(|error| Error::io("write", path, error))?;
    Ok(file)
}

/// TOML has no null: what is null is left out, but mixed precision, whose default is not null, is written as float32,
/// which means the same.
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

/// `2026-01-31T12:00:00Z`.
pub(super) fn timestamp(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, rest) = ((seconds / 86_400) as i64, seconds % 86_400);
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a number of days since 1970, in the proleptic Gregorian calendar
/// (<https://howardhinnant.github.io/date_algorithms.html#civil_from_days>).
fn civil_date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(civil_date(0), (1970, 1, 1));
        assert_eq!(civil_date(19_782), (2024, 2, 29));
        assert_eq!(civil_date(19_783), (2024, 3, 1));
    }

    #[test]
    fn settings_without_mixed_precision_stay_without() {
        let text =
            settings_text(json!({"trainer": {"amp_dtype": null, "lp_coefficient": null}})).expect("text");
        assert_eq!(text.trim(), "[trainer]\namp_dtype = \"torch.float32\"");
    }
}
