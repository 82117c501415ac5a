//! `saescript new`: begin a project or a library.

use std::path::PathBuf;

use crate::error::Result;
use crate::library::{Kind, scaffold};
use crate::report::Printer;

/// Begin a project, or a library that other scripts can import
///
/// A project has a script that runs; a library has a function with its documentation, a test and an example. Both have a
/// saescript.toml, which says what they are called and what they need.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript new features                       # and then: saescript run features
  saescript new probes --lib                   # and then, in it: saescript test")]
pub(super) struct Arguments {
    /// The folder to make; its last part is the name
    name: PathBuf,
    /// Begin a library
    #[arg(long)]
    lib: bool,
}

/// Writes the files of a new project or library.
///
/// # Errors
/// There is something at that place; the name is none for a library; the folder cannot be written.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let kind = if arguments.lib {
        Kind::Library
    } else {
        Kind::Project
    };
    let folder = arguments.name.display();
    for file in scaffold(&arguments.name, kind)? {
        printer.line(&format!("wrote {}", arguments.name.join(file).display()));
    }
    printer.line(&match kind {
        Kind::Project => format!("run it with `saescript run {folder}`"),
        Kind::Library => format!("test it with `saescript test {folder}`"),
    });
    Ok(0)
}
