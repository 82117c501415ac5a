//! The command line: argv to one call below. Each command is one file; none prints past the [`Printer`].

mod again;
mod check;
mod convert;
mod doc;
pub mod doctor;
mod eval;
mod generate;
mod interrupt;
mod repl;
mod run;
mod stack;
mod train;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, Subcommand, ValueEnum};

pub use self::stack::on_large_stack;
use crate::config::Document;
use crate::error::{Error, Result};
use crate::event::{RunContext, StopFlag};
use crate::fingerprint::Allowances;
use crate::memory;
use crate::report::{Printer, Progress, visible};
use crate::script::Host;
use crate::tensor::runtime::{self, CudaLibrary};

/// Train, study and compare sparse autoencoders from scripts.
#[derive(Debug, Parser)]
#[command(
    name = "saescript",
    version,
    max_term_width = 100,
    after_help = "Examples:
  saescript run examples/quickstart.rhai
  saescript train examples/train.toml
  saescript generate examples/generate.toml
  saescript repl
  saescript doc SAEConfig

`saescript COMMAND --help` says more about each command."
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    /// Use at most so much memory, e.g. 8GB or 500MB, and end what would need more with an error; 90% of what the
    /// machine or its control group has by default
    #[arg(long, global = true, value_name = "SIZE", value_parser = memory::parse_size)]
    max_memory: Option<u64>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Arguments),
    Train(train::Arguments),
    Generate(generate::Arguments),
    Eval(eval::Arguments),
    Convert(convert::Arguments),
    Repl(repl::Arguments),
    Check(check::Arguments),
    Doc(doc::Arguments),
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

/// With which libtorch's generator starts, until somebody seeds it.
const DEFAULT_SEED: i64 = 0;

/// How progress is shown, for commands that work long.
#[derive(Debug, clap::Args)]
struct ProgressArguments {
    /// How to show progress, on standard error: a bar on terminals and plain lines elsewhere (auto), or one JSON
    /// object a line for every event
    #[arg(long, value_name = "HOW", default_value = "auto")]
    progress: ProgressChoice,
    /// Show warnings and errors only
    #[arg(short, long, conflicts_with = "progress")]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProgressChoice {
    Auto,
    Bar,
    Lines,
    Json,
}

impl ProgressArguments {
    /// A host that reports as asked, and the flag that stops what runs in it.
    fn host(&self, printer: &Printer) -> Result<(Host, StopFlag)> {
        let context = self.context(printer);
        let stop = context.stop.clone();
        let output = printer.clone();
        let host = Host::builder()
            .context(context)
            .output(move |line| output.line(line))
            .build()?;
        Ok((host, stop))
    }

    /// Reports as asked.
    fn context(&self, printer: &Printer) -> RunContext {
        let progress = match self.progress {
            _ if self.quiet => Progress::Quiet,
            ProgressChoice::Auto => Progress::auto(),
            ProgressChoice::Bar => Progress::Bar,
            ProgressChoice::Lines => Progress::Lines,
            ProgressChoice::Json => Progress::Json,
        };
        let context = RunContext::default();
        context.events.add(progress.observer(printer));
        printer.stop_when_reader_leaves(context.stop.clone());
        context
    }
}

/// A configuration file and changes to it.
#[derive(Debug, clap::Args)]
struct ConfigArguments {
    /// The configuration: a .toml, .json or .yaml file
    config: PathBuf,
    /// Change a setting, e.g. `trainer.lr=3e-4` or `trainer.amp_dtype=null`; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl ConfigArguments {
    /// The file with the changes applied.
    fn read(&self) -> Result<Document> {
        let mut document = Document::read(&self.config)?;
        for change in &self.set {
            document.set(change)?;
        }
        Ok(document)
    }
}

/// What may have changed since the work was begun.
#[derive(Debug, clap::Args)]
struct AllowanceArguments {
    /// Go on although this setting, e.g. `trainer.lr`, is not what the work was begun with; may be given several times
    #[arg(long, value_name = "KEY")]
    allow_change: Vec<String>,
}

impl AllowanceArguments {
    fn get(&self) -> Allowances {
        Allowances::new(self.allow_change.iter().cloned())
    }
}

/// Runs the command that `arguments` (the program's name first) ask for; the exit code.
///
/// # Errors
/// Whatever the command could not do. Errors in the command line itself are printed with the usage, as code 2.
pub fn run(arguments: impl IntoIterator<Item = OsString>, printer: &Printer) -> Result<u8> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    match CommandLine::try_parse_from(&arguments) {
        Ok(line) => {
            interrupt::outlive_full_files();
            let cuda = runtime::start();
            if let Some(bytes) = line.max_memory {
                memory::set_limit(bytes);
            }
            if *cuda != CudaLibrary::Loaded {
                memory::set_backstop();
            }
            // libtorch seeds its generator differently in every process; runs shall be repeatable.
            tch::manual_seed(DEFAULT_SEED);
            line.command.run(printer)
        }
        Err(error) => usage(&error, &arguments, printer),
    }
}

impl Command {
    fn run(self, printer: &Printer) -> Result<u8> {
        match self {
            Command::Run(arguments) => run::run(&arguments, printer),
            Command::Train(arguments) => train::run(&arguments, printer),
            Command::Generate(arguments) => generate::run(&arguments, printer),
            Command::Eval(arguments) => eval::run(&arguments, printer),
            Command::Convert(arguments) => convert::run(&arguments, printer),
            Command::Repl(arguments) => repl::run(&arguments, printer),
            Command::Check(arguments) => check::run(&arguments, printer),
            Command::Doc(arguments) => doc::run(&arguments, printer),
            Command::Doctor(arguments) => doctor::run(arguments.json).map(|()| 0),
        }
    }
}

/// Help and version go to standard output; mistakes to standard error, with advice for the likeliest one.
fn usage(error: &clap::Error, arguments: &[OsString], printer: &Printer) -> Result<u8> {
    if let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(given))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
        && (given.ends_with(".rhai") || Path::new(given).is_file())
    {
        return Err(Error::input(format!("`{given}` is not a command"))
            .hint(format!("to run it as a script, write `saescript run {given}`")));
    }
    let is_plain = |argument: &OsString| {
        let text = argument.to_string_lossy();
        visible(&text) == text
    };
    // Arguments are quoted in the message, where colours could not be told from escape sequences in them.
    let text = if arguments.iter().all(is_plain) {
        error.render().ansi().to_string()
    } else {
        visible(&error.render().to_string()).into_owned()
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            printer.styled(&text);
            Ok(0)
        }
        _ => {
            printer.styled_remark(text.trim_end());
            Ok(2)
        }
    }
}
