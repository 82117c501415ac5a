//! One dictionary of a training: its run, its folder, its logs and checkpoints.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::checkpoint;
use super::folder::{RunFolder, set_aside_earlier_run, set_aside_final};
use super::forecast::Forecast;
use super::input::rows_of;
use super::keeping;
use super::metrics::TRAINING_TOKENS;
use super::options::{FitOptions, FitOutcome};
use super::provenance::{ALLOWED_CHANGES, KERNELS, allowed_changes, fact};
use super::run::{Owed, Run};
use super::schedule::checkpoint_steps;
use super::source::{First, Source, parts};
use super::step::StepEngineName;
use super::trainer::StepReport;
use crate::activations::Batch;
use crate::checksums;
use crate::config::to_value;
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Error, Result};
use crate::event::{Control, Event, Events, Metrics, RunContext};
use crate::fingerprint::{Comparison, Fingerprint};
use crate::kernels::isa::Isa;
use crate::lock::FolderLock;
use crate::tensor::{DType, Device, Kind, Tensor, product, safetensors};

/// One dictionary that is trained, with its run.
pub struct Lane<'a> {
    pub(super) run: &'a mut Run,
    pub(super) sae: &'a mut SparseAutoEncoder,
    options: FitOptions<'a>,
    /// What tells it from the others that are trained together.
    name: Option<String>,
    folder: Option<RunFolder>,
    saved_at: Instant,
    last_checkpoint: Option<PathBuf>,
    warned_of_stream: bool,
}

impl<'a> Lane<'a> {
    /// Returns a lane in which `run` trains `sae`.
    pub fn new(run: &'a mut Run, sae: &'a mut SparseAutoEncoder, options: FitOptions<'a>) -> Self {
        Self {
            run,
            sae,
            options,
            name: None,
            folder: None,
            saved_at: Instant::now(),
            last_checkpoint: None,
            warned_of_stream: false,
        }
    }

    /// Tells the logs of this dictionary from those of others by the name of its folder.
    pub(super) fn name_by_folder(&mut self) {
        let last = self.run.folder().file_name();
        self.name = last.map(|name| name.to_string_lossy().into_owned());
    }

    fn events(&self, context: &RunContext) -> Events {
        self.options
            .events
            .clone()
            .unwrap_or_else(|| context.events.clone())
    }

    /// Locks the folder of the run, for as long as this lane lives.
    pub(super) fn lock(&mut self, context: &RunContext) -> Result<()> {
        if self.options.lock.is_none() {
            self.options.lock = Some(FolderLock::take(self.run.folder(), "training", context)?);
        }
        Ok(())
    }

    /// Loads what the training goes on from, which is compared first with this run, whose batches are `stream`.
    pub(super) fn resume(&mut self, stream: &Fingerprint, context: &RunContext) -> Result<()> {
        match self.run.resume(self.sae, stream, &self.options)? {
            Some(comparison) => self.tell(&comparison, context),
            None => Ok(()),
        }
    }

    /// Says what goes on with a change, and notes it for `run.json`.
    fn tell(&mut self, comparison: &Comparison, context: &RunContext) -> Result<()> {
        let events = self.events(context);
        comparison.tell(&events)?;
        let (before, now) = (
            self.run.steps_planned_before.take(),
            self.run.trainer.total_steps(),
        );
        if let (Some(before), Some(now)) = (before, now)
            && before != now
        {
            events.note(format!(
                "the training is planned for {now} steps, which were {before}: schedules that are parts of the training, \
                 or end with it, run differently from here on"
            ))?;
        }
        // A training may go on in another folder.
        let (here, from) = (self.run.folder(), self.run.checkpoint.as_deref());
        let before = from
            .map_or(here, |from| checkpoint::run_of(from, here))
            .to_path_buf();
        self.tell_of_kernels(&before, &events)?;
        let changes = allowed_changes(&before, comparison, self.run.trainer.steps_done());
        if !changes.is_empty() {
            let facts = &mut self.options.provenance.facts;
            facts.insert(ALLOWED_CHANGES.into(), changes.into());
        }
        Ok(())
    }

    /// Says where another processor, or another wish, has kernels use other instructions than before, in the run in `folder`.
    fn tell_of_kernels(&self, folder: &Path, events: &Events) -> Result<()> {
        let (before, now) = (fact(folder, KERNELS), Isa::chosen().name());
        match before.as_str() {
            Some(before) if before != now && self.sae.device() == Device::Cpu => events.note(format!(
                "the kernels of this training were those for \"{before}\" and are those for \"{now}\" from here on, which \
                 differ in last places; SAESCRIPT_KERNELS={before} asks for the former where the processor has them"
            )),
            _ => Ok(()),
        }
    }

    /// Makes the plan, passes on the remarks about it, and returns what the training will cost.
    pub(super) fn plan(&mut self, first: &First, context: &RunContext) -> Result<Forecast> {
        let events = self.events(context);
        for remark in self.run.begin(self.sae, &first.batch, &self.options.custom)? {
            events.warn(remark)?;
        }
        let total = self.run.trainer.total_steps().unwrap_or(0);
        let cfg = &self.run.trainer.cfg;
        let rows = rows_of(&first.batch, self.sae)?;
        let forecast = Forecast::new(&self.sae.cfg, cfg, total, rows, first.memory);
        let amp = cfg.amp_dtype.map_or(self.sae.kind(), DType::kind);
        let device = self.sae.device();
        let is_by_hand = self.engine() == StepEngineName::Native && self.sae.kind() == Kind::Float;
        let remark = if is_by_hand {
            product::remark_by_hand(amp, device)
        } else {
            product::remark(amp, device)
        };
        if let Some(remark) = remark {
            events.note(remark)?;
        }
        Ok(forecast)
    }

    /// Returns which way steps are computed.
    fn engine(&self) -> StepEngineName {
        let trainer = &self.run.trainer;
        let name = trainer.cfg.step_engine;
        trainer.engines.taken(name, &self.sae.cfg, &self.options.custom)
    }

    /// Makes the plan and the folder, in which what an earlier run left is set aside, and does what the last step has
    /// left to do.
    pub(super) fn open(&mut self, first: &First, context: &RunContext) -> Result<()> {
        let events = self.events(context);
        let goes_on = self.run.trainer.has_begun();
        let forecast = self.plan(first, context)?;
        events.note(forecast.to_string())?;
        let path = self.run.folder().to_path_buf();
        checkpoint::remove_unfinished(&path);
        if goes_on {
            set_aside_final(&path, &events)?
        } else {
            set_aside_earlier_run(&path, &events)?
        }
        let from = self.run.checkpoint.take();
        self.last_checkpoint.clone_from(&from);
        if let Some(from) = from.as_ref().filter(|from| !checksums::exist(from)) {
            events.note(format!(
                "the checkpoint `{}` has no {}: it was read unchecked",
                from.display(),
                checksums::FILE
            ))?;
        }
        // What was logged before stays where it was when the training goes on in another folder.
        let keep = if from.is_some_and(|from| !checkpoint::belongs_to(&from, &path)) {
            0
        } else {
            self.run.metrics_bytes
        };
        let engine = self.engine();
        let facts = &mut self.options.provenance.facts;
        facts.insert("step_engine".into(), to_value(&engine)?);
        facts.insert(KERNELS.into(), Isa::chosen().name().into());
        let folder = RunFolder::open(&self.run.trainer.cfg, self.sae, &self.options.provenance, keep)?;
        self.folder = Some(folder);
        self.saved_at = Instant::now();
        self.run.trainer.want_distributions(events.wants_distributions());
        events.emit(Event::RunStarted {
            run: self.name.clone(),
            step: self.run.trainer.steps_done(),
        })?;
        self.settle(context).map(drop)
    }

    /// Trains on one batch: step, log, evaluation, checkpoint.
    pub(super) fn advance(
        &mut self,
        batch: &Batch,
        source: &mut Source<'_>,
        context: &RunContext,
    ) -> Result<(StepReport, Control)> {
        let report = match self.run.trainer.step_with(self.sae, batch, self.options.custom) {
            Ok(report) => report,
            Err(error) => return Err(self.keep_broken_batch(batch, error)),
        };
        for remark in &report.remarks {
            self.events(context).warn(remark)?;
        }
        self.run.owed = Owed {
            row: report.logged.clone().unwrap_or_default(),
            evaluation: report.step.is_multiple_of(self.run.trainer.cfg.eval_frequency),
        };
        let mut control = self.log_owed(context)?;
        for (name, histogram) in &report.distributions {
            control = control.or(self.events(context).emit(Event::Distribution {
                run: self.name.clone(),
                step: report.step,
                name: (*name).to_string(),
                histogram: histogram.clone(),
            })?);
        }
        if let Some(on_step) = &mut self.options.on_step {
            control = control.or(on_step(self.sae, &report)?);
        }
        control = control.or(self.settle(context)?);
        if self.checkpoint_is_due(report.step) {
            self.checkpoint(source, context)?;
        }
        Ok((report, control))
    }

    /// Does what the last step has left to do: logs and evaluates.
    fn settle(&mut self, context: &RunContext) -> Result<Control> {
        let control = self.log_owed(context)?;
        if !self.run.owed.evaluation {
            return Ok(control);
        }
        if let Some(eval_fn) = self.options.eval_fn.as_mut() {
            self.run.owed.row = eval_fn(self.sae, self.run.trainer.steps_done())?;
        }
        self.run.owed.evaluation = false;
        Ok(control.or(self.log_owed(context)?))
    }

    fn log_owed(&mut self, context: &RunContext) -> Result<Control> {
        let row = self.run.owed.row.clone();
        if row.is_empty() {
            Ok(Control::Continue)
        } else {
            self.log(self.run.trainer.steps_done(), row, context)
        }
    }

    fn log(&mut self, step: u64, metrics: Metrics, context: &RunContext) -> Result<Control> {
        if let Some(folder) = &mut self.folder {
            folder.log(step, &metrics)?;
        }
        // Once it is in the run's own file it is kept, whatever other logs make of it.
        self.run.owed.row.clear();
        let measured_at = metrics.iter().find(|(name, _)| name == TRAINING_TOKENS);
        let tokens = match measured_at {
            Some((_, tokens)) => *tokens as u64,
            None => self.run.trainer.tokens_done(),
        };
        self.events(context).emit(Event::Logged {
            run: self.name.clone(),
            step,
            tokens,
            metrics,
        })
    }

    fn checkpoint_is_due(&self, step: u64) -> bool {
        let cfg = &self.run.trainer.cfg;
        let total = self.run.trainer.total_steps().unwrap_or(0);
        let minutes = cfg
            .checkpoint_every_minutes
            .and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok());
        minutes.is_some_and(|every| self.saved_at.elapsed() >= every)
            || checkpoint_steps(cfg.check_point_save_mode, cfg.n_checkpoints, total).contains(&step)
    }

    /// Writes a checkpoint of this dictionary now, and returns its path.
    pub(super) fn checkpoint(&mut self, source: &mut Source<'_>, context: &RunContext) -> Result<PathBuf> {
        let events = self.events(context);
        let bytes = match &self.folder {
            Some(folder) => folder.synced_metrics()?,
            None => 0,
        };
        let folder = self.run.folder().to_path_buf();
        let (path, resumable) = self
            .run
            .write_checkpoint(self.sae, Some(source), &folder, bytes)?;
        if !resumable && !self.warned_of_stream {
            self.warned_of_stream = true;
            events.warn("this activation stream cannot be saved: its checkpoints hold all but the position in the data")?;
        }
        keeping::prune(&self.run.trainer.cfg, &folder)?;
        self.saved_at = Instant::now();
        self.last_checkpoint = Some(path.clone());
        events.emit(Event::Saved {
            what: "checkpoint",
            path: path.clone(),
        })?;
        Ok(path)
    }

    /// Does what is left at the end of the steps or of the stream.
    pub(super) fn finish(
        &mut self,
        source: &mut Source<'_>,
        context: &RunContext,
        outcome: &FitOutcome,
    ) -> Result<()> {
        let done = self.run.trainer.steps_done();
        if *outcome == FitOutcome::StreamEnded && !self.run.trainer.is_finished() {
            let total = self.run.trainer.total_steps().unwrap_or(0);
            self.events(context).warn(format!(
                "the activation stream ended after {done} of {total} steps; give more data, have it read several times by `passes` in the sources of the activations, or set fewer `total_training_tokens`"
            ))?;
            if let Some(metrics) = self.run.trainer.log_rest(self.sae)? {
                self.log(done, metrics, context)?;
            }
            if self.run.trainer.cfg.n_checkpoints > 0 && done > 0 {
                self.checkpoint(source, context)?;
            }
        }
        self.close("finished")
    }

    pub(super) fn close(&mut self, status: &str) -> Result<()> {
        let (steps, tokens) = (self.run.trainer.steps_done(), self.run.trainer.tokens_done());
        match &mut self.folder {
            Some(folder) => {
                self.run.metrics_bytes = folder.synced_metrics()?;
                folder.record(status, steps, tokens)
            }
            None => Ok(()),
        }
    }

    /// Saves a checkpoint after a failure, unless the loss was not finite or a move of the optimiser stopped half-way, and
    /// returns `error` with where that or the last good one is.
    pub(super) fn fail(&mut self, source: &mut Source<'_>, context: &RunContext, error: Error) -> Error {
        let sound = self.run.trainer.is_sound();
        let begun = self.run.trainer.steps_done() > 0;
        if sound
            && begun
            && let Ok(path) = self.checkpoint(source, context)
        {
            self.close("failed").ok();
            return error.hint(format!("the state before is saved: `{}`", path.display()));
        }
        self.close("failed").ok();
        match &self.last_checkpoint {
            Some(path) => error.hint(format!("the last good checkpoint is `{}`", path.display())),
            None if begun => error.hint(
                "there is no checkpoint to go on from yet: `checkpoint_every_minutes` or a larger `n_checkpoints` keeps more",
            ),
            None => error,
        }
    }

    /// Saves `batch` for inspection where its loss was not finite, and returns `error` with where it is.
    fn keep_broken_batch(&mut self, batch: &Batch, error: Error) -> Error {
        if !self.run.trainer.is_broken() {
            return error;
        }
        let step = self.run.trainer.steps_done() + 1;
        let path = self
            .run
            .folder()
            .join(format!("failure/batch_at_step_{step}.safetensors"));
        let named = parts(batch);
        let tensors: Vec<(&str, &Tensor)> = named.iter().map(|(name, x)| (name.as_str(), x)).collect();
        match safetensors::write(&path, &tensors, &Default::default()) {
            Ok(()) => error.hint(format!("the batch is saved for inspection: `{}`", path.display())),
            Err(_) => error,
        }
    }
}
