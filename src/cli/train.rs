//! `saescript train`: a whole training run from a configuration file.

use std::path::PathBuf;

use super::interrupt;
use super::{AllowanceArguments, ConfigArguments, ProgressArguments};
use crate::error::{Fault, Result};
use crate::report::{Printer, figures};
use crate::runner::{TrainOptions, TrainSAESettings, forecast, train_sae};
use crate::train::FitOutcome;

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
    /// Check the settings and say what the run would cost, then stop
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
    if arguments.dry_run {
        let forecast = forecast(&settings).map_err(|error| document.locate(error))?;
        printer.line(&forecast.to_string());
        return Ok(0);
    }
    let context = arguments.progress.context(printer);
    interrupt::install(context.stop.clone(), printer.clone())?;
    let options = TrainOptions {
        resume: arguments.resume,
        allow_change: arguments.allowances.get(),
        ..TrainOptions::default()
    };
    let report = train_sae(&settings, &options, &context).map_err(|error| document.locate(error))?;
    if let FitOutcome::Interrupted { checkpoints } = &report.outcome {
        let saved: Vec<String> = checkpoints
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        printer.remark(&format!(
            "stopped after {} steps; saved: {}",
            report.steps,
            saved.join(", ")
        ));
        let config = PathBuf::from(&arguments.config.config);
        printer.remark(&format!(
            "go on with: saescript train {} --resume",
            config.display()
        ));
        return Ok(Fault::Interrupted.exit_code());
    }
    printer.line(&figures(&report.metrics).render(None));
    printer.line(&format!(
        "{} steps; results in {}",
        report.steps,
        report.folder.display()
    ));
    Ok(0)
}
