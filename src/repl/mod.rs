//! The interactive session.
//!
//! ```text
//! session    what is typed -> what is printed; an error leaves everything defined before as it is
//! commands   the table of `:help`, `:who` …
//! inspect    those that look at values, variables and devices
//! timing     those that measure
//! entries    those about entries and files of them
//! about      what is told of a value
//! outside    the pager and the editor
//! help       documentation of names, for `:help` and for `saescript doc`
//! editor     the prompt: several lines, history, colours, completion, hints
//! complete   what could stand at the cursor
//! receiver   of what type the thing before a dot is
//! signature  the parameters that are still to come of the call at the cursor
//! highlight  colours of the language
//! history    what was typed, kept across sessions
//! ```

mod about;
mod candidates;
mod commands;
mod complete;
mod editor;
mod entries;
pub mod help;
mod highlight;
mod history;
mod inspect;
mod outside;
mod receiver;
mod session;
mod signature;
mod timing;

use std::io::{BufRead, IsTerminal};
use std::path::Path;

use self::editor::{Editor, Typed};
use self::history::History;
use self::session::{Next, Session};
use crate::error::{Error, Fault, Result};
use crate::event::StopFlag;
use crate::report::Printer;
use crate::script::Host;

/// Where a session is, as the handling of signals has to know.
#[derive(Clone, Default)]
pub struct Presence {
    /// Set while the session waits for an entry.
    pub at_prompt: StopFlag,
    /// Asks the session to end once the entry that is running has ended.
    pub leave: StopFlag,
}

/// Runs a session until its end; the exit code. `script` is run first, in the session.
///
/// On a terminal there is a prompt. Otherwise standard input is read entry by entry, and the exit code is that of
/// the last entry that failed, or 130 if `presence` was told to leave.
///
/// # Errors
/// The terminal or standard input cannot be read. What goes wrong in an entry is printed, and the session goes on.
pub fn run(host: &mut Host, printer: &Printer, presence: &Presence, script: Option<&Path>) -> Result<u8> {
    let mut session = Session::new(host, printer.clone(), presence.at_prompt.clone())?;
    if let Some(script) = script
        && let Next::Quit(code) = session.load(script)
    {
        return Ok(code);
    }
    if presence.leave.is_set() {
        return Ok(Fault::Interrupted.exit_code());
    }
    if std::io::stdin().is_terminal() {
        let mut editor = Editor::new(&session, History::of_user(), presence.at_prompt.clone())?;
        prompt(&mut session, &mut editor, printer, presence)
    } else {
        piped(&mut session, std::io::stdin().lock(), presence)
    }
}

fn prompt(session: &mut Session, editor: &mut Editor, printer: &Printer, presence: &Presence) -> Result<u8> {
    printer.line(&format!(
        "saescript {} — :help lists what there is, Tab completes, :quit or Ctrl-D ends",
        env!("CARGO_PKG_VERSION")
    ));
    loop {
        if let Some(edited) = session.edited.take() {
            editor.remember(&edited);
        }
        let number = session.interactive.borrow().entries() + 1;
        match editor.read(number)? {
            Typed::Entry(text) => {
                if let Next::Quit(code) = session.enter(&text) {
                    return Ok(code);
                }
            }
            Typed::Interrupt => (),
            Typed::End => return Ok(0),
        }
        if presence.leave.is_set() {
            return Ok(Fault::Interrupted.exit_code());
        }
        if printer.reader_left() {
            return Ok(0);
        }
    }
}

fn piped(session: &mut Session, input: impl BufRead, presence: &Presence) -> Result<u8> {
    let mut entry = String::new();
    let mut lines = input.lines();
    let mut next = || {
        presence.at_prompt.set();
        let line = lines.next();
        presence.at_prompt.clear();
        line
    };
    while let Some(line) = next() {
        let line = line.map_err(|error| Error::io("read", "standard input", error))?;
        entry += &line;
        entry.push('\n');
        if session.is_incomplete(&entry) {
            continue;
        }
        if let Next::Quit(code) = session.enter(&std::mem::take(&mut entry)) {
            return Ok(code);
        }
        if presence.leave.is_set() {
            return Ok(Fault::Interrupted.exit_code());
        }
    }
    match session.enter(&entry) {
        Next::Quit(code) => Ok(code),
        Next::Continue => Ok(session.exit_code()),
    }
}
