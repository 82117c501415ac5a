//! Training over a whole stream: one dictionary, or several from the same batches.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::checkpoint::{self, checkpoints_folder, list_checkpoints};
use super::dataset_norm::{NORM_BATCHES, average_norms};
use super::folder::{Provenance, RunFolder};
use super::forecast::Forecast;
use super::schedule::checkpoint_steps;
use super::source::{Source, parts};
use super::trainer::{StepReport, Trainer, rows_of};
use crate::activations::{Batch, BatchStream};
use crate::dictionary::{NormActivation, SparseAutoEncoder};
use crate::error::{Error, Fault, Result};
use crate::event::{Control, Event, Events, Metrics, RunContext};
use crate::tensor::{Tensor, safetensors};

/// How long the figures beside a progress bar may be old.
const FIGURES_EVERY: Duration = Duration::from_millis(200);

/// An evaluation during training: gets the dictionary and the number of steps done, gives metrics to log.
pub type EvalFn<'a> = Box<dyn FnMut(&mut SparseAutoEncoder, u64) -> Result<Metrics> + 'a>;

/// What a training may be given besides dictionary and stream.
#[derive(Default)]
pub struct FitOptions<'a> {
    /// Called every `eval_frequency` steps.
    pub eval_fn: Option<EvalFn<'a>>,
    /// What goes into the run's folder beside the trainer's own knowledge.
    pub provenance: Provenance,
    /// Who hears of this dictionary's logs and checkpoints; `None`: everyone who hears of the run.
    pub events: Option<Events>,
}

/// How a training ended.
#[derive(Clone, Debug, PartialEq)]
pub enum FitOutcome {
    /// All steps were done.
    Finished,
    /// The stream had fewer batches than steps were planned.
    StreamEnded,
    /// Somebody asked to stop; everything can be continued from the checkpoints.
    Interrupted {
        /// One checkpoint for each dictionary.
        checkpoints: Vec<PathBuf>,
    },
}

/// One dictionary that is trained, with its trainer.
pub struct Lane<'a> {
    trainer: &'a mut Trainer,
    sae: &'a mut SparseAutoEncoder,
    options: FitOptions<'a>,
    folder: Option<RunFolder>,
    saved_at: Instant,
    last_checkpoint: Option<PathBuf>,
    warned_of_stream: bool,
}

impl Trainer {
    /// Trains `sae` on the batches of `stream` until all steps are done, the stream ends, or somebody asks to stop.
    ///
    /// Writes the run's folder, logs and checkpoints as configured. After an interruption, calling it again with the
    /// same stream goes on.
    ///
    /// # Errors
    /// Everything that is refused before a training starts; batches that do not fit; a loss that is not finite; a full
    /// disk.
    pub fn fit(
        &mut self,
        sae: &mut SparseAutoEncoder,
        stream: &mut dyn BatchStream,
        context: &RunContext,
        options: FitOptions<'_>,
    ) -> Result<FitOutcome> {
        fit_all(&mut [Lane::new(self, sae, options)], stream, context)
    }
}

/// Trains several dictionaries on the same batches, each with its own trainer and folder: the model runs once for all.
///
/// # Errors
/// As [`Trainer::fit`]; also two dictionaries that would write into the same folder.
pub fn fit_all(
    lanes: &mut [Lane<'_>],
    stream: &mut dyn BatchStream,
    context: &RunContext,
) -> Result<FitOutcome> {
    refuse_shared_folders(lanes)?;
    let pending = lanes.first_mut().map(|lane| std::mem::take(&mut lane.trainer.pending));
    let mut source = Source::new(stream, pending.unwrap_or_default());
    let outcome = fit_source(lanes, &mut source, context);
    if let Some(lane) = lanes.first_mut() {
        lane.trainer.pending = source.into_pending();
    }
    outcome
}

fn fit_source(lanes: &mut [Lane<'_>], source: &mut Source<'_>, context: &RunContext) -> Result<FitOutcome> {
    for lane in lanes.iter_mut() {
        lane.resume()?;
    }
    let started = lanes.iter().any(|lane| lane.trainer.state.is_some());
    if let Some(path) = lanes.iter_mut().filter_map(|lane| lane.trainer.resume_from.take()).last() {
        source.restore(&path)?;
    }
    measure_norms(lanes, source, context)?;
    if let Some(first) = source.look_ahead(1)?.first() {
        for lane in lanes.iter_mut() {
            lane.open(first, context)?;
        }
    } else if !started {
        return Err(Error::input("the activation stream is empty: there is nothing to train on")
            .hint("check the dataset, and whether the initialiser has used it up"));
    }
    let total = lanes.iter().filter_map(|lane| lane.trainer.total_steps()).max();
    context.events.emit(Event::TaskStarted {
        title: "training".into(),
        unit: "steps",
        total,
    })?;
    let ended = train(lanes, source, context);
    context.events.emit(Event::TaskFinished)?;
    conclude(lanes, source, context, ended)
}

/// Takes batches until the end. What ended it is an outcome without checkpoints.
fn train(lanes: &mut [Lane<'_>], source: &mut Source<'_>, context: &RunContext) -> Result<FitOutcome> {
    let interrupted = FitOutcome::Interrupted { checkpoints: Vec::new() };
    let mut progress = Progress::default();
    loop {
        if lanes.iter().all(|lane| lane.trainer.is_finished()) {
            return Ok(FitOutcome::Finished);
        }
        if context.stop.is_set() {
            return Ok(interrupted);
        }
        let batch = match source.next() {
            Ok(Some(batch)) => batch,
            Ok(None) => return Ok(FitOutcome::StreamEnded),
            Err(error) if error.fault() == Fault::Interrupted => return Ok(interrupted),
            Err(error) => return Err(error),
        };
        let mut stop = false;
        for (index, lane) in lanes.iter_mut().enumerate() {
            if lane.trainer.is_finished() {
                continue;
            }
            let (report, control) = lane.advance(&batch, source, context)?;
            stop |= control == Control::Stop;
            if index == 0 {
                stop |= progress.show(&report, context)? == Control::Stop;
            }
        }
        if stop {
            return Ok(interrupted);
        }
    }
}

/// Writes what has to be written at the end of a training, however it ended.
fn conclude(
    lanes: &mut [Lane<'_>],
    source: &mut Source<'_>,
    context: &RunContext,
    ended: Result<FitOutcome>,
) -> Result<FitOutcome> {
    match ended {
        Ok(FitOutcome::Interrupted { .. }) => {
            let mut checkpoints = Vec::new();
            for lane in lanes.iter_mut() {
                checkpoints.push(lane.checkpoint(source, context)?);
                lane.close("interrupted")?;
            }
            Ok(FitOutcome::Interrupted { checkpoints })
        }
        Ok(outcome) => {
            for lane in lanes.iter_mut() {
                lane.finish(source, context, &outcome)?;
            }
            Ok(outcome)
        }
        Err(mut error) => {
            for lane in lanes.iter_mut() {
                error = lane.fail(source, context, error);
            }
            Err(error)
        }
    }
}

impl<'a> Lane<'a> {
    /// `sae`, trained by `trainer`.
    pub fn new(trainer: &'a mut Trainer, sae: &'a mut SparseAutoEncoder, options: FitOptions<'a>) -> Self {
        Self {
            trainer,
            sae,
            options,
            folder: None,
            saved_at: Instant::now(),
            last_checkpoint: None,
            warned_of_stream: false,
        }
    }

    fn events(&self, context: &RunContext) -> Events {
        self.options.events.clone().unwrap_or_else(|| context.events.clone())
    }

    /// Loads the checkpoint that the configuration names, unless the training has begun already.
    fn resume(&mut self) -> Result<()> {
        if self.trainer.is_finished() {
            return Err(Error::input("this trainer has done all its steps")
                .hint("make a new Trainer for another training"));
        }
        let Some(path) = self.trainer.cfg.from_pretrained_path.clone() else {
            return Ok(());
        };
        if self.trainer.state.is_none() {
            let path = Path::new(&path);
            let saved = checkpoint::read_state(path)?;
            self.trainer.restore(self.sae, path, saved)?;
        }
        Ok(())
    }

    /// Makes the plan and the folder, and says what the training will cost.
    fn open(&mut self, first: &Batch, context: &RunContext) -> Result<()> {
        let events = self.events(context);
        let goes_on = self.trainer.state.is_some();
        for remark in self.trainer.begin(self.sae, first)? {
            events.warn(remark)?;
        }
        let total = self.trainer.total_steps().unwrap_or(0);
        let forecast = Forecast::new(&self.sae.cfg, &self.trainer.cfg, total, rows_of(first, self.sae)?);
        events.note(forecast.to_string())?;
        let path = PathBuf::from(&self.trainer.cfg.exp_result_path);
        checkpoint::remove_unfinished(&path);
        if !goes_on {
            set_aside_old_checkpoints(&path, &events)?;
        }
        let keep = self.trainer.metrics_bytes;
        let folder = RunFolder::open(&self.trainer.cfg, self.sae, &self.options.provenance, keep)?;
        self.folder = Some(folder);
        self.saved_at = Instant::now();
        Ok(())
    }

    /// One batch: step, log, evaluation, checkpoint.
    fn advance(
        &mut self,
        batch: &Batch,
        source: &mut Source<'_>,
        context: &RunContext,
    ) -> Result<(StepReport, Control)> {
        let report = match self.trainer.step(self.sae, batch) {
            Ok(report) => report,
            Err(error) => return Err(self.keep_broken_batch(batch, error)),
        };
        let mut control = Control::Continue;
        if let Some(metrics) = &report.logged {
            control = self.log(report.step, metrics.clone(), context)?;
        }
        let evaluate = report.step.is_multiple_of(self.trainer.cfg.eval_frequency);
        if let Some(eval_fn) = self.options.eval_fn.as_mut().filter(|_| evaluate) {
            let metrics = eval_fn(self.sae, report.step)?;
            if !metrics.is_empty() && self.log(report.step, metrics, context)? == Control::Stop {
                control = Control::Stop;
            }
        }
        if self.checkpoint_is_due(report.step) {
            self.checkpoint(source, context)?;
        }
        Ok((report, control))
    }

    fn log(&mut self, step: u64, metrics: Metrics, context: &RunContext) -> Result<Control> {
        if let Some(folder) = &mut self.folder {
            folder.log(step, &metrics)?;
        }
        let tokens = self.trainer.tokens_done()?;
        self.events(context).emit(Event::Logged { step, tokens, metrics })
    }

    fn checkpoint_is_due(&self, step: u64) -> bool {
        let cfg = &self.trainer.cfg;
        let total = self.trainer.total_steps().unwrap_or(0);
        let minutes = cfg.checkpoint_every_minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0));
        minutes.is_some_and(|every| self.saved_at.elapsed() >= every)
            || checkpoint_steps(cfg.check_point_save_mode, cfg.n_checkpoints, total).contains(&step)
    }

    /// Writes a checkpoint of this dictionary now.
    fn checkpoint(&mut self, source: &mut Source<'_>, context: &RunContext) -> Result<PathBuf> {
        let events = self.events(context);
        let bytes = match &self.folder {
            Some(folder) => folder.synced_metrics()?,
            None => 0,
        };
        let folder = PathBuf::from(&self.trainer.cfg.exp_result_path);
        let (path, resumable) = self.trainer.write_checkpoint(self.sae, Some(source), &folder, bytes)?;
        if !resumable && !self.warned_of_stream {
            self.warned_of_stream = true;
            events.warn("this activation stream cannot be saved: its checkpoints hold all but the position in the data")?;
        }
        checkpoint::prune(&self.trainer.cfg, &folder)?;
        self.saved_at = Instant::now();
        self.last_checkpoint = Some(path.clone());
        events.emit(Event::Saved {
            what: "checkpoint",
            path: path.clone(),
        })?;
        Ok(path)
    }

    /// The end of the steps or of the stream.
    fn finish(&mut self, source: &mut Source<'_>, context: &RunContext, outcome: &FitOutcome) -> Result<()> {
        let done = self.trainer.steps_done();
        if *outcome == FitOutcome::StreamEnded && !self.trainer.is_finished() {
            let total = self.trainer.total_steps().unwrap_or(0);
            self.events(context).warn(format!(
                "the activation stream ended after {done} of {total} steps; give more data or fewer `total_training_tokens`"
            ))?;
            if let Some(metrics) = self.trainer.log_rest(self.sae)? {
                self.log(done, metrics, context)?;
            }
            if self.trainer.cfg.n_checkpoints > 0 && done > 0 {
                self.checkpoint(source, context)?;
            }
        }
        self.close("finished")
    }

    fn close(&mut self, status: &str) -> Result<()> {
        let (steps, tokens) = (self.trainer.steps_done(), self.trainer.tokens_done()?);
        match &mut self.folder {
            Some(folder) => {
                self.trainer.metrics_bytes = folder.synced_metrics()?;
                folder.record(status, steps, tokens)
            }
            None => Ok(()),
        }
    }

    /// After a failure: saves what is sound, if the loss was, and says where.
    fn fail(&mut self, source: &mut Source<'_>, context: &RunContext, error: Error) -> Error {
        let sound = !self.trainer.is_broken;
        let begun = self.trainer.steps_done() > 0;
        if sound && begun && let Ok(path) = self.checkpoint(source, context) {
            self.close("failed").ok();
            return error.hint(format!("the state before is saved: `{}`", path.display()));
        }
        self.close("failed").ok();
        match &self.last_checkpoint {
            Some(path) => error.hint(format!("the last good checkpoint is `{}`", path.display())),
            None => error,
        }
    }

    /// Keeps the batch that gave a loss which is not finite, for inspection.
    fn keep_broken_batch(&mut self, batch: &Batch, error: Error) -> Error {
        if !self.trainer.is_broken {
            return error;
        }
        let step = self.trainer.steps_done() + 1;
        let path = Path::new(&self.trainer.cfg.exp_result_path).join(format!("failure/batch_at_step_{step}.safetensors"));
        let named = parts(batch);
        let tensors: Vec<(&str, &Tensor)> = named.iter().map(|(name, x)| (name.as_str(), x)).collect();
        match safetensors::write(&path, &tensors, &Default::default()) {
            Ok(()) => error.hint(format!("the batch is saved for inspection: `{}`", path.display())),
            Err(_) => error,
        }
    }
}

/// The numbers beside the progress bar, read back only every now and then.
#[derive(Default)]
struct Progress {
    shown: Vec<(&'static str, f64)>,
    read_at: Option<Instant>,
}

impl Progress {
    fn show(&mut self, report: &StepReport, context: &RunContext) -> Result<Control> {
        if self.read_at.is_none_or(|at| at.elapsed() >= FIGURES_EVERY) {
            self.shown = report.figures.read()?;
            self.read_at = Some(Instant::now());
        }
        context.events.emit(Event::TaskAdvanced {
            done: report.step,
            shown: self.shown.clone(),
        })
    }
}

/// Dictionaries made without an initialiser have no norms yet: measures them on batches that are trained on all the
/// same.
fn measure_norms(lanes: &mut [Lane<'_>], source: &mut Source<'_>, context: &RunContext) -> Result<()> {
    for lane in lanes {
        let hooks = lane.sae.cfg.hook_points();
        let known = hooks.iter().all(|hook| lane.sae.dataset_norm(hook).is_some());
        if lane.sae.cfg.norm_activation != NormActivation::DatasetWise || known {
            continue;
        }
        let batches = source.look_ahead(NORM_BATCHES)?;
        if batches.is_empty() {
            continue;
        }
        let norms = average_norms(&batches, &hooks)?;
        lane.sae.set_dataset_average_activation_norm(norms)?;
        context.events.note(format!(
            "measured the average activation norm on the first {} batches",
            batches.len()
        ))?;
    }
    Ok(())
}

fn refuse_shared_folders(lanes: &[Lane<'_>]) -> Result<()> {
    let mut folders: Vec<&str> = lanes.iter().map(|lane| lane.trainer.cfg.exp_result_path.as_str()).collect();
    folders.sort_unstable();
    match folders.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::input(format!(
            "two dictionaries would write into the same folder `{}`",
            pair[0]
        ))
        .hint("give each trainer an `exp_result_path` of its own")),
        None => Ok(()),
    }
}

/// A new run in a used folder: its checkpoints would be taken for this run's, so they move to `checkpoints.previous`.
fn set_aside_old_checkpoints(folder: &Path, events: &Events) -> Result<()> {
    if list_checkpoints(folder).is_empty() {
        return Ok(());
    }
    let (old, aside) = (checkpoints_folder(folder), folder.join("checkpoints.previous"));
    if aside.exists() {
        std::fs::remove_dir_all(&aside).map_err(|error| Error::io("replace", &aside, error))?;
    }
    std::fs::rename(&old, &aside).map_err(|error| Error::io("rename", &old, error))?;
    events.note(format!(
        "the checkpoints of an earlier run in this folder are now in `{}`",
        aside.display()
    ))
}
