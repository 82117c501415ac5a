//! `saescript doc`: what scripts can use, and how.

use std::path::PathBuf;

use crate::atomic;
use crate::error::{Result, counted};
use crate::repl::help;
use crate::report::Printer;
use crate::script::Host;
use crate::script::definitions::definitions;

/// Show what scripts can use: modules, classes, functions, libraries
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript doc
  saescript doc SAEConfig                      # every field: type, default, meaning
  saescript doc torch::zeros
  saescript doc std/tables                     # a module of the scripts' own library
  saescript doc probes                         # a library of the project, and probes::share a function of it
  saescript doc --definitions .rhai            # for editors that know Rhai")]
pub(super) struct Arguments {
    /// A module, a class, a function, Type.method, module::function, or what a script here can import
    name: Option<String>,
    /// Write definition files for editors (.d.rhai) into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    definitions: Option<PathBuf>,
}

/// Prints documentation, or writes definition files.
///
/// # Errors
/// There is no such name, or the folder cannot be written.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let host = Host::builder().build()?;
    let catalog = host.catalog()?;
    if let Some(folder) = &arguments.definitions {
        let files = definitions(&catalog);
        for (name, text) in &files {
            atomic::write(folder.join(name), text)?;
        }
        printer.line(&format!(
            "wrote {} to {}",
            counted(files.len(), "file"),
            folder.display()
        ));
        return Ok(0);
    }
    let text = match &arguments.name {
        Some(name) => help::topic_or_module(&host, &catalog, name, printer.width())?,
        None => help::overview(&catalog, printer.width()),
    };
    printer.styled(&(text + "\n"));
    Ok(0)
}
