//! `saescript publish`: a version of a library, put where others get it.

use super::arguments::ProgressArguments;
use crate::error::Result;
use crate::library::{self, Target};
use crate::report::Printer;

/// Put the library around the working folder where others get it
///
/// TARGET is a folder (the archive that `pack` writes), a git repository `git+URL` or one on the hub `hf:ORG/REPO` (a
/// commit with the tag vVERSION). A version that is there already is never changed: raise `version` in saescript.toml.
/// Git works with its own credentials, the hub with HF_TOKEN.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript publish /shared/libraries
  saescript publish git+https://host/probes.git
  saescript publish hf:org/probes")]
pub(super) struct Arguments {
    /// A folder, `git+URL` or `hf:ORG/REPO`
    target: String,
    #[command(flatten)]
    progress: ProgressArguments,
}

/// Publishes the library, and prints how others add it.
///
/// # Errors
/// What [`library::publish`] refuses.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let target = Target::of_argument(&arguments.target)?;
    let context = arguments.progress.interruptible(printer)?;
    let published = library::publish(&target, &context)?;
    let (about, source) = (&published.about, &published.source);
    let said = if published.was_there {
        "is there already"
    } else {
        "is published"
    };
    printer.line(&format!(
        "{} {} {said} ({})",
        about.name, about.version, published.hash
    ));
    printer.line(&format!("add it with `saescript add {source}`"));
    Ok(0)
}
