//! Which observer suits the place where the program runs.

use std::io::IsTerminal;

use super::bar::Bar;
use super::json::Json;
use super::lines::Lines;
use super::printer::Printer;
use super::words::warning;
use crate::error::Result;
use crate::event::{Control, Event, Observer};

/// How work that takes long is shown, always on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A bar that is redrawn in place, with logged metrics above it.
    Bar,
    /// Plain lines, few enough for a log file.
    Lines,
    /// One JSON object a line for every event.
    Json,
    /// Warnings only.
    Quiet,
}

impl Progress {
    /// A bar on a terminal that can redraw lines, plain lines elsewhere.
    pub fn auto() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
        if std::io::stderr().is_terminal() && !dumb {
            Progress::Bar
        } else {
            Progress::Lines
        }
    }

    /// The observer that shows it.
    pub fn observer(self, printer: &Printer) -> Box<dyn Observer> {
        match self {
            // Nothing can be redrawn in a file.
            Progress::Bar if !std::io::stderr().is_terminal() => Progress::Lines.observer(printer),
            Progress::Bar => Box::new(Bar::new(printer.clone())),
            Progress::Lines => Box::new(Lines::new(printer.clone())),
            Progress::Json => Box::new(Json::new(printer.clone())),
            Progress::Quiet => Box::new(Quiet(printer.clone())),
        }
    }
}

/// Warnings only.
struct Quiet(Printer);

impl Observer for Quiet {
    fn on(&mut self, event: &Event) -> Result<Control> {
        if let Event::Warning(text) = event {
            self.0.styled_remark(&warning(text));
        }
        Ok(Control::Continue)
    }
}
