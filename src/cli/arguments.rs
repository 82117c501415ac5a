//! Arguments that several commands take.

use std::path::PathBuf;

use clap::ValueEnum;

use super::interrupt;
use crate::config::Document;
use crate::error::Result;
use crate::event::{RunContext, StopFlag};
use crate::fingerprint::Allowances;
use crate::report::{Printer, ProgressDisplay};
use crate::script::{Host, HostBuilder};

/// How progress is shown, for commands that work long.
#[derive(Debug, clap::Args)]
pub(super) struct ProgressArguments {
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
    /// What makes a host that reports as asked, and the flag that stops what runs in it.
    pub(super) fn host(&self, printer: &Printer) -> (HostBuilder, StopFlag) {
        let context = self.context(printer);
        let stop = context.stop.clone();
        let output = printer.clone();
        let host = Host::builder()
            .context(context)
            .output(move |line| output.line(line));
        (host, stop)
    }

    /// Reports as asked, and stops what runs when the user interrupts it.
    pub(super) fn interruptible(&self, printer: &Printer) -> Result<RunContext> {
        let context = self.context(printer);
        interrupt::install(context.stop.clone(), printer.clone())?;
        Ok(context)
    }

    /// Reports as asked.
    pub(super) fn context(&self, printer: &Printer) -> RunContext {
        let progress = match self.progress {
            _ if self.quiet => ProgressDisplay::Quiet,
            ProgressChoice::Auto => ProgressDisplay::auto(),
            ProgressChoice::Bar => ProgressDisplay::Bar,
            ProgressChoice::Lines => ProgressDisplay::Lines,
            ProgressChoice::Json => ProgressDisplay::Json,
        };
        let context = RunContext::default();
        context.events.add(progress.observer(printer));
        printer.stop_when_reader_leaves(context.stop.clone());
        context
    }
}

/// A configuration file and changes to it.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigArguments {
    /// The configuration: a .toml, .json or .yaml file
    pub config: PathBuf,
    /// Change a setting, e.g. `trainer.lr=3e-4` or `trainer.amp_dtype=null`; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl ConfigArguments {
    /// The file with the changes applied.
    pub(super) fn read(&self) -> Result<Document> {
        let mut document = Document::read(&self.config)?;
        for change in &self.set {
            document.set(change)?;
        }
        Ok(document)
    }
}

/// What may have changed since the work was begun.
#[derive(Debug, clap::Args)]
pub(super) struct AllowanceArguments {
    /// Go on although this setting, e.g. `trainer.lr`, is not what the work was begun with; may be given several times
    #[arg(long, value_name = "KEY")]
    allow_change: Vec<String>,
}

impl AllowanceArguments {
    pub(super) fn get(&self) -> Allowances {
        Allowances::new(self.allow_change.iter().cloned())
    }
}
