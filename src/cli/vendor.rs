//! `saescript vendor`: libraries copied into the project.

use super::arguments::ProgressArguments;
use super::libraries::shown;
use crate::error::{Result, counted};
use crate::library;
use crate::report::Printer;

/// Copy all libraries of the project into its folder `vendor`
///
/// From then on they are read there, so that the project runs wherever its folder is, without a network. They are
/// compared with saescript.lock all the same. Delete the folder to go back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  saescript vendor")]
pub(super) struct Arguments {
    #[command(flatten)]
    progress: ProgressArguments,
}

/// Copies the libraries, and prints which.
///
/// # Errors
/// What [`library::vendor`] refuses.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let context = arguments.progress.interruptible(printer)?;
    let libraries = library::vendor(&context)?;
    for locked in &libraries {
        printer.line(&format!("copied {}", shown(locked)));
    }
    printer.line(&format!("{} in vendor", counted(libraries.len(), "library")));
    Ok(0)
}
