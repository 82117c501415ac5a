//! The prompt: several lines, history, colours, completion and hints.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use anstyle::{AnsiColor, Style};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter, HistoryHinter};
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{ColorMode, CompletionType, Config, Context, Helper};

use super::complete::complete;
use super::highlight::highlight;
use super::history::{History, MOST_ENTRIES};
use super::session::{Session, is_incomplete};
use super::signature;
use crate::error::{Error, Result};
use crate::event::StopFlag;
use crate::script::Interactive;
use crate::script::docs::{Catalog, Kind};

const PROMPT: &str = "> ";

/// What came from the prompt.
pub(super) enum Typed {
    /// An entry of one or several lines.
    Entry(String),
    /// Ctrl-C: what was being typed is forgotten.
    Interrupt,
    /// Ctrl-D.
    End,
}

/// Reads entries from a terminal.
pub(super) struct Editor<'host> {
    line: rustyline::Editor<Assistant<'host>, FileHistory>,
    history: History,
    waiting: StopFlag,
    printer: crate::report::Printer,
    /// Begins and ends the prompt's colour.
    colour: (String, String),
}

impl<'host> Editor<'host> {
    /// Returns an editor that knows what `session` defines. While it waits for input, `waiting` is set: a signal that
    /// asks the program to end then ends it at once, for there is nothing to finish first.
    pub(super) fn new(session: &Session<'host>, history: History, waiting: StopFlag) -> Result<Self> {
        let coloured = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
        let config = Config::builder()
            .max_history_size(MOST_ENTRIES)
            .and_then(|builder| builder.history_ignore_dups(true))
            .map_err(|error| terminal(&error))?
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .color_mode(if coloured {
                ColorMode::Enabled
            } else {
                ColorMode::Disabled
            })
            .build();
        let mut line =
            rustyline::Editor::with_history(config, history.read()).map_err(|error| terminal(&error))?;
        line.set_helper(Some(Assistant {
            interactive: session.interactive.clone(),
            catalog: session.catalog.clone(),
            earlier: HistoryHinter::new(),
        }));
        let style = AnsiColor::Cyan.on_default().bold();
        Ok(Editor {
            line,
            history,
            waiting,
            printer: session.printer.clone(),
            colour: if coloured {
                (style.to_string(), format!("{style:#}"))
            } else {
                Default::default()
            },
        })
    }

    /// Waits for the entry of this number, by which its result is named.
    ///
    /// # Errors
    /// The terminal cannot be read.
    pub(super) fn read(&mut self, number: usize) -> Result<Typed> {
        self.waiting.set();
        let prompts = (
            format!("{number}{PROMPT}"),
            format!("{}{number}{PROMPT}{}", self.colour.0, self.colour.1),
        );
        let typed = self.line.readline(&(prompts.0.as_str(), prompts.1.as_str()));
        self.waiting.clear();
        match typed {
            Ok(text) => {
                self.remember(&text);
                Ok(Typed::Entry(text))
            }
            Err(ReadlineError::Interrupted) => Ok(Typed::Interrupt),
            Err(ReadlineError::Eof) => Ok(Typed::End),
            Err(error) => Err(terminal(&error)),
        }
    }

    /// A history that cannot be written is worth one warning; the session goes on without.
    pub(super) fn remember(&mut self, text: &str) {
        let entry = text.trim_end();
        if entry.is_empty() {
            return;
        }
        let added = self.line.add_history_entry(entry);
        if matches!(added, Ok(true))
            && let Err(error) = self.history.add(entry)
        {
            self.printer.remark(&format!("warning: {}", error.headline()));
            self.history = History::nowhere();
        }
    }
}

fn terminal(error: &ReadlineError) -> Error {
    Error::run(format!("cannot read from the terminal: {error}"))
}

/// What helps while typing.
struct Assistant<'host> {
    interactive: Rc<RefCell<Interactive<'host>>>,
    catalog: Rc<Catalog>,
    earlier: HistoryHinter,
}

impl Helper for Assistant<'_> {}

impl Completer for Assistant<'_> {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(complete(&line[..at], &self.interactive.borrow(), &self.catalog))
    }
}

impl Validator for Assistant<'_> {
    fn validate(&self, context: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        Ok(if is_incomplete(&self.interactive.borrow(), context.input()) {
            ValidationResult::Incomplete
        } else {
            ValidationResult::Valid(None)
        })
    }
}

impl Highlighter for Assistant<'_> {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if line.trim_start().starts_with(':') {
            return Cow::Borrowed(line);
        }
        let is_known = |name: &str| {
            let provided = |kind| matches!(kind, Kind::Module | Kind::Type | Kind::Constructor);
            self.catalog
                .find(name)
                .iter()
                .any(|entry| entry.owner.is_none() && provided(entry.kind))
        };
        Cow::Owned(highlight(line, is_known))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        let dim = Style::new().dimmed();
        Cow::Owned(format!("{dim}{hint}{dim:#}"))
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor
    }
}

/// A grey text after the cursor: parameters of the function just called, or how an earlier entry went on.
enum Suggestion {
    /// Only to be read.
    Parameters(String),
    /// Taken over with the right arrow.
    Earlier(String),
}

impl Hint for Suggestion {
    fn display(&self) -> &str {
        match self {
            Suggestion::Parameters(text) | Suggestion::Earlier(text) => text,
        }
    }

    fn completion(&self) -> Option<&str> {
        match self {
            Suggestion::Parameters(_) => None,
            Suggestion::Earlier(text) => Some(text),
        }
    }
}

impl Hinter for Assistant<'_> {
    type Hint = Suggestion;

    fn hint(&self, line: &str, at: usize, context: &Context<'_>) -> Option<Suggestion> {
        if at < line.len() {
            return None;
        }
        let earlier = || {
            let hint = self.earlier.hint(line, at, context)?;
            // What went on over several lines would push the prompt about.
            (!hint.contains('\n')).then_some(Suggestion::Earlier(hint))
        };
        let parameters = signature::remaining(line, &self.interactive.borrow(), &self.catalog);
        parameters.map(Suggestion::Parameters).or_else(earlier)
    }
}
