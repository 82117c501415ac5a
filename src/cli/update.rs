//! `saescript update`: what the sources of libraries give now.

use super::arguments::ProgressArguments;
use super::libraries::{print_changes, shown};
use crate::error::Result;
use crate::library;
use crate::report::Printer;

/// Lock what the sources of libraries give now
///
/// Folders and archives are read again, branches and tags looked up. Until then a project uses what is in its
/// saescript.lock, whatever happens to the sources.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript update
  saescript update probes                      # this one only
  saescript update --locked                    # after a clone: fetch what is locked, and change nothing")]
pub(super) struct Arguments {
    /// The library; all of them if not given
    name: Option<String>,
    /// Fetch what is locked and not on this machine, and change nothing
    #[arg(long, conflicts_with = "name")]
    locked: bool,
    #[command(flatten)]
    progress: ProgressArguments,
}

/// Updates or fetches, and prints what changed.
///
/// # Errors
/// What [`library::update`] and [`library::fetch_locked`] refuse.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let context = arguments.progress.interruptible(printer)?;
    if !arguments.locked {
        print_changes(&library::update(arguments.name.as_deref(), &context)?, printer);
        return Ok(0);
    }
    let fetched = library::fetch_locked(&context)?;
    for locked in &fetched {
        printer.line(&format!("fetched {}", shown(locked)));
    }
    if fetched.is_empty() {
        printer.line("everything that is locked is here");
    }
    Ok(0)
}
