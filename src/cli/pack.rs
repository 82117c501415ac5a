//! `saescript pack`: a library as one file.

use std::path::PathBuf;

use crate::error::Result;
use crate::library;
use crate::report::Printer;

/// Write the library around the working folder as one archive
///
/// The same files give the same bytes on any machine, whatever their times, owners and permissions. Hidden files,
/// vendor/ and saescript.lock are left out. Others add the archive with `saescript add`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript pack                               # NAME-VERSION.tar.zst beside saescript.toml
  saescript pack -o /tmp/probes.tar.zst")]
pub(super) struct Arguments {
    /// Write the archive there
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Writes the archive, and prints its path and the hash of what is in it.
///
/// # Errors
/// What [`library::pack`] refuses.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let (path, hash) = library::pack(arguments.output.as_deref())?;
    printer.line(&format!("wrote {} ({hash})", path.display()));
    Ok(0)
}
