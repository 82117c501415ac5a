//! What is typed → what is printed.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use crate::error::{Error, Fault, Result};
use crate::event::StopFlag;
use crate::report::plot::Plot;
use crate::report::{Printer, format};
use crate::script::docs::Catalog;
use crate::script::rhai::Dynamic;
use crate::script::{Host, Interactive, Outcome};

/// Whether the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask for the next entry.
    Continue,
    /// End with this exit code.
    Quit(u8),
}

/// An entry that succeeded.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its number, as errors name it.
    pub(super) number: usize,
    pub(super) text: String,
    /// Did it have a value, which later entries may name `_` and `_3`?
    pub(super) has_result: bool,
}

/// One session: the interpreter's state and what was entered so far.
pub(super) struct Session<'host> {
    /// Shared with the editor, which completes and checks what is being typed.
    pub(super) interactive: Rc<RefCell<Interactive<'host>>>,
    pub(super) catalog: Rc<Catalog>,
    pub(super) printer: Printer,
    /// Entries that succeeded, for `:save`.
    pub(super) entries: Vec<Entry>,
    /// The newest entry, whether it succeeded or not, for `:edit`.
    pub(super) newest: String,
    /// What an editor made, to be remembered with what was typed.
    pub(super) edited: Option<String>,
    /// Set while another program has the terminal, as at the prompt.
    pub(super) waiting: StopFlag,
    /// Exit code of the last entry that failed.
    failed: Option<u8>,
}

impl<'host> Session<'host> {
    /// Returns a session without variables.
    ///
    /// While another program has the terminal, `waiting` is set.
    pub(super) fn new(host: &'host mut Host, printer: Printer, waiting: StopFlag) -> Result<Self> {
        let catalog = Rc::new(host.catalog()?);
        Ok(Session {
            interactive: Rc::new(RefCell::new(host.interactive())),
            catalog,
            printer,
            entries: Vec::new(),
            newest: String::new(),
            edited: None,
            waiting,
            failed: None,
        })
    }

    /// Runs the script at `path` in the session, printing errors.
    pub(super) fn load(&mut self, path: &Path) -> Next {
        match self.run_script(path) {
            Ok(next) => next,
            Err(error) => self.report(&error),
        }
    }

    /// Runs the script at `path` in the session.
    ///
    /// # Errors
    /// The file cannot be read, or whatever the script did not catch.
    pub(super) fn run_script(&mut self, path: &Path) -> Result<Next> {
        let outcome = self.interactive.borrow_mut().load(path)?;
        let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
        self.keep(text.trim_end(), &outcome);
        Ok(quit_if_asked(&outcome))
    }

    /// Evaluates `text` and shows its value unless that is `()`.
    ///
    /// # Errors
    /// Whatever `text` did not catch.
    pub(super) fn evaluate(&mut self, text: &str) -> Result<Next> {
        let outcome = self.interactive.borrow_mut().enter(text)?;
        self.keep(text, &outcome);
        if let Outcome::Finished(value) = &outcome
            && !value.is_unit()
        {
            self.print(value);
            self.interactive.borrow_mut().keep_result(value.clone());
        }
        Ok(quit_if_asked(&outcome))
    }

    fn keep(&mut self, text: &str, outcome: &Outcome) {
        self.entries.push(Entry {
            number: self.interactive.borrow().entries(),
            text: text.to_string(),
            has_result: matches!(outcome, Outcome::Finished(value) if !value.is_unit()),
        });
    }

    /// Prints a value; of one with more lines than the terminal those that fit.
    fn print(&self, value: &Dynamic) {
        if let Some(plot) = value.read_lock::<Plot>() {
            return self.printer.styled(&format!("{}\n", plot.coloured));
        }
        let shown = self.interactive.borrow().show(value, self.printer.width());
        let lines = shown.lines().count();
        // The line that says so, the next prompt and what was typed are to be seen as well.
        let most = self
            .printer
            .height()
            .map_or(lines, |height| height.saturating_sub(4).max(10));
        if lines <= most {
            return self.printer.line(&shown);
        }
        let beginning: Vec<&str> = shown.lines().take(most).collect();
        self.printer.line(&beginning.join("\n"));
        let rest = format::amount((lines - most) as u64, None, "more lines");
        self.printer.line(&format!("… {rest}: `:page` shows them all"));
    }

    /// Evaluates `text` without showing or recording it.
    ///
    /// # Errors
    /// Whatever `text` did not catch.
    pub(super) fn evaluate_silently(&mut self, text: &str) -> Result<Outcome> {
        self.interactive.borrow_mut().enter(text)
    }

    /// Returns whether `text` goes on in the next line.
    pub(super) fn is_incomplete(&self, text: &str) -> bool {
        is_incomplete(&self.interactive.borrow(), text)
    }

    /// Returns 0, or the exit code of the last entry that failed.
    pub(super) fn exit_code(&self) -> u8 {
        self.failed.unwrap_or(0)
    }

    /// Prints what went wrong.
    pub(super) fn report(&mut self, error: &Error) -> Next {
        self.failed = Some(error.fault().exit_code());
        match error.fault() {
            // Whoever pressed Ctrl-C knows where.
            Fault::Interrupted => self.printer.remark(&error.headline()),
            Fault::Input | Fault::Run => self.printer.error(error),
        }
        Next::Continue
    }
}

/// Returns whether `text` goes on in the next line. Commands never do, and two empty lines end whatever was begun.
pub(super) fn is_incomplete(interactive: &Interactive, text: &str) -> bool {
    let given_up = text.ends_with("\n\n") || text.ends_with("\n\n\n");
    // `x??` asks for help as `x?` does, and is no `??` between two values.
    let asks = !text.contains('\n') && text.trim_end().ends_with('?');
    !text.trim_start().starts_with(':') && !asks && !given_up && interactive.is_incomplete(text)
}

fn quit_if_asked(outcome: &Outcome) -> Next {
    match outcome {
        Outcome::Finished(_) => Next::Continue,
        Outcome::Exited(code) => Next::Quit(*code),
    }
}
