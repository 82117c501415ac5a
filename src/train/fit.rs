//! Training over a whole stream: one dictionary, or several from the same batches.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use super::dataset_norm::{NORM_BATCHES, average_norms};
use super::forecast::Forecast;
use super::input::counts_nothing;
use super::lane::Lane;
use super::options::{FitOptions, FitOutcome};
use super::run::Run;
use super::source::{First, Source};
use super::trainer::StepReport;
use crate::activations::{Batch, BatchStream};
use crate::dictionary::{NormActivation, SparseAutoEncoder};
use crate::error::{Error, Fault, Result, Subject, counted};
use crate::event::{Control, Event, RunContext};

/// How long the figures beside a progress bar may be old.
const FIGURES_EVERY: Duration = Duration::from_millis(200);

impl Run {
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

    /// Refuses what [`fit`](Self::fit) refuses before its first step, but for a folder that is in use, and says what
    /// the training will cost. Takes the first batches off `stream` and writes nothing.
    ///
    /// # Errors
    /// As [`fit`](Self::fit) before its first step.
    pub fn rehearse(
        &mut self,
        sae: &mut SparseAutoEncoder,
        stream: &mut dyn BatchStream,
        context: &RunContext,
        options: FitOptions<'_>,
    ) -> Result<Forecast> {
        let mut lanes = [Lane::new(self, sae, options)];
        let mut source = Source::new(stream, VecDeque::new());
        let first = before_first_step(&mut lanes, &mut source, context)?;
        // A training that goes on may find its stream at the end.
        let first = first.ok_or_else(nothing_to_train_on)?;
        lanes[0].plan(&first, context)
    }
}

/// Trains several dictionaries on the same batches, each with its own run and folder: the model runs once for all.
///
/// # Errors
/// As [`Run::fit`]; also two dictionaries that would write into the same folder.
pub fn fit_all(
    lanes: &mut [Lane<'_>],
    stream: &mut dyn BatchStream,
    context: &RunContext,
) -> Result<FitOutcome> {
    refuse_shared_folders(lanes)?;
    if lanes.len() > 1 {
        lanes.iter_mut().for_each(Lane::name_by_folder);
    }
    let pending = lanes
        .first_mut()
        .map(|lane| std::mem::take(&mut lane.run.pending));
    let mut source = Source::new(stream, pending.unwrap_or_default());
    let outcome = fit_source(lanes, &mut source, context);
    if let Some(lane) = lanes.first_mut() {
        lane.run.pending = source.into_pending();
    }
    outcome
}

fn fit_source(lanes: &mut [Lane<'_>], source: &mut Source<'_>, context: &RunContext) -> Result<FitOutcome> {
    for lane in lanes.iter_mut() {
        lane.lock(context)?;
    }
    if let Some(first) = before_first_step(lanes, source, context)? {
        for lane in lanes.iter_mut() {
            lane.open(&first, context)?;
        }
    }
    let total = lanes
        .iter()
        .filter_map(|lane| lane.run.trainer.total_steps())
        .max();
    context.events.emit(Event::TaskStarted {
        title: "training".into(),
        unit: "steps",
        total,
    })?;
    let ended = train(lanes, source, context);
    context.events.emit(Event::TaskFinished)?;
    conclude(lanes, source, context, ended)
}

/// Brings dictionaries and stream to where the training begins or goes on. Returns the first batch, or `None` at the
/// end of the stream of a training that has begun before.
fn before_first_step(
    lanes: &mut [Lane<'_>],
    source: &mut Source<'_>,
    context: &RunContext,
) -> Result<Option<First>> {
    let stream = source.fingerprint()?;
    for lane in lanes.iter_mut() {
        lane.resume(&stream, context)?;
    }
    let started = lanes.iter().any(|lane| lane.run.trainer.has_begun());
    if let Some(path) = lanes
        .iter_mut()
        .filter_map(|lane| lane.run.resume_from.take())
        .last()
    {
        source.restore(&path)?;
    }
    measure_norms(lanes, source, context)?;
    match source.first()? {
        None if !started => Err(nothing_to_train_on()),
        first => Ok(first),
    }
}

fn nothing_to_train_on() -> Error {
    Error::input("the activation stream is empty: there is nothing to train on")
        .hint("check the data set, and whether the initialiser has used it up: it takes 8 batches for the average norm \
               of dataset-wise normalisation, and one to choose the weights by")
}

/// Takes batches until the end, and returns what ended it, as an outcome without checkpoints.
fn train(lanes: &mut [Lane<'_>], source: &mut Source<'_>, context: &RunContext) -> Result<FitOutcome> {
    let interrupted = FitOutcome::Interrupted {
        checkpoints: Vec::new(),
    };
    let mut progress = Progress::default();
    let mut skipped = false;
    loop {
        if lanes.iter().all(|lane| lane.run.trainer.is_finished()) {
            return Ok(FitOutcome::Finished);
        }
        if context.stop.is_set() {
            return Ok(interrupted);
        }
        let batch = match source.next() {
            Ok(Some(batch)) => batch,
            Ok(None) => return Ok(FitOutcome::StreamEnded),
            Err(error) if error.fault() == Fault::Interrupted => return Ok(interrupted),
            Err(error) => return Err(at_step(error, lanes)),
        };
        // Nothing but padding: there is nothing to take a step on.
        if counts_nothing(&batch)? {
            if !std::mem::replace(&mut skipped, true) {
                context
                    .events
                    .warn("batches whose mask leaves out every position are skipped, and are no steps")?;
            }
            continue;
        }
        let batch = moved_once(batch, lanes)?;
        let mut stop = false;
        for (index, lane) in lanes.iter_mut().enumerate() {
            if lane.run.trainer.is_finished() {
                continue;
            }
            let (report, control) = match lane.advance(&batch, source, context) {
                // An evaluation that is interrupted comes after its step; the other dictionaries get this batch too.
                Err(error) if error.fault() == Fault::Interrupted => {
                    stop = true;
                    continue;
                }
                advanced => advanced?,
            };
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

/// Returns the batch on the device of all dictionaries, where several share one: each would move it for itself.
fn moved_once(batch: Batch, lanes: &[Lane<'_>]) -> Result<Batch> {
    let mut devices = lanes.iter().map(|lane| lane.sae.device());
    match devices.next() {
        Some(device) if lanes.len() > 1 && devices.all(|other| other == device) => batch.to_device(device),
        _ => Ok(batch),
    }
}

/// Says before which step a device failed while a batch was made.
fn at_step(error: Error, lanes: &[Lane<'_>]) -> Error {
    let done = lanes.iter().map(|lane| lane.run.trainer.steps_done()).max();
    match (error.subject(), done) {
        (Subject::DeviceFailure, Some(done)) => {
            error.context(format!("found while the batch of step {} was made", done + 1))
        }
        _ => error,
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

/// Measures the norms of dictionaries that have none yet, being made without an initialiser, on batches that are
/// trained on all the same.
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
            "measured the average activation norm on the first {}",
            counted(batches.len(), "batch")
        ))?;
    }
    Ok(())
}

fn refuse_shared_folders(lanes: &[Lane<'_>]) -> Result<()> {
    let mut folders: Vec<&Path> = lanes.iter().map(|lane| lane.run.folder()).collect();
    folders.sort_unstable();
    match folders.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::input(format!(
            "two dictionaries would write into the same folder `{}`",
            pair[0].display()
        ))
        .hint("give each trainer an `exp_result_path` of its own")),
        None => Ok(()),
    }
}
