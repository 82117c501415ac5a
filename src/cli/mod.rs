//! The command line: argv to one call below. Each command is one file; none prints past the [`Printer`].

mod add;
mod again;
mod analyze;
mod arguments;
mod ask;
mod check;
mod completions;
mod convert;
mod doc;
pub mod doctor;
mod eval;
mod export;
mod generate;
mod import;
mod interrupt;
mod libraries;
mod list;
mod logits;
mod new;
mod pack;
mod permissions;
mod publish;
mod remove;
mod repl;
mod run;
mod serve;
mod show;
mod stack;
mod test;
mod timeout;
mod train;
mod update;
mod vendor;
mod view;
mod viewer;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};

pub use self::stack::on_large_stack;
use crate::error::{Error, Fault, Result};
use crate::guard;
use crate::kernels::isa::Isa;
use crate::memory;
use crate::report::{Printer, visible};
use crate::tensor::runtime::{self, CudaLibrary};
use crate::tensor::{manual_seed, product};

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
    View(view::Arguments),
    Serve(serve::Arguments),
    Show(show::Arguments),
    Eval(eval::Arguments),
    Analyze(analyze::Arguments),
    Logits(logits::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
    Convert(convert::Arguments),
    Repl(repl::Arguments),
    Check(check::Arguments),
    Doc(doc::Arguments),
    Test(test::Arguments),
    New(new::Arguments),
    Add(add::Arguments),
    Remove(remove::Arguments),
    Update(update::Arguments),
    List(list::Arguments),
    Vendor(vendor::Arguments),
    Pack(pack::Arguments),
    Publish(publish::Arguments),
    Completions(completions::Arguments),
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

/// Runs the command that this process was given, and says how it ended: 0 all went well, 1 the run failed, 2 what was asked
/// for makes no sense, 130 it was interrupted; a script that calls `exit(n)` ends with n.
pub fn main(printer: &Printer) -> ExitCode {
    let work = || guard::caught("the program", || run(std::env::args_os(), printer));
    let ended = on_large_stack(work);
    let result = match (ended, printer.finish()) {
        // Whoever reads standard output has seen enough (`saescript run x.rhai | head`), or it took no more.
        (Err(error), written) if error.fault() == Fault::Interrupted && printer.reader_left() => {
            written.map(|()| 0)
        }
        (ended, written) => ended.and_then(|code| written.map(|()| code)),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            printer.error(&error);
            ExitCode::from(error.fault().exit_code())
        }
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
            manual_seed(DEFAULT_SEED);
            // A wrong name is said before any work, not by the first product or step.
            product::asked()?;
            Isa::asked()?;
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
            Command::View(arguments) => view::run(&arguments, printer),
            Command::Serve(arguments) => serve::run(&arguments, printer),
            Command::Show(arguments) => show::run(&arguments, printer),
            Command::Eval(arguments) => eval::run(&arguments, printer),
            Command::Analyze(arguments) => analyze::run(&arguments, printer),
            Command::Logits(arguments) => logits::run(&arguments, printer),
            Command::Export(arguments) => export::run(&arguments, printer),
            Command::Import(arguments) => import::run(&arguments, printer),
            Command::Convert(arguments) => convert::run(&arguments, printer),
            Command::Repl(arguments) => repl::run(&arguments, printer),
            Command::Check(arguments) => check::run(&arguments, printer),
            Command::Doc(arguments) => doc::run(&arguments, printer),
            Command::Test(arguments) => test::run(&arguments, printer),
            Command::New(arguments) => new::run(&arguments, printer),
            Command::Add(arguments) => add::run(&arguments, printer),
            Command::Remove(arguments) => remove::run(&arguments, printer),
            Command::Update(arguments) => update::run(&arguments, printer),
            Command::List(arguments) => list::run(&arguments, printer),
            Command::Vendor(arguments) => vendor::run(&arguments, printer),
            Command::Pack(arguments) => pack::run(&arguments, printer),
            Command::Publish(arguments) => publish::run(&arguments, printer),
            Command::Completions(arguments) => completions::run(&arguments, CommandLine::command(), printer),
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
