//! `saescript train`: a whole training run from a configuration file.

use std::path::Path;

use super::again::command_with;
use super::arguments::{AllowanceArguments, ConfigArguments, ProgressArguments};
use crate::error::{Error, Fault, Result, counted};
use crate::report::{Printer, figures};
use crate::runner::{TrainOptions, TrainSAESettings, rehearse_training, train_sae};
use crate::train::{FitOutcome, list_checkpoints};

/// Train a dictionary as a configuration file says
///
/// The file (.toml, .json or .yaml) holds the fields of TrainSAESettings; `saescript doc TrainSAESettings` lists them.
/// Everything is written into the folder that `trainer.exp_result_path` names.
///
/// The first Ctrl-C stops at the next safe point and writes a checkpoint, a second one at once. Exit code: 0 trained,
/// 1 the run failed, 2 the settings or data are wrong, 130 interrupted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript train train.toml
  saescript train train.toml --set trainer.lr=3e-4 --set sae.expansion_factor=16
  saescript train train.toml --resume          # go on from the newest checkpoint
  saescript train train.toml --resume --set trainer.lr=1e-4 --allow-change trainer.lr
  saescript train train.toml --dry-run         # what it would cost")]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Go on from the newest checkpoint in the run's folder; begin anew where there is none. Settings, model and data must
    /// be those it was begun with, but for its length and what is logged and kept
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    allowances: AllowanceArguments,
    /// Do everything that comes before the first step, without writing anything: open model, data, dictionary and
    /// checkpoint, make a batch, and say what the run would cost
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    progress: ProgressArguments,
}

/// Trains; the exit code.
///
/// # Errors
/// What [`train_sae`] cannot do, with the place in the file where it is about a setting.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let document = arguments.config.read()?;
    let settings: TrainSAESettings = document.build()?;
    let context = arguments.progress.interruptible(printer)?;
    let options = TrainOptions {
        resume: arguments.resume,
        allow_change: arguments.allowances.get(),
        ..TrainOptions::default()
    };
    if arguments.dry_run {
        let forecast = rehearse_training(&settings, &options, &context);
        match forecast.map_err(|error| document.locate(error))? {
            Some(forecast) => printer.line(&forecast.to_string()),
            None => printer.line("all steps are done; nothing is left to do"),
        }
        return Ok(0);
    }
    let report = train_sae(&settings, &options, &context)
        .map_err(|error| with_way_on(document.locate(error), &settings))?;
    if let FitOutcome::Interrupted { checkpoints } = &report.outcome {
        let saved: Vec<String> = checkpoints
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        printer.remark(&format!(
            "stopped after {}; saved: {}",
            counted(report.steps, "step"),
            saved.join(", ")
        ));
        printer.remark(&way_on());
        return Ok(Fault::Interrupted.exit_code());
    }
    printer.line(&figures(&report.metrics).render(None));
    printer.line(&format!(
        "{}; results in {}",
        counted(report.steps, "step"),
        report.folder.display()
    ));
    Ok(0)
}

fn way_on() -> String {
    format!("go on with: {}", command_with(Some("--resume")))
}

/// Advice for a run that failed after it had saved something.
fn with_way_on(error: Error, settings: &TrainSAESettings) -> Error {
    let folder = Path::new(&settings.trainer.exp_result_path);
    if error.fault() == Fault::Input || list_checkpoints(folder).is_empty() {
        error
    } else {
        error.hint(way_on())
    }
}
