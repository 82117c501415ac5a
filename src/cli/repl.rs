//! `saescript repl`: an interactive session.

use std::path::PathBuf;

use super::ProgressArguments;
use super::interrupt;
use crate::error::Result;
use crate::repl;
use crate::report::Printer;

/// Start an interactive session
///
/// Entries may have several lines; Tab completes, the arrow keys bring back earlier entries, `:help` lists what there
/// is. Ctrl-C stops what is running and returns to the prompt. Without a terminal, entries are read from standard
/// input.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript repl
  saescript repl setup.rhai                    # with everything that the script defines
  echo 'torch::arange(6).mean()' | saescript repl")]
pub(super) struct Arguments {
    /// A script to run first, in the session
    script: Option<PathBuf>,
    #[command(flatten)]
    progress: ProgressArguments,
}

/// The session's exit code.
///
/// # Errors
/// The terminal cannot be read.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let (mut host, stop) = arguments.progress.host(printer)?;
    interrupt::install(stop, printer.clone())?;
    repl::run(&mut host, printer, arguments.script.as_deref())
}
