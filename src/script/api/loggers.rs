//! What `trainer.fit` logs to besides the run's folder: `loggers: [TensorBoard("logs"), wandb::init(#{ … })]`.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, Module};

use super::wandb::WandbRunHandle;
use crate::error::{Error, Result, a};
use crate::event::{Control, Event, Events, Observer};
use crate::report::tensorboard::TensorBoard;
use crate::script::bridge::kind_of;
use crate::script::guard;

/// Writes TensorBoard event files; scripts hold it.
#[derive(Clone)]
pub struct TensorBoardHandle(Arc<Mutex<TensorBoard>>);

impl TensorBoardHandle {
    fn locked(&self) -> MutexGuard<'_, TensorBoard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for TensorBoardHandle {
    fn on(&mut self, event: &Event) -> Result<Control> {
        self.locked().on(event)
    }

    fn wants_distributions(&self) -> bool {
        self.locked().wants_distributions()
    }
}

/// Anything that `fit` can log to.
#[derive(Clone)]
pub enum Logger {
    /// A run of Weights & Biases.
    Wandb(WandbRunHandle),
    /// TensorBoard event files.
    TensorBoard(TensorBoardHandle),
}

impl Logger {
    fn from_dynamic(value: &Dynamic) -> Result<Self> {
        if let Some(run) = value.clone().try_cast::<WandbRunHandle>() {
            return Ok(Logger::Wandb(run));
        }
        match value.clone().try_cast::<TensorBoardHandle>() {
            Some(board) => Ok(Logger::TensorBoard(board)),
            None => Err(
                Error::input(format!("expected a logger, but was given {}", a(&kind_of(value))))
                    .hint("loggers are `TensorBoard(\"folder\")` and runs from `wandb::init`"),
            ),
        }
    }

    /// Lets it hear `events`.
    pub fn listen_to(&self, events: &Events) {
        match self.clone() {
            Logger::Wandb(run) => events.add_dispensable("Weights & Biases", Box::new(run)),
            Logger::TensorBoard(board) => events.add(Box::new(board)),
        }
    }
}

/// Returns the value of the argument `loggers`.
///
/// # Errors
/// An element that is no logger; a W&B run that several dictionaries would share.
pub fn from_list(list: &Array, dictionaries: usize) -> Result<Vec<Logger>> {
    let one = |(index, value): (usize, &Dynamic)| {
        let logger = Logger::from_dynamic(value)?;
        if dictionaries > 1 && matches!(logger, Logger::Wandb(_)) {
            return Err(Error::input("several dictionaries cannot share one W&B run")
                .hint("give a list with one run for each as `wandb_logger`")
                .under(format!("[{index}]")));
        }
        Ok(logger)
    };
    list.iter()
        .enumerate()
        .map(|(index, value)| one((index, value)).map_err(|error| error.under("loggers")))
        .collect()
}

/// Puts the logger object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<TensorBoardHandle>(
        "TensorBoard",
        &["/// TensorBoard event files: pass it to `trainer.fit` among the `loggers`."],
    );
    combine_with_exported_module!(module, "tensorboard", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

#[export_module(manifest)]
mod functions {
    /// Makes a logger that writes what is logged, scalars and histograms, as TensorBoard event files into a folder:
    /// `trainer.fit(#{ …, loggers: [TensorBoard("results/tensorboard")] })`. Where several dictionaries are trained
    /// together each gets a folder in it.
    #[rhai_fn(name = "TensorBoard")]
    pub fn new_tensorboard(folder: ImmutableString) -> TensorBoardHandle {
        let board = TensorBoard::new(Path::new(folder.as_str()));
        TensorBoardHandle(Arc::new(Mutex::new(board)))
    }

    /// Returns where its files are, in words.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(board: &mut TensorBoardHandle) -> String {
        format!("TensorBoard({:?})", board.locked().folder())
    }
}
