//! Checkpoints: everything that a training needs to go on as if it had never stopped.
//!
//! A checkpoint is a folder `checkpoints/step_N` that appears whole or not at all: the dictionary as
//! [`SparseAutoEncoder::save`] writes it, `trainer.json` (settings and counters), `trainer_state.safetensors` (moments,
//! dead-latent counts, sums of unlogged metrics, accumulated gradients), the position of the activation stream, and the
//! checksums of all of them, which are compared before anything is restored.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::config::TrainerConfig;
use super::kept::{Saved, Saving};
use super::run::{Owed, Run};
use super::source::Source;
use super::state::TrainingState;
use crate::config::{Map, Value, parse};
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Context, Error, Result};
use crate::event::Metrics;
use crate::files::{SETTINGS_MOST, read_text};
use crate::{atomic, checksums};

pub(super) const STATE_FILE: &str = "trainer.json";
const TENSORS_FILE: &str = "trainer_state.safetensors";
/// The part of all pairs of a token and a latent that took part in the last step.
const DENSITY: &str = "density";
const UNFINISHED: &str = ".unfinished-";

/// The part of a checkpoint that is not tensors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SavedState {
    pub(super) cfg: TrainerConfig,
    pub(super) total_steps: u64,
    pub(super) step: u64,
    tokens: i64,
    /// What the parts of the training keep besides tensors, by name.
    state: Map<String, Value>,
    #[serde(with = "super::exact")]
    pub(super) last_metrics: Metrics,
    /// Length of `metrics.jsonl` at this step.
    pub(super) metrics_bytes: u64,
    /// Can the activation stream be continued?
    pub(super) stream: bool,
    /// What the last step left to do.
    #[serde(default)]
    owed: Owed,
}

/// Returns the folder of the checkpoints of the run in `folder`.
pub fn checkpoints_folder(folder: &Path) -> PathBuf {
    folder.join("checkpoints")
}

/// Returns the checkpoints of the run in `folder` with their steps, oldest first.
pub fn list_checkpoints(folder: &Path) -> Vec<(u64, PathBuf)> {
    let Ok(entries) = fs::read_dir(checkpoints_folder(folder)) else {
        return Vec::new();
    };
    let step_of =
        |path: &Path| -> Option<u64> { path.file_name()?.to_str()?.strip_prefix("step_")?.parse().ok() };
    let mut found: Vec<(u64, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((step_of(&path)?, path))
        })
        .filter(|(_, path)| path.join(STATE_FILE).exists() || checksums::exist(path))
        .collect();
    found.sort();
    found
}

/// Returns the folder of the run that `checkpoint` is one of, or else `folder`, where the training goes on.
pub(super) fn run_of<'a>(checkpoint: &'a Path, folder: &'a Path) -> &'a Path {
    let above = checkpoint.parent().and_then(Path::parent);
    match above {
        Some(above) if !belongs_to(checkpoint, folder) && belongs_to(checkpoint, above) => above,
        _ => folder,
    }
}

/// Returns whether `checkpoint` is one of the run in `folder`.
pub(super) fn belongs_to(checkpoint: &Path, folder: &Path) -> bool {
    let there = fs::canonicalize(checkpoint).ok();
    let here = fs::canonicalize(checkpoints_folder(folder)).ok();
    here.is_some() && there.as_deref().and_then(Path::parent) == here.as_deref()
}

impl Run {
    /// Writes a checkpoint of this training and of `sae` into `folder/checkpoints/step_N` and returns its path. The
    /// position of the activation stream is not in it; [`fit`](Self::fit) writes checkpoints that have it.
    ///
    /// # Errors
    /// The training has not begun, or the disk is full.
    pub fn save_checkpoint(&mut self, sae: &SparseAutoEncoder, folder: impl AsRef<Path>) -> Result<PathBuf> {
        self.write_checkpoint(sae, None, folder.as_ref(), 0)
            .map(|(path, _)| path)
    }

    /// Writes a checkpoint, and returns its path and whether the stream's position is in it.
    pub(super) fn write_checkpoint(
        &mut self,
        sae: &SparseAutoEncoder,
        source: Option<&mut Source<'_>>,
        folder: &Path,
        metrics_bytes: u64,
    ) -> Result<(PathBuf, bool)> {
        let fingerprint = self.fingerprint(&sae.cfg)?;
        let state = self
            .trainer
            .state
            .as_mut()
            .ok_or_else(|| Error::input("there is nothing to save yet: the training has not begun"))?;
        let parent = checkpoints_folder(folder);
        fs::create_dir_all(&parent).map_err(|error| Error::io("create", &parent, error))?;
        let unfinished = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&parent)
            .map_err(|error| Error::io("write", &parent, error))?;
        sae.save(unfinished.path())?;
        let stream = match source {
            Some(source) => source.save(unfinished.path())?,
            None => false,
        };
        let mut saving = Saving::default();
        for part in state.parts() {
            part.save(&mut saving)?;
        }
        saving.fact(DENSITY, self.trainer.engines.native.density())?;
        let facts = saving.write(&unfinished.path().join(TENSORS_FILE))?;
        let saved = SavedState {
            cfg: self.trainer.cfg.clone().into_inner(),
            total_steps: state.plan.total_steps,
            step: state.step,
            tokens: state.tokens,
            state: facts,
            last_metrics: self.trainer.last_metrics.clone(),
            metrics_bytes,
            stream,
            owed: self.owed.clone(),
        };
        fingerprint.write(unfinished.path())?;
        let text = serde_json::to_string_pretty(&saved)
            .map_err(|error| Error::run(format!("cannot write the checkpoint: {error}")))?;
        atomic::write(unfinished.path().join(STATE_FILE), text + "\n")?;
        checksums::record_rest(unfinished.path())?;
        let path = parent.join(format!("step_{}", state.step));
        publish(unfinished.keep(), &path)?;
        Ok((path, stream))
    }

    /// Goes on from the checkpoint at `path`: loads its weights into `sae`, which has to be of the same shape and kind,
    /// and everything about the training. The next [`fit`](Self::fit) also takes the activation stream to where it was.
    ///
    /// # Errors
    /// No checkpoint there, a broken one, or one of another dictionary.
    pub fn from_checkpoint(sae: &mut SparseAutoEncoder, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let saved = read_state(path)?;
        let mut run = Run::new(saved.cfg.clone())?;
        run.compare_own(&sae.cfg, path)?;
        run.restore(sae, path, saved)?;
        Ok(run)
    }

    /// Goes on like [`from_checkpoint`](Self::from_checkpoint), but with the settings of this run, which may train
    /// longer and log otherwise, and differ in what is [allowed](Self::allow_change).
    ///
    /// # Errors
    /// As [`from_checkpoint`](Self::from_checkpoint), and what is refused before a training starts.
    pub fn continue_from(&mut self, sae: &mut SparseAutoEncoder, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let saved = read_state(path)?;
        self.compare_own(&sae.cfg, path)?;
        self.restore(sae, path, saved)
    }

    /// Takes over everything from the checkpoint.
    pub(super) fn restore(
        &mut self,
        sae: &mut SparseAutoEncoder,
        path: &Path,
        saved: SavedState,
    ) -> Result<()> {
        let loading = || format!("while loading the checkpoint `{}`", path.display());
        checksums::check_all(path).context(loading())?;
        if !path.join(TENSORS_FILE).exists() {
            return Err(dictionary_only(path, self.trainer.cfg.resumable_checkpoints));
        }
        sae.load_weights(path)?;
        let cfg = &self.trainer.cfg;
        // Longer or shorter trainings may go on from one checkpoint; the size of a batch stays what it was.
        let rows = (saved.cfg.total_training_tokens / saved.total_steps.max(1)).max(1);
        let total = if cfg.total_training_tokens == saved.cfg.total_training_tokens {
            saved.total_steps
        } else {
            cfg.total_training_tokens / rows
        };
        cfg.check_run(sae, total, true)?;
        let mut state = TrainingState::new(cfg, sae, total)?;
        let kept = Saved::open(&path.join(TENSORS_FILE), saved.state, sae.device()).context(loading())?;
        for part in state.parts() {
            part.restore(&kept).context(loading())?;
        }
        self.trainer
            .engines
            .native
            .set_density(kept.fact(DENSITY).context(loading())?);
        state.step = saved.step;
        state.tokens = saved.tokens;
        state.dead.set_tokens(saved.tokens);
        self.trainer.state = Some(state);
        self.trainer.last_metrics = saved.last_metrics;
        self.metrics_bytes = saved.metrics_bytes;
        self.owed = saved.owed;
        self.resume_from = Some(path.to_path_buf());
        self.checkpoint = Some(path.to_path_buf());
        self.steps_planned_before = Some(saved.total_steps);
        Ok(())
    }
}

/// Reads the part of the checkpoint at `path` that is not tensors.
pub(super) fn read_state(path: &Path) -> Result<SavedState> {
    let file = path.join(STATE_FILE);
    checksums::check(path, &[STATE_FILE])?;
    if !file.is_file() {
        return Err(
            Error::input(format!("there is no checkpoint at `{}`", path.display()))
                .hint("a checkpoint is a folder such as `results/checkpoints/step_100`"),
        );
    }
    let text = read_text(&file, SETTINGS_MOST).map_err(|error| Error::io("read", &file, error))?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| Error::input(format!("`{}` is not JSON: {error}", file.display())))?;
    if value.get("state").is_none() && value.get("unlogged_steps").is_some() {
        return Err(Error::input(format!(
            "the checkpoint `{}` was written by an earlier version of saescript, whose trainings cannot be gone on from",
            path.display()
        ))
        .hint("its dictionary can be loaded: begin a new training with `sae = { pretrained_name_or_path = … }`"));
    }
    parse(value).context(format!("while reading `{}`", file.display()))
}

/// Returns the error for a checkpoint at `path` that is an older one, of which only the dictionary was kept.
fn dictionary_only(path: &Path, resumable: u64) -> Error {
    Error::input(format!(
        "`{}` holds the dictionary alone, without what a training needs to go on: only the newest {resumable} checkpoints \
         keep that",
        path.display()
    ))
    .hint(
        "go on from a newer checkpoint; `resumable_checkpoints` says how many of them can be gone on from, and \
         `sae = { pretrained_name_or_path = … }` in place of the dictionary's settings begins a new training with it",
    )
}

/// Puts the finished folder at `path`, in place of an older one.
fn publish(finished: PathBuf, path: &Path) -> Result<()> {
    let failed = |error| Error::io("write", path, error);
    let sync = |folder: &Path| fs::File::open(folder).and_then(|folder| folder.sync_all());
    sync(&finished).ok();
    if path.exists() {
        let old = finished.with_extension("old");
        fs::rename(path, &old).map_err(failed)?;
        fs::rename(&finished, path).map_err(failed)?;
        fs::remove_dir_all(&old).ok();
    } else {
        fs::rename(&finished, path).map_err(failed)?;
    }
    if let Some(parent) = path.parent() {
        sync(parent).ok();
    }
    Ok(())
}

/// Removes what a killed process left half-written in `folder/checkpoints`.
pub(super) fn remove_unfinished(folder: &Path) {
    let Ok(entries) = fs::read_dir(checkpoints_folder(folder)) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}
