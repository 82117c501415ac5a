//! Other programs that a session hands the terminal to: a pager for long texts, an editor for entries.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::event::StopFlag;
use crate::report::Printer;

/// Shows `text`, which may have colours: through `$PAGER` (`less` by default) where it has more lines than the terminal,
/// at once elsewhere, and where the pager cannot be started. While it runs, `waiting` is set.
pub(super) fn page(text: &str, printer: &Printer, waiting: &StopFlag) {
    let is_long = printer
        .height()
        .is_some_and(|height| text.lines().count() >= height);
    if !(is_long && std::io::stdin().is_terminal() && through_pager(text, waiting)) {
        printer.styled(&format!("{}\n", text.trim_end_matches('\n')));
    }
}

/// Returns whether a pager showed the text.
fn through_pager(text: &str, waiting: &StopFlag) -> bool {
    let pager = std::env::var("PAGER").unwrap_or_else(|_| "less".into());
    let Some(mut command) = command_of(&pager) else {
        return false;
    };
    if std::env::var_os("LESS").is_none() {
        // Colours as they are, an end where all fits, and what was shown stays on the screen.
        command.env("LESS", "RFX");
    }
    let Ok(mut child) = command.stdin(Stdio::piped()).spawn() else {
        return false;
    };
    waiting.set();
    let coloured = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    let shown = if coloured {
        text.to_string()
    } else {
        anstream::adapter::strip_str(text).to_string()
    };
    if let Some(mut stdin) = child.stdin.take() {
        // Whoever leaves the pager early has seen enough.
        let _ = stdin.write_all(shown.as_bytes());
    }
    let ended = child.wait();
    waiting.clear();
    ended.is_ok()
}

/// Opens the file at `path` in `$VISUAL` or `$EDITOR` (`vi` by default), and comes back when the editor has ended.
///
/// # Errors
/// The editor cannot be started, or says that it failed.
pub(super) fn edit(path: &Path, waiting: &StopFlag) -> Result<()> {
    let named = ["VISUAL", "EDITOR"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok());
    let editor = named.into_iter().find(|name| !name.trim().is_empty());
    let editor = editor.unwrap_or_else(|| "vi".into());
    let advice = "set EDITOR to the editor that you use, e.g. `EDITOR=nano saescript repl`";
    let failed = |what: String| Error::run(format!("the editor `{editor}` {what}")).hint(advice);
    let mut command = command_of(&editor).ok_or_else(|| failed("is no command".into()))?;
    waiting.set();
    let ended = command.arg(path).status();
    waiting.clear();
    match ended {
        Err(error) => Err(failed(format!("cannot be started: {error}"))),
        Ok(status) if !status.success() => Err(failed(format!("failed: {status}"))),
        Ok(_) => Ok(()),
    }
}

/// `less -R` → the program with its arguments.
fn command_of(text: &str) -> Option<Command> {
    let mut words = text.split_whitespace();
    let mut command = Command::new(words.next()?);
    command.args(words);
    Some(command)
}
