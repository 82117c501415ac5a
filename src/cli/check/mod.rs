//! `saescript check`: are scripts, configurations and caches right, as far as can be told without running anything?

mod cache;
mod checked;
mod script;
mod settings;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::arguments::ProgressArguments;
use crate::activations::is_cache;
use crate::error::{Error, Place, Result};
use crate::report::Printer;

/// Check scripts, configuration files and cached activations, without running anything
///
/// Scripts are read with all that they import: syntax, unknown variables, functions, methods, properties and members of
/// modules, calls with too many or too few arguments, keys and values of settings. What is known only when the script
/// runs is left to that.
///
/// Configuration files (.toml, .yaml, .json) are those of train, generate and eval, told apart by their keys: unknown
/// and missing keys, wrong types and values, and settings that contradict each other. A saescript.toml is that of a project
/// or a library.
///
/// Folders, and locations such as https://host/path and s3://bucket/path, are caches of activations: every chunk is read,
/// and what is truncated, altered, missing or unlike the other hook points is named.
///
/// Everything that is wrong is told at once, with its place. Exit code: 0 all is right, 1 a cache is damaged, 2 a script
/// or a configuration is wrong, or something is none of these.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript check examples/*.rhai
  saescript check train.rhai train.toml
  saescript check path/to/activations
  saescript check s3://bucket/path             # with AWS_ACCESS_KEY_ID and the like, as for Amazon's own programs
  saescript check --json train.rhai            # for editors: file, line, column, end, message, hints")]
pub(super) struct Arguments {
    /// Scripts, configuration files, and folders or locations of cached activations
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write what is wrong as JSON, an array of objects
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    progress: ProgressArguments,
}

/// Checks each file; everything that is wrong is printed.
///
/// # Errors
/// The host of scripts cannot be built; an interrupt.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let context = arguments.progress.context(printer);
    let mut wrong: Vec<Value> = Vec::new();
    let mut code = 0;
    for file in &arguments.files {
        let checked = if file.is_dir() || is_cache(file) {
            cache::check(file, &context)?
        } else if settings::is_settings(file) {
            settings::check(file)
        } else {
            script::check(file)?
        };
        if !checked.wrong.is_empty() {
            code = code.max(checked.fault.exit_code());
        }
        for error in &checked.wrong {
            wrong.push(as_json(error, file));
            if !arguments.json {
                printer.error(error);
            }
        }
        if !arguments.json && !checked.summary.is_empty() {
            printer.line(&checked.line(file));
        }
    }
    if arguments.json {
        printer.line(&Value::Array(wrong).to_string());
    }
    Ok(code)
}

/// Lines and columns count from 1, columns in characters; `end` is the place after the last character that is meant. All
/// are null for an error about the whole file.
fn as_json(error: &Error, file: &Path) -> Value {
    let place = error.place();
    let position = place.map(|place| place.line_column());
    json!({
        "file": place.map_or_else(|| file.display().to_string(), |place| place.file.clone()),
        "line": position.map(|(line, _)| line),
        "column": position.map(|(_, column)| column),
        "end": place.map(Place::end).map(|(line, column)| json!({ "line": line, "column": column })),
        "message": error.headline(),
        "hints": error.hints(),
    })
}
