//! `saescript generate`: a cache of activations from a configuration file.

use serde_json::json;

use super::again::with_way_on;
use super::arguments::{AllowanceArguments, ConfigArguments, ProgressArguments};
use crate::error::{Result, counted};
use crate::report::Printer;
use crate::runner::{
    GenerateActivationsSettings, GenerateOptions, generate_activations, rehearse_generation,
};

/// Write a language model's activations to disk as a configuration file says
///
/// The file (.toml, .json or .yaml) holds the fields of GenerateActivationsSettings; `saescript doc
/// GenerateActivationsSettings` lists them. A generation that was interrupted goes on where it stopped when the same
/// command is given again; a folder that was begun with other settings, another model or other data is refused.
///
/// Exit code: 0 written, 1 the run failed, 2 the settings or data are wrong, 130 interrupted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript generate generate.toml
  saescript generate generate.toml --set total_tokens=1_000_000 --set override_dtype=float16
  saescript generate generate.toml --dry-run       # what it would take
  saescript generate generate.toml --set total_tokens=9e6 --allow-change total_tokens")]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Go on with what an interrupted generation left, which happens without it too
    #[arg(long)]
    resume: bool,
    /// Do everything that comes before anything is written: open model and data, compare the folder, make a batch, and
    /// say what the activations would take
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    allowances: AllowanceArguments,
    /// Write what came of it as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    progress: ProgressArguments,
}

/// Generates; the exit code.
///
/// # Errors
/// What [`generate_activations`] cannot do, with the place in the file where it is about a setting.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let document = arguments.config.read()?;
    let settings: GenerateActivationsSettings = document.build()?;
    let context = arguments.progress.interruptible(printer)?;
    let options = GenerateOptions {
        allow_change: arguments.allowances.get(),
    };
    if arguments.dry_run {
        let forecast =
            rehearse_generation(&settings, &options, &context).map_err(|error| document.locate(error))?;
        let facts = json!({
            "folder": forecast.folder,
            "tokens": forecast.tokens,
            "bytes_per_token": forecast.bytes_per_token,
            "memory": forecast.memory.total(),
        });
        if arguments.json {
            printer.line(&facts.to_string());
        } else {
            printer.line(&forecast.to_string());
        }
        return Ok(0);
    }
    let written = generate_activations(&settings, &options, &context)
        .map_err(|error| with_way_on(document.locate(error)))?;
    if arguments.json {
        let facts = json!({
            "folder": settings.output_dir,
            "chunks": written.chunks,
            "tokens": written.tokens,
            "bytes": written.bytes,
            "kept": written.kept,
        });
        printer.line(&facts.to_string());
    } else {
        printer.line(&format!(
            "{} in {} of each hook point; activations in {}",
            counted(written.tokens, "token"),
            counted(written.chunks, "chunk"),
            settings.output_dir
        ));
    }
    Ok(0)
}
