//! `--prompt`: a person is asked before something is refused.

use std::fs::File;
use std::io::{BufRead, BufReader};

use crate::policy::{Access, Answer, Holder, Prompt};
use crate::report::{Printer, visible};

/// Returns what asks on the terminal. What is no answer, or cannot be read, is a no.
pub(super) fn asker(printer: Printer) -> Box<Prompt> {
    Box::new(move |access: Access, what: &str, holder: &Holder| {
        let (who, what) = (holder.name(), visible(what));
        let verb = access.verb();
        printer.remark(&format!(
            "{who} wants to {verb} `{what}`; allow it? y: this once, a: from now on, n: no"
        ));
        answer().unwrap_or(Answer::Never)
    })
}

/// Reads a line from the terminal, wherever standard input comes from.
fn answer() -> Option<Answer> {
    let mut line = String::new();
    BufReader::new(File::open("/dev/tty").ok()?)
        .read_line(&mut line)
        .ok()?;
    match line.trim() {
        "y" | "Y" | "yes" => Some(Answer::Once),
        "a" | "A" | "always" => Some(Answer::Always),
        _ => Some(Answer::Never),
    }
}
