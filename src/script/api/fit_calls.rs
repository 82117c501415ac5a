//! The forms in which scripts call `fit`: with positions, with names, and on a list of trainers.

use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map, Module};

use super::batches::Batches;
use super::fit::{Member, fit};
use super::loggers::{self, Logger};
use super::own_pieces::OwnPieces;
use super::sae::SparseAutoEncoderHandle;
use super::trainer::TrainerHandle;
use super::wandb::WandbRunHandle;
use crate::error::{Error, Result, a};
use crate::fingerprint::Allowances;
use crate::script::arguments::Arguments;
use crate::script::bridge::kind_of;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;

/// Puts the methods into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "fit", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// The arguments that all forms with names have in common.
struct Named {
    arguments: Arguments,
    batches: Batches,
    eval_fn: Option<FnPtr>,
    allow_change: Allowances,
    loggers: Vec<Logger>,
}

impl Named {
    fn new(options: Map, dictionaries: usize) -> Result<Self> {
        let mut arguments = Arguments::new("Trainer", "fit", options);
        let given: Dynamic = arguments.take("activation_stream").ok_or_else(|| {
            Error::input(
                "`fit` needs the argument `activation_stream`: an ActivationStream, an array of batches or a closure",
            )
        })?;
        let batches = Batches::from_dynamic(given).map_err(|error| error.under("activation_stream"))?;
        let eval_fn = arguments.optional("eval_fn", "a closure `|sae, step| …`")?;
        let allow_change = arguments.allowances()?;
        let given: Option<Array> = arguments.optional("loggers", "a list of loggers")?;
        let loggers = loggers::from_list(&given.unwrap_or_default(), dictionaries)?;
        Ok(Named {
            arguments,
            batches,
            eval_fn,
            allow_change,
            loggers,
        })
    }

    fn member(
        &self,
        trainer: TrainerHandle,
        sae: SparseAutoEncoderHandle,
        wandb_logger: Option<WandbRunHandle>,
        pieces: OwnPieces,
    ) -> Member {
        let mut watchers = trainer.watchers();
        watchers.eval_fn = self.eval_fn.clone().or(watchers.eval_fn);
        watchers.allow_change = self.allow_change.clone();
        watchers.loggers.extend(self.loggers.iter().cloned());
        watchers.loggers.extend(wandb_logger.map(Logger::Wandb));
        Member {
            trainer,
            pieces: pieces.or_activation(sae.activation()),
            sae,
            watchers,
        }
    }
}

/// Returns the single member of `trainer.fit(#{ … })`.
fn one(context: &NativeCallContext, trainer: &TrainerHandle, options: Map) -> Result<(Member, Batches)> {
    let mut named = Named::new(options, 1)?;
    let sae: SparseAutoEncoderHandle = named.arguments.required("sae", "a SparseAutoEncoder")?;
    let (pieces, activation) = OwnPieces::take(context, &mut named.arguments)?;
    let wandb_logger = named
        .arguments
        .optional("wandb_logger", "a run from `wandb::init`")?;
    let member = named.member(trainer.clone(), sae, wandb_logger, pieces);
    named.arguments.finish()?;
    if let Some(closure) = activation {
        member.sae.keep_activation(closure);
    }
    Ok((member, named.batches))
}

/// Returns the members of `[trainer, …].fit(#{ … })`.
fn several(context: &NativeCallContext, trainers: &Array, options: Map) -> Result<(Vec<Member>, Batches)> {
    let mut named = Named::new(options, trainers.len())?;
    let saes: Array = named.arguments.required("sae", "a list of SparseAutoEncoders")?;
    let loggers: Option<Array> = named
        .arguments
        .optional("wandb_logger", "a list of runs from `wandb::init`")?;
    let trainers: Vec<TrainerHandle> = items(trainers, "a Trainer")?;
    let saes: Vec<SparseAutoEncoderHandle> =
        items(&saes, "a SparseAutoEncoder").map_err(|error| error.under("sae"))?;
    let loggers: Vec<WandbRunHandle> = items(&loggers.unwrap_or_default(), "a run from `wandb::init`")
        .map_err(|error| error.under("wandb_logger"))?;
    check_counts(&trainers, &saes, loggers.len())?;
    let pieces = OwnPieces::take_for_each(context, &mut named.arguments, trainers.len())?;
    let mut loggers = loggers.into_iter();
    let mut members = Vec::new();
    let mut activations = Vec::new();
    for ((trainer, sae), (pieces, activation)) in trainers.into_iter().zip(saes).zip(pieces) {
        members.push(named.member(trainer, sae, loggers.next(), pieces));
        activations.push(activation);
    }
    named.arguments.finish()?;
    check_pieces(&members)?;
    for (member, activation) in members.iter().zip(activations) {
        if let Some(closure) = activation {
            member.sae.keep_activation(closure);
        }
    }
    Ok((members, named.batches))
}

/// Refuses pieces that are missing, or that a dictionary has no place for, and says which dictionary that is.
fn check_pieces(members: &[Member]) -> Result<()> {
    for (index, member) in members.iter().enumerate() {
        let trainer = member.trainer.get_mut()?;
        trainer
            .trainer
            .cfg
            .check_custom(&member.sae.get()?.cfg, &member.pieces.custom())
            .map_err(|error| error.context(format!("of `sae[{index}]`")))?;
    }
    Ok(())
}

/// Returns the elements of a list, all of one script type.
fn items<T: Clone + 'static>(list: &Array, what: &str) -> Result<Vec<T>> {
    let one = |(index, value): (usize, &Dynamic)| {
        value.clone().try_cast::<T>().ok_or_else(|| {
            Error::input(format!("expected {what}, but was given {}", a(&kind_of(value))))
                .under(format!("[{index}]"))
        })
    };
    list.iter().enumerate().map(one).collect()
}

fn check_counts(trainers: &[TrainerHandle], saes: &[SparseAutoEncoderHandle], loggers: usize) -> Result<()> {
    if trainers.is_empty() {
        return Err(Error::input(
            "there is nothing to train: the list of trainers is empty",
        ));
    }
    if trainers.len() != saes.len() {
        return Err(Error::input(format!(
            "{} trainers cannot train {} dictionaries: each needs one of its own",
            trainers.len(),
            saes.len()
        ))
        .under("sae"));
    }
    if loggers != 0 && loggers != trainers.len() {
        return Err(Error::input(format!(
            "{loggers} loggers do not fit {} dictionaries: give one for each, or none",
            trainers.len()
        ))
        .under("wandb_logger"));
    }
    for (index, trainer) in trainers.iter().enumerate() {
        let earlier = &trainers[..index];
        if earlier.iter().any(|other| other.is_same(trainer)) {
            return Err(Error::input("the same Trainer is in the list twice").under(format!("[{index}]")));
        }
        if saes[..index].iter().any(|other| other.is_same(&saes[index])) {
            let error = Error::input("the same SparseAutoEncoder is in the list twice");
            return Err(error.under(format!("[{index}]")).under("sae"));
        }
    }
    Ok(())
}

#[export_module(manifest)]
mod functions {
    /// Trains on a stream, an array of batches, or a closure that returns the next batch or `()`, until all steps are
    /// done, the batches end, or somebody asks to stop. Writes the run's folder, logs and checkpoints. Returns
    /// `"finished"`, `"stream ended"`, or `"interrupted"` when a callback asked for it; Ctrl-C ends the script.
    #[rhai_fn(name = "fit", return_raw, pure, volatile)]
    pub fn fit_positional(
        context: NativeCallContext,
        trainer: &mut TrainerHandle,
        sae: SparseAutoEncoderHandle,
        activation_stream: Dynamic,
    ) -> RhaiResultOf<ImmutableString> {
        let member = Member {
            trainer: trainer.clone(),
            pieces: OwnPieces::of_activation(sae.activation()),
            sae,
            watchers: trainer.watchers(),
        };
        let batches = Batches::from_dynamic(activation_stream).raise()?;
        fit(&context, &[member], &batches)
    }

    /// Trains with `#{ sae: sae, activation_stream: stream }` and, if wanted, `eval_fn: |sae, step| #{ "eval/l0": … }`,
    /// `wandb_logger: wandb::init(#{ … })` and `loggers`, any number of them:
    /// `[TensorBoard("logs"), wandb::init(#{ … })]`. `metrics.jsonl` in the run's folder and the console are always
    /// there. `allow_change: ["trainer.lr"]` names settings that may differ from those of the checkpoint that
    /// `from_pretrained_path` leads to.
    ///
    /// Pieces of the arithmetic can be written in the script: `activation: |h| …` from pre-activations to activations,
    /// both `(…, d_sae)`, for a dictionary with `act_fn` "custom"; `penalty: |f, norms| …` from activations and decoder
    /// norms to the penalty of each token, in place of `sparsity_loss_type` and times `l1_coefficient`; `loss: |out| …`
    /// in place of the whole loss, from the map that `compute_loss` returns, whose `out.loss` is the built-in sum.
    #[rhai_fn(name = "fit", return_raw, pure, volatile)]
    pub fn fit_named(
        context: NativeCallContext,
        trainer: &mut TrainerHandle,
        options: Map,
    ) -> RhaiResultOf<ImmutableString> {
        let (member, batches) = one(&context, trainer, options).raise()?;
        fit(&context, &[member], &batches)
    }

    /// Trains several dictionaries on the same batches, so that the language model runs once for all: trainer n trains
    /// dictionary n, `[trainer, …].fit(#{ sae: [sae, …], activation_stream: stream })`. Each trainer has its own
    /// settings and its own `exp_result_path`; `wandb_logger` is a list too, `eval_fn` is called for each, and
    /// `loggers` hear of all. `activation`, `penalty` and `loss` are lists with a closure for each dictionary, `()`
    /// where there is none (`activation: [|h| h.relu(), ()]`), or one closure for all. Returns as `fit` of one trainer.
    #[rhai_fn(name = "fit", return_raw, pure, volatile)]
    pub fn fit_several(
        context: NativeCallContext,
        trainers: &mut Array,
        options: Map,
    ) -> RhaiResultOf<ImmutableString> {
        let (members, batches) = several(&context, trainers, options).raise()?;
        fit(&context, &members, &batches)
    }
}
