//! `saescript eval`: how well a trained dictionary explains its model.

use super::arguments::{ConfigArguments, ProgressArguments};
use crate::config::Value;
use crate::error::Result;
use crate::report::{Printer, figures};
use crate::runner::{EvalSettings, evaluate_sae};

/// Evaluate a trained dictionary on its model
///
/// Explained variance, L0, and the model's cross-entropy as it is, with the reconstruction in place of the activations,
/// and with zeros: the part recovered is 1 for a perfect dictionary and 0 for one that is no better than zeros.
///
/// The file holds the fields of EvalSettings: `sae.pretrained_name_or_path`, `model`, `dataset`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript eval eval.toml
  saescript eval eval.toml --set sae.pretrained_name_or_path=results --json | jq")]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Write one JSON object instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    progress: ProgressArguments,
}

/// Evaluates; the exit code.
///
/// # Errors
/// What [`evaluate_sae`] cannot do, with the place in the file where it is about a setting.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let document = arguments.config.read()?;
    let settings: EvalSettings = document.build()?;
    let context = arguments.progress.interruptible(printer)?;
    let metrics = evaluate_sae(&settings, &context).map_err(|error| document.locate(error))?;
    if arguments.json {
        let named = metrics
            .into_iter()
            .map(|(name, value)| (name, Value::from(value)));
        printer.line(&Value::Object(named.collect()).to_string());
    } else {
        printer.line(&figures(&metrics).render(None));
    }
    Ok(0)
}
