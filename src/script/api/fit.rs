//! What all forms of `fit` do: whole trainings, with a script's closures looking on.

use std::path::PathBuf;

use rhai::{Dynamic, ImmutableString, Map, NativeCallContext};
use sha2::{Digest, Sha256};

use super::batches::Batches;
use super::callbacks::Callbacks;
use super::loggers::Logger;
use super::own_pieces::OwnPieces;
use super::sae::SparseAutoEncoderHandle;
use super::trainer::{TrainerHandle, metrics_map, report_map};
use super::watchers::Watchers;
use crate::config::{self, Value};
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Context, Error, Result};
use crate::event::{Control, Events, Metrics};
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::permissions;
use crate::script::state::State;
use crate::train::{EvalFn, FitOptions, FitOutcome, Lane, Provenance, StepFn, StepReport, fit_all};

/// Returns which script a run came from, for its folder.
pub fn facts(context: &NativeCallContext, state: &State) -> config::Map<String, Value> {
    let mut facts = config::Map::new();
    if let Some(name) = context.call_source() {
        facts.insert("script".into(), name.into());
        if let Some(text) = state.sources().text(name) {
            let digest = Sha256::digest(text.as_bytes());
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            facts.insert("script_sha256".into(), hex.into());
        }
    }
    facts
}

/// How a training that a script's own trainer made goes on after an interruption.
pub const FROM_CHECKPOINT: &str = "to go on from there, name it as `from_pretrained_path` in the TrainerConfig, or use \
                                   `Trainer::from_checkpoint`; give `fit` a stream from which nothing was taken yet: call \
                                   `process` again after the initialiser";

/// Returns how a training ended, in words; `way_on` says how it goes on after an interruption.
///
/// # Errors
/// Somebody asked the whole script to stop: that ends it here, and the error says where the training can go on.
pub fn outcome_name(outcome: &FitOutcome, state: &State, way_on: &str) -> Result<&'static str> {
    match outcome {
        FitOutcome::Finished => Ok("finished"),
        FitOutcome::StreamEnded => Ok("stream ended"),
        FitOutcome::Interrupted { checkpoints } if state.context().stop.is_set() => {
            Err(stopped(checkpoints, way_on))
        }
        FitOutcome::Interrupted { .. } => Ok("interrupted"),
    }
}

fn stopped(checkpoints: &[PathBuf], way_on: &str) -> Error {
    let paths: Vec<String> = checkpoints
        .iter()
        .map(|path| format!("`{}`", path.display()))
        .collect();
    Error::interrupted(format!(
        "interrupted; the training is saved in {}",
        paths.join(", ")
    ))
    .hint(way_on)
}

/// Returns those who hear of the run, and the loggers besides.
fn events_with(loggers: &[Logger], state: &State) -> Option<Events> {
    if loggers.is_empty() {
        return None;
    }
    let events = Events::new();
    events.add(Box::new(state.context().events.clone()));
    for logger in loggers {
        logger.listen_to(&events);
    }
    Some(events)
}

/// Returns the numbers that an evaluation returned, to be logged.
fn metrics_of(value: &Dynamic) -> Result<Metrics> {
    if value.is_unit() {
        return Ok(Metrics::new());
    }
    let wrong = || Error::input("an evaluation returns a map from names to numbers, or ()");
    let map = value.read_lock::<Map>().ok_or_else(wrong)?;
    map.iter()
        .map(|(name, number)| {
            let number = number
                .as_float()
                .or_else(|_| number.as_int().map(|whole| whole as f64));
            number
                .map(|number| (name.to_string(), number))
                .map_err(|_| wrong().under(name.as_str()))
        })
        .collect()
}

/// One dictionary of a `fit`, with the trainer that trains it and those who look on.
pub struct Member {
    /// Trains it.
    pub trainer: TrainerHandle,
    /// Is trained.
    pub sae: SparseAutoEncoderHandle,
    /// Look on.
    pub watchers: Watchers,
    /// Pieces of the arithmetic that the script brings along.
    pub pieces: OwnPieces,
}

impl Member {
    /// Shows the script's handle the dictionary as it stands: they share the parameters, and nothing else.
    fn bring_up_to_date(&self, dictionary: &SparseAutoEncoder) -> Result<()> {
        self.sae.show(dictionary.share())
    }

    fn watch(
        &self,
        callbacks: &Callbacks<'_>,
        dictionary: &SparseAutoEncoder,
        report: &StepReport,
    ) -> Result<Control> {
        self.bring_up_to_date(dictionary)?;
        let mut control = Control::Continue;
        for closure in &self.watchers.on_step {
            control = control.or(callbacks.watch(closure, (report_map(report)?,))?);
        }
        for (closure, metrics) in self
            .watchers
            .on_log
            .iter()
            .filter_map(|closure| Some((closure, report.logged.as_ref()?)))
        {
            let mut map = metrics_map(metrics);
            map.insert("step".into(), (report.step as i64).into());
            control = control.or(callbacks.watch(closure, (map,))?);
        }
        Ok(control)
    }

    fn options<'a>(
        &'a self,
        callbacks: &'a Callbacks<'_>,
        facts: &config::Map<String, Value>,
        state: &State,
    ) -> FitOptions<'a> {
        let watches = !self.watchers.on_step.is_empty() || !self.watchers.on_log.is_empty();
        let on_step =
            |dictionary: &SparseAutoEncoder, report: &StepReport| self.watch(callbacks, dictionary, report);
        let evaluate = self.watchers.eval_fn.as_ref().map(|closure| {
            let evaluation = move |dictionary: &SparseAutoEncoder, step: u64| {
                self.bring_up_to_date(dictionary)?;
                metrics_of(&callbacks.call(closure, (self.sae.clone(), step as i64))?)
            };
            Box::new(evaluation) as EvalFn<'_>
        });
        FitOptions {
            eval_fn: evaluate,
            on_step: watches.then(|| Box::new(on_step) as StepFn<'_>),
            provenance: Provenance {
                settings: None,
                facts: facts.clone(),
            },
            allow_change: self.watchers.allow_change.clone(),
            custom: self.pieces.custom(),
            events: events_with(&self.watchers.loggers, state),
            ..FitOptions::default()
        }
    }
}

/// Trains each member on `batches`, which are made once for all. Returns `"finished"`, `"stream ended"`, or
/// `"interrupted"` when a closure asked for it.
///
/// # Errors
/// The script's, in the place where it calls `fit`.
pub fn fit(
    context: &NativeCallContext,
    members: &[Member],
    batches: &Batches,
) -> RhaiResultOf<ImmutableString> {
    let state = State::of(context);
    let callbacks = Callbacks::new(context);
    let facts = facts(context, &state);
    for member in members {
        let folder = member
            .trainer
            .get_mut()
            .raise()?
            .trainer
            .cfg
            .exp_result_path
            .clone();
        permissions::ask_to_write(context, &folder)
            .under("exp_result_path")
            .raise()?;
    }
    // The script's handles can be looked at in callbacks, but not changed: they share parameters with what is trained.
    let training = members.iter().map(|member| member.sae.hold());
    let _training = training.collect::<Result<Vec<_>>>().raise()?;
    let working = members.iter().map(|member| Ok(member.sae.get()?.share()));
    let mut working = working.collect::<Result<Vec<_>>>().raise()?;
    let outcome = fit_lanes(
        members,
        &mut working,
        (batches, &callbacks),
        |member| member.options(&callbacks, &facts, &state),
        &state,
    );
    let written = members
        .iter()
        .zip(&working)
        .try_for_each(|(member, dictionary)| member.bring_up_to_date(dictionary));
    let outcome = callbacks.finish(outcome)?;
    written.raise()?;
    outcome_name(&outcome, &state, FROM_CHECKPOINT)
        .map(ImmutableString::from)
        .raise()
}

fn fit_lanes<'a>(
    members: &'a [Member],
    working: &mut [SparseAutoEncoder],
    batches: (&Batches, &Callbacks<'_>),
    options: impl Fn(&'a Member) -> FitOptions<'a>,
    state: &State,
) -> Result<FitOutcome> {
    let runs = members.iter().map(|member| member.trainer.get_mut());
    let mut runs = runs.collect::<Result<Vec<_>>>()?;
    let mut lanes: Vec<Lane<'_>> = members
        .iter()
        .zip(&mut runs)
        .zip(working)
        .map(|((member, run), dictionary)| Lane::new(run, dictionary, options(member)))
        .collect();
    let (batches, callbacks) = batches;
    batches.with(callbacks, |stream| fit_all(&mut lanes, stream, state.context()))
}
