//! `saescript add`: a library for the project.

use super::arguments::ProgressArguments;
use super::libraries::print_changes;
use crate::error::Result;
use crate::library::{self, Source};
use crate::report::Printer;

/// Add a library to the project around the working folder
///
/// The library is fetched, named in saescript.toml, and locked in saescript.lock with the hash of all its files; from
/// then on nothing else is used under its name. None of its code runs before a script imports it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript add ../probes                      # a folder
  saescript add probes-0.1.0.tar.zst           # an archive, as `saescript pack` writes it
  saescript add git+https://host/probes.git#v0.1.0
  saescript add hf:org/probes                  # a repository on the hub
  saescript add --dev ../test-data             # for the scripts below tests/ and examples/ only")]
pub(super) struct Arguments {
    /// A folder, an archive, `git+URL#REV` or `hf:ORG/REPO#REV`; REV is a branch, a tag or a commit
    source: String,
    /// For tests and examples only
    #[arg(long)]
    dev: bool,
    #[command(flatten)]
    progress: ProgressArguments,
}

/// Adds the library, and prints what that brought in.
///
/// # Errors
/// What [`library::add`] refuses.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let context = arguments.progress.interruptible(printer)?;
    let source = Source::of_argument(&arguments.source)?;
    print_changes(&library::add(&source, arguments.dev, &context)?, printer);
    Ok(0)
}
