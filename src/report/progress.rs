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
pub enum ProgressDisplay {
    /// A bar that is redrawn in place, with logged metrics above it.
    Bar,
    /// Plain lines, few enough for a log file.
    Lines,
    /// One JSON object a line for every event.
    Json,
    /// Warnings only.
    Quiet,
}

impl ProgressDisplay {
    /// A bar on a terminal that can redraw lines, plain lines elsewhere.
    pub fn auto() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
        if std::io::stderr().is_terminal() && !dumb {
            ProgressDisplay::Bar
        } else {
            ProgressDisplay::Lines
        }
    }

    /// Returns the observer that shows it.
    pub fn observer(self, printer: &Printer) -> Box<dyn Observer> {
        match self {
            // Nothing can be redrawn in a file.
            ProgressDisplay::Bar if !std::io::stderr().is_terminal() => {
                ProgressDisplay::Lines.observer(printer)
            }
            ProgressDisplay::Bar => Box::new(Bar::new(printer.clone())),
            ProgressDisplay::Lines => Box::new(Lines::new(printer.clone())),
            ProgressDisplay::Json => Box::new(Json::new(printer.clone())),
            ProgressDisplay::Quiet => Box::new(Quiet(printer.clone())),
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
