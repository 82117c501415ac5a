//! `saescript check`: are scripts right, as far as can be told without running them?

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::error::{Error, Fault, Result};
use crate::report::Printer;
use crate::script::Host;

/// Parse scripts and find what they import, without running anything
///
/// Finds syntax errors, names that stand for nothing, and modules that cannot be found or parsed. Exit code 2 if
/// anything is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript check examples/*.rhai
  saescript check --json train.rhai            # for editors: file, line, column, message, hints")]
pub(super) struct Arguments {
    /// Scripts
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write what is wrong as JSON, an array of objects
    #[arg(long)]
    json: bool,
}

/// 0 if every script is right, else 2; everything that is wrong is printed.
///
/// # Errors
/// The host cannot be built.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let mut wrong: Vec<Value> = Vec::new();
    for file in &arguments.files {
        let mut host = Host::builder().build()?;
        match host.check_file(file) {
            Ok(()) if arguments.json => (),
            Ok(()) => printer.line(&format!("{}: ok", file.display())),
            Err(error) => {
                wrong.push(as_json(&error, file));
                if !arguments.json {
                    printer.error(&error);
                }
            }
        }
    }
    if arguments.json {
        printer.line(&Value::Array(wrong.clone()).to_string());
    }
    Ok(if wrong.is_empty() {
        0
    } else {
        Fault::Input.exit_code()
    })
}

/// Lines and columns count from 1, columns in characters; both are null for an error about the whole file.
fn as_json(error: &Error, file: &std::path::Path) -> Value {
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
