//! `saescript repl`: an interactive session.

use std::path::PathBuf;

use super::arguments::ProgressArguments;
use super::interrupt;
use crate::error::Result;
use crate::repl::{self, Presence};
use crate::report::Printer;

/// Start an interactive session
///
/// Entries may have several lines; Tab completes, the arrow keys bring back earlier entries, `:help` lists what there
/// is. Ctrl-C stops what is running and returns to the prompt; one step that cannot be stopped midway, such as a large
/// matrix product, is finished first. However often it is pressed, the session stays; Ctrl-\ ends the program at once. An
/// entry that fails keeps what it defined before it failed. Without a terminal, entries are read from standard input.
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

/// Runs a session, and returns its exit code.
///
/// # Errors
/// The terminal cannot be read.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let (host, stop) = arguments.progress.host(printer);
    let mut host = host.build()?;
    let presence = Presence::default();
    interrupt::install_for_session(stop, presence.clone(), printer.clone())?;
    repl::run(&mut host, printer, &presence, arguments.script.as_deref())
}
