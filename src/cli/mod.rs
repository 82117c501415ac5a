//! The command line: argv to one call below. Each command is one file; none prints past the [`Printer`].

pub mod doctor;

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, Subcommand};

use crate::error::{Error, Result};
use crate::report::Printer;
use crate::tensor::runtime;

/// Train, study and compare sparse autoencoders from scripts.
#[derive(Debug, Parser)]
#[command(name = "saescript", version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Doctor(DoctorArguments),
}

/// Say what this machine has: libtorch, CUDA, threads, caches, loggers
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  saescript doctor\n  saescript doctor --json | jq .cuda")]
struct DoctorArguments {
    /// Write one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Runs the command that `arguments` (the program's name first) ask for; the exit code.
///
/// # Errors
/// Whatever the command could not do. Errors in the command line itself are printed with the usage, as code 2.
pub fn run(arguments: impl IntoIterator<Item = OsString>, printer: &Printer) -> Result<u8> {
    match CommandLine::try_parse_from(arguments) {
        Ok(line) => {
            runtime::start();
            line.command.run()
        }
        Err(error) => usage(&error, printer),
    }
}

impl Command {
    fn run(self) -> Result<u8> {
        match self {
            Command::Doctor(arguments) => doctor::run(arguments.json).map(|()| 0),
        }
    }
}

/// Help and version go to standard output; mistakes to standard error, with advice for the likeliest one.
fn usage(error: &clap::Error, printer: &Printer) -> Result<u8> {
    if let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(given))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
        && (given.ends_with(".rhai") || Path::new(given).is_file())
    {
        return Err(Error::input(format!("`{given}` is not a command"))
            .hint(format!("to run it as a script, write `saescript run {given}`")));
    }
    let text = error.render().ansi().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            printer.text(&text);
            Ok(0)
        }
        _ => {
            printer.remark(text.trim_end());
            Ok(2)
        }
    }
}
