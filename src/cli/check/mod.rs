//! `saescript check`: are scripts, configurations and caches right, as far as can be told without running anything?

mod cache;
mod script;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::ProgressArguments;
use crate::activations::is_cache;
use crate::error::{Error, Fault, Result};
use crate::report::Printer;

/// Check scripts and cached activations, without running anything
///
/// Scripts are parsed with all that they import: syntax errors, names that stand for nothing, modules that cannot be
/// found. Folders, and locations such as https://host/path and s3://bucket/path, are caches of activations: every chunk
/// is read, and what is truncated, altered, missing or unlike the other hook points is named.
///
/// Exit code: 0 all is right, 1 a cache is damaged, 2 a script is wrong, or something is neither script nor cache.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript check examples/*.rhai
  saescript check path/to/activations
  saescript check s3://bucket/path             # with AWS_ACCESS_KEY_ID and the like, as for Amazon's own programs
  saescript check --json train.rhai            # for editors: file, line, column, message, hints")]
pub(super) struct Arguments {
    /// Scripts, and folders or locations of cached activations
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write what is wrong as JSON, an array of objects
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    progress: ProgressArguments,
}

/// Everything that is wrong with one of the files, with what to say if nothing is.
struct Checked {
    wrong: Vec<Error>,
    fault: Fault,
    summary: String,
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
        let checked = match file.is_dir() || is_cache(file) {
            true => cache::check(file, &context)?,
            false => script::check(file)?,
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
            printer.line(&format!("{}: {}", file.display(), checked.summary));
        }
    }
    if arguments.json {
        printer.line(&Value::Array(wrong).to_string());
    }
    Ok(code)
}

/// Lines and columns count from 1, columns in characters; both are null for an error about the whole file.
fn as_json(error: &Error, file: &Path) -> Value {
    let place = error.place();
    let position = place.map(|place| place.line_column());
    json!({
        "file": place.map_or_else(|| file.display().to_string(), |place| place.file.clone()),
        "line": position.map(|(line, _)| line),
        "column": position.map(|(_, column)| column),
        "message": error.headline(),
        "hints": error.hints(),
    })
}
