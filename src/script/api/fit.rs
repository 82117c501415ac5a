//! `Trainer.fit`: a whole training, with a script's closures looking on.

use rhai::{Dynamic, FnPtr, ImmutableString, Map, NativeCallContext};
use sha2::{Digest, Sha256};

use super::callbacks::Callbacks;
use super::sae::SparseAutoEncoderHandle;
use super::stream::ActivationStreamHandle;
use super::trainer::{TrainerHandle, metrics_map, report_map};
use super::wandb::WandbRunHandle;
use crate::config::{self, Value};
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Error, Result};
use crate::event::{Control, Events, Metrics};
use crate::script::arguments::Arguments;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::state::State;
use crate::train::{EvalFn, FitOptions, FitOutcome, Provenance, StepFn, StepReport};

/// What a script asked to have called, or told, while `fit` runs.
#[derive(Clone, Default)]
pub struct Watchers {
    /// Called with the metrics of each log.
    pub on_log: Vec<FnPtr>,
    /// Called with the numbers of each step.
    pub on_step: Vec<FnPtr>,
    /// Called every `eval_frequency` steps; what it returns is logged.
    pub eval_fn: Option<FnPtr>,
    /// Hears of all that is logged.
    pub wandb_logger: Option<WandbRunHandle>,
}

/// Which script a run came from, for its folder.
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

/// How a training ended, in words.
pub fn outcome_name(outcome: &FitOutcome) -> &'static str {
    match outcome {
        FitOutcome::Finished => "finished",
        FitOutcome::StreamEnded => "stream ended",
        FitOutcome::Interrupted { .. } => "interrupted",
    }
}

/// Those who hear of the run, and the W&B run besides.
fn events_with(run: Option<WandbRunHandle>, state: &State) -> Option<Events> {
    let run = run?;
    let events = Events::new();
    events.add(Box::new(state.context().events.clone()));
    events.add(Box::new(run));
    Some(events)
}

/// Numbers that an evaluation returned, to be logged.
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

/// Trains `sae` on `stream`; `"finished"`, `"stream ended"` or `"interrupted"`.
pub fn fit(
    context: &NativeCallContext,
    handle: &TrainerHandle,
    sae: &SparseAutoEncoderHandle,
    stream: &ActivationStreamHandle,
    watchers: Watchers,
) -> RhaiResultOf<ImmutableString> {
    let state = State::of(context);
    let callbacks = Callbacks::new(context);
    // The script's handle stays free for callbacks: it shares the parameters and is brought up to date before each.
    let mut working = sae.get().raise()?.share();
    let watches = !watchers.on_step.is_empty() || !watchers.on_log.is_empty();
    let on_step = |dictionary: &SparseAutoEncoder, report: &StepReport| {
        *sae.get_mut()? = dictionary.share();
        let mut control = Control::Continue;
        for closure in &watchers.on_step {
            control = control.or(callbacks.watch(closure, (report_map(report)?,))?);
        }
        for (closure, metrics) in watchers
            .on_log
            .iter()
            .filter_map(|closure| Some((closure, report.logged.as_ref()?)))
        {
            let mut map = metrics_map(metrics);
            map.insert("step".into(), (report.step as i64).into());
            control = control.or(callbacks.watch(closure, (map,))?);
        }
        Ok(control)
    };
    let evaluate = watchers.eval_fn.as_ref().map(|closure| {
        let (sae, callbacks) = (&sae, &callbacks);
        let evaluation = move |dictionary: &mut SparseAutoEncoder, step: u64| {
            *sae.get_mut()? = dictionary.share();
            metrics_of(&callbacks.call(closure, ((*sae).clone(), step as i64))?)
        };
        Box::new(evaluation) as EvalFn<'_>
    });
    let options = FitOptions {
        eval_fn: evaluate,
        on_step: watches.then(|| Box::new(on_step) as StepFn<'_>),
        provenance: Provenance {
            settings: None,
            facts: facts(context, &state),
        },
        events: events_with(watchers.wandb_logger.clone(), &state),
    };
    let outcome = handle.get_mut().and_then(|mut trainer| {
        stream.with(|stream| trainer.fit(&mut working, stream, state.context(), options))
    });
    let written = sae.get_mut().map(|mut sae| *sae = working);
    let outcome = callbacks.finish(outcome)?;
    written.raise()?;
    Ok(outcome_name(&outcome).into())
}

/// `trainer.fit(#{ … })`.
pub fn fit_named(
    context: &NativeCallContext,
    trainer: &TrainerHandle,
    options: Map,
) -> RhaiResultOf<ImmutableString> {
    let mut arguments = Arguments::new("fit", options);
    let sae = arguments
        .required::<SparseAutoEncoderHandle>("sae", "a SparseAutoEncoder")
        .raise()?;
    let stream = arguments
        .required::<ActivationStreamHandle>("activation_stream", "an ActivationStream")
        .raise()?;
    let eval_fn = arguments
        .optional::<FnPtr>("eval_fn", "a closure `|sae, step| …`")
        .raise()?;
    let wandb_logger = arguments
        .optional::<WandbRunHandle>("wandb_logger", "a run from `wandb::init`")
        .raise()?;
    arguments.finish().raise()?;
    let mut watchers = trainer.watchers();
    watchers.eval_fn = eval_fn.or(watchers.eval_fn);
    watchers.wandb_logger = wandb_logger;
    fit(context, trainer, &sae, &stream, watchers)
}
