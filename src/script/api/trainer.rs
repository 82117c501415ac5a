//! `Trainer`: loops of one's own with `step`, callbacks, checkpoints. Whole trainings: `fit_calls`.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::time::Duration;

use rhai::plugin::*;
use rhai::{Dynamic, FnPtr, ImmutableString, Map, Module};

use super::batch;
use super::own_pieces::OwnPieces;
use super::sae::SparseAutoEncoderHandle;
use super::watchers::Watchers;
use crate::error::{Error, Result};
use crate::event::Metrics;
use crate::script::class::ConfigHandle;
use crate::script::failure::{Raise, RhaiResultOf, placed};
use crate::script::guard;
use crate::script::state::State;
use crate::train::{Part, Profile, Run, Spent, StepReport, TrainerConfig};

/// What scripts call a trainer: a run, whose trainer they move themselves where they call `step`. Copies of the handle mean
/// the same one.
#[derive(Clone)]
pub struct TrainerHandle {
    run: Rc<RefCell<Run>>,
    watchers: Rc<RefCell<Watchers>>,
}

impl TrainerHandle {
    fn new(run: Run) -> Self {
        TrainerHandle {
            run: Rc::new(RefCell::new(run)),
            watchers: Rc::default(),
        }
    }

    /// Returns whether both mean the same trainer.
    pub fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.run, &other.run)
    }

    /// Returns what is called or told while it trains.
    pub fn watchers(&self) -> Watchers {
        self.watchers.borrow().clone()
    }

    /// Returns the run, to use.
    ///
    /// # Errors
    /// The running call uses it.
    pub fn get_mut(&self) -> Result<RefMut<'_, Run>> {
        self.run.try_borrow_mut().map_err(|_| {
            Error::input("the trainer is in use by the call that is running")
                .hint("a callback of `fit` gets what it may look at as its argument")
        })
    }
}

/// Puts the trainer object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<TrainerHandle>(
        "Trainer",
        &["/// Trains dictionaries: holds the optimiser, the schedules and the metrics of one training."],
    );
    combine_with_exported_module!(module, "trainer", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// Returns metrics by name, e.g. `m["metrics/l0"]`.
pub fn metrics_map(metrics: &Metrics) -> Map {
    metrics
        .iter()
        .map(|(name, value)| (name.as_str().into(), (*value).into()))
        .collect()
}

/// Returns the numbers of one step that are cheap to read.
pub fn report_map(report: &StepReport) -> Result<Map> {
    let mut map = Map::new();
    map.insert("step".into(), (report.step as i64).into());
    for (name, value) in report.figures.read()? {
        map.insert(name.replace(' ', "_").to_lowercase().into(), value.into());
    }
    for term in &report.terms {
        map.insert(term.name.as_str().into(), term.value.f_double_value(&[])?.into());
    }
    if let Some(metrics) = &report.logged {
        map.insert("logged".into(), metrics_map(metrics).into());
    }
    Ok(map)
}

/// Returns a profile as scripts see it.
fn profile_map(profile: &Profile) -> Map {
    let parts = |time: fn(Spent) -> Duration| -> Map {
        let of = |part: Part| time(profile.spent(part)).as_secs_f64() * 1e3 / profile.steps.max(1) as f64;
        let parts = Part::ALL
            .into_iter()
            .map(|part| (part.name().into(), of(part).into()));
        parts.collect()
    };
    let counts = profile.screening;
    let counts = [
        ("rows", counts.rows),
        ("candidates", counts.candidates),
        ("redone", counts.redone),
        ("full", counts.full),
    ];
    let counts: Map = counts
        .map(|(name, count)| (name.into(), (count as i64).into()))
        .into();
    [
        ("steps".into(), (profile.steps as i64).into()),
        ("kernels".into(), profile.kernels.into()),
        ("wall".into(), parts(|spent| spent.wall).into()),
        ("processor".into(), parts(|spent| spent.processor).into()),
        ("screening".into(), counts.into()),
    ]
    .into()
}

#[export_module(manifest)]
mod functions {
    /// Makes a trainer, which holds the optimiser, the schedules and the metrics of one training; another training
    /// needs another trainer.
    #[rhai_fn(name = "Trainer", return_raw)]
    pub fn new_trainer(config: ConfigHandle<TrainerConfig>) -> RhaiResultOf<TrainerHandle> {
        Run::new(config.get()).map(TrainerHandle::new).raise()
    }

    /// Trains on one batch and returns its numbers: `step`, `loss`, `explained_variance`, `l0`, the terms of the loss,
    /// and `logged` at steps that log. For loops of one's own; writes no files.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn step(
        context: NativeCallContext,
        trainer: &mut TrainerHandle,
        sae: SparseAutoEncoderHandle,
        batch: Map,
    ) -> RhaiResultOf<Map> {
        let batch = batch::from_map(&batch).raise()?;
        let mut run = trainer.get_mut().raise()?;
        let pieces = OwnPieces::of_activation(sae.activation());
        let mut sae = sae.get_mut().raise()?;
        let report = run.trainer.step_with(&mut sae, &batch, pieces.custom()).raise()?;
        for remark in &report.remarks {
            State::of(&context).context().events.warn(remark).raise()?;
        }
        report_map(&report).raise()
    }

    /// Calls `|m| …` with the metrics of each log and its `step`; `false` ends the training as Ctrl-C would.
    #[rhai_fn(pure)]
    pub fn on_log(trainer: &mut TrainerHandle, callback: FnPtr) {
        trainer.watchers.borrow_mut().on_log.push(callback);
    }

    /// Calls `|s| …` with the numbers of each step; `false` ends the training. Reading them costs time on a GPU.
    #[rhai_fn(pure)]
    pub fn on_step(trainer: &mut TrainerHandle, callback: FnPtr) {
        trainer.watchers.borrow_mut().on_step.push(callback);
    }

    /// Calls `|sae, step| …` every `eval_frequency` steps; the map of numbers it returns is logged.
    #[rhai_fn(pure)]
    pub fn on_eval(trainer: &mut TrainerHandle, callback: FnPtr) {
        trainer.watchers.borrow_mut().eval_fn = Some(callback);
    }

    /// Returns the metrics that were logged last, e.g. `trainer.metrics()["metrics/l0"]`; empty before the first log.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn metrics(trainer: &mut TrainerHandle) -> RhaiResultOf<Map> {
        Ok(metrics_map(trainer.get_mut().raise()?.trainer.metrics()))
    }

    /// Returns how many steps are done.
    #[rhai_fn(get = "steps_done", return_raw, pure, volatile)]
    pub fn steps_done(trainer: &mut TrainerHandle) -> RhaiResultOf<i64> {
        Ok(trainer.get_mut().raise()?.trainer.steps_done() as i64)
    }

    /// Returns how many steps the training has, or `()` before the first batch has told how large batches are.
    #[rhai_fn(get = "total_steps", return_raw, pure, volatile)]
    pub fn total_steps(trainer: &mut TrainerHandle) -> RhaiResultOf<Dynamic> {
        let total = trainer.get_mut().raise()?.trainer.total_steps();
        Ok(total.map_or(Dynamic::UNIT, |total| (total as i64).into()))
    }

    /// Measures from now on where the time of steps goes, for `profile`; what was measured before is forgotten.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn start_profile(trainer: &mut TrainerHandle) -> RhaiResultOf<()> {
        trainer.get_mut().raise()?.trainer.start_profile();
        Ok(())
    }

    /// Returns where the time of steps went since `start_profile`, or `()` where that was not called: `steps`; the parts of
    /// a step by name, as milliseconds of a step by the clock on the wall (`wall`) and of the processor, all threads
    /// together (`processor`); the instructions that `kernels` use; and `screening`, how encoding went where few latents are selected: `rows`, `candidates`
    /// that were computed in full precision, rows `redone`, and rows computed in `full`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn profile(trainer: &mut TrainerHandle) -> RhaiResultOf<Dynamic> {
        let profile = trainer.get_mut().raise()?.trainer.profile();
        Ok(profile.map_or(Dynamic::UNIT, |profile| profile_map(&profile).into()))
    }

    /// Writes a checkpoint of the training and of `sae` into `folder/checkpoints/step_N` and returns its path.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn save_checkpoint(
        trainer: &mut TrainerHandle,
        sae: SparseAutoEncoderHandle,
        folder: ImmutableString,
    ) -> RhaiResultOf<String> {
        let mut run = trainer.get_mut().raise()?;
        let sae = sae.get().raise()?;
        run.save_checkpoint(&sae, folder.as_str())
            .map(|path| path.display().to_string())
            .raise()
    }

    /// Returns a copy of the settings.
    #[rhai_fn(get = "cfg", return_raw, pure)]
    pub fn cfg(trainer: &mut TrainerHandle) -> RhaiResultOf<ConfigHandle<TrainerConfig>> {
        Ok(ConfigHandle::new(trainer.get_mut().raise()?.trainer.cfg.clone()))
    }

    /// Returns how far it is, in words.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(trainer: &mut TrainerHandle) -> String {
        match trainer.get_mut() {
            Ok(run) => {
                let trainer = &run.trainer;
                let total = trainer
                    .total_steps()
                    .map_or("?".to_string(), |total| total.to_string());
                format!(
                    "Trainer(steps: {} of {total}, exp_result_path: {:?})",
                    trainer.steps_done(),
                    trainer.cfg.exp_result_path
                )
            }
            Err(_) => "Trainer(in use)".into(),
        }
    }
}

/// `Trainer::from_checkpoint`.
#[export_module(manifest)]
pub mod statics {
    /// Returns a trainer that goes on from a checkpoint, whose weights are loaded into `sae`; the next `fit` also takes
    /// the activation stream to where it was. A dictionary of another architecture, and an altered file, are refused.
    #[rhai_fn(return_raw, volatile)]
    pub fn from_checkpoint(
        context: NativeCallContext,
        sae: SparseAutoEncoderHandle,
        path: ImmutableString,
    ) -> RhaiResultOf<TrainerHandle> {
        placed(&context, || {
            let mut sae = sae.get_mut().raise()?;
            Run::from_checkpoint(&mut sae, path.as_str())
                .map(TrainerHandle::new)
                .raise()
        })
    }
}
