//! `saescript remove`: a library that the project needs no more.

use super::arguments::ProgressArguments;
use super::libraries::print_changes;
use crate::error::Result;
use crate::library;
use crate::report::Printer;

/// Take a library out of the project around the working folder
///
/// What only that library needed goes with it. The library's own files stay where they are.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  saescript remove probes")]
pub(super) struct Arguments {
    /// The library's name
    name: String,
    #[command(flatten)]
    progress: ProgressArguments,
}

/// Removes the library, and prints what went with it.
///
/// # Errors
/// What [`library::remove`] refuses.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let context = arguments.progress.context(printer);
    print_changes(&library::remove(&arguments.name, &context)?, printer);
    Ok(0)
}
