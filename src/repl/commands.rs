//! The table of commands, which begin with a colon.

use std::path::Path;
use std::time::Instant;

use super::help;
use super::session::{Next, Session};
use crate::atomic;
use crate::error::{Error, Result};
use crate::report::{Table, format};
use crate::script::Outcome;

/// What a command takes after its name, which decides how it is completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// Nothing.
    None,
    /// A name in the documentation, if any.
    Topic,
    /// An expression.
    Expression,
    /// A file.
    File,
}

impl Argument {
    fn written(self) -> &'static str {
        match self {
            Argument::None => "",
            Argument::Topic => " [NAME]",
            Argument::Expression => " EXPR",
            Argument::File => " FILE",
        }
    }
}

/// One command.
pub(super) struct Command {
    /// Its name without the colon. Any beginning that fits no other command will do.
    pub(super) name: &'static str,
    /// What stands after it.
    pub(super) argument: Argument,
    /// What it does, in one line.
    pub(super) help: &'static str,
    run: fn(&mut Session, &str) -> Result<Next>,
}

/// Every command.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "help",
        argument: Argument::Topic,
        help: "what there is, or how to use NAME",
        run: show_help,
    },
    Command {
        name: "type",
        argument: Argument::Expression,
        help: "the type of a value",
        run: show_type,
    },
    Command {
        name: "vars",
        argument: Argument::None,
        help: "variables and functions of this session",
        run: show_variables,
    },
    Command {
        name: "time",
        argument: Argument::Expression,
        help: "how long it takes",
        run: time,
    },
    Command {
        name: "load",
        argument: Argument::File,
        help: "run a script in this session",
        run: load,
    },
    Command {
        name: "save",
        argument: Argument::File,
        help: "write what was entered so far as a script",
        run: save,
    },
    Command {
        name: "reset",
        argument: Argument::None,
        help: "forget all variables, functions and imports",
        run: reset,
    },
    Command {
        name: "quit",
        argument: Argument::None,
        help: "end the session (also Ctrl-D)",
        run: |_, _| Ok(Next::Quit(0)),
    },
];

/// Returns the command whose name begins with `word`, if it is the only one.
pub(super) fn find(word: &str) -> Option<&'static Command> {
    let mut fitting = COMMANDS
        .iter()
        .filter(|command| !word.is_empty() && command.name.starts_with(word));
    let first = fitting.next()?;
    fitting.next().is_none().then_some(first)
}

impl Session<'_> {
    /// Evaluates an entry or obeys a command, and prints what comes of it.
    pub(super) fn enter(&mut self, text: &str) -> Next {
        let text = text.trim();
        let result = match text.strip_prefix(':').or_else(|| self.bare_command(text)) {
            _ if text.is_empty() => Ok(Next::Continue),
            Some(command) => obey(self, command),
            None => self.evaluate(text),
        };
        result.unwrap_or_else(|error| self.report(&error))
    }

    /// `help`, `quit` and `exit` alone mean the commands, unless they are variables.
    fn bare_command<'t>(&self, text: &'t str) -> Option<&'t str> {
        let is_word = ["help", "quit", "exit"].contains(&text);
        let is_variable = || self.interactive.borrow().type_of(text).is_some();
        (is_word && !is_variable()).then_some(text)
    }
}

/// Carries out a line without its colon.
fn obey(session: &mut Session, line: &str) -> Result<Next> {
    let (word, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let word = if word == "exit" { "quit" } else { word };
    let argument = argument.trim();
    let Some(command) = find(word) else {
        let names: Vec<String> = COMMANDS
            .iter()
            .map(|command| format!(":{}", command.name))
            .collect();
        return Err(Error::unknown("command", &format!(":{word}"), &names));
    };
    let usage = || format!("write `:{}{}`", command.name, command.argument.written());
    match command.argument {
        Argument::None if !argument.is_empty() => {
            Err(Error::input(format!("`:{}` takes no argument", command.name)).hint(usage()))
        }
        Argument::Expression | Argument::File if argument.is_empty() => {
            Err(Error::input(format!("`:{}` needs an argument", command.name)).hint(usage()))
        }
        _ => (command.run)(session, argument),
    }
}

fn show_help(session: &mut Session, topic: &str) -> Result<Next> {
    let text = match topic.strip_prefix(':').map_or(topic, |_| "") {
        "" => format!(
            "{}\n\n{}",
            commands_help(),
            help::overview(&session.catalog, session.printer.width())
        ),
        name => help::topic_or_module(
            session.interactive.borrow().host(),
            &session.catalog,
            name,
            session.printer.width(),
        )?,
    };
    session.printer.styled(&(text + "\n"));
    Ok(Next::Continue)
}

/// One line for each command.
fn commands_help() -> String {
    let lines = COMMANDS.iter().map(|command| {
        let written = format!(":{}{}", command.name, command.argument.written());
        format!("  {written:<14} {}", command.help)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn show_type(session: &mut Session, expression: &str) -> Result<Next> {
    if let Outcome::Finished(value) = session.evaluate_silently(expression)? {
        let kind = session.interactive.borrow().type_name(&value);
        session.printer.line(&kind);
    }
    Ok(Next::Continue)
}

fn time(session: &mut Session, expression: &str) -> Result<Next> {
    let start = Instant::now();
    let next = session.evaluate(expression)?;
    let took = start.elapsed();
    session.printer.line(&match took.as_millis() {
        0..1_000 => format!("took {:.3} ms", took.as_secs_f64() * 1e3),
        _ => format!("took {}", format::duration(took)),
    });
    Ok(next)
}

fn show_variables(session: &mut Session, _: &str) -> Result<Next> {
    let interactive = session.interactive.borrow();
    let mut variables = interactive.variables();
    variables.retain(|(name, _, _)| !["ARGS", "SCRIPT_DIR", "SCRIPT_PATH"].contains(&name.as_str()));
    variables.reverse();
    let functions = interactive.functions();
    if variables.is_empty() && functions.is_empty() {
        session.printer.line("nothing is defined yet");
        return Ok(Next::Continue);
    }
    if !variables.is_empty() {
        let mut table = Table::new(["name", "type", "value"]);
        for (name, kind, value) in &variables {
            table.row([name.clone(), kind.clone(), shortened(&interactive.show(value))]);
        }
        session.printer.line(&table.render(None));
    }
    for function in functions {
        session.printer.line(&format!(" fn {function}"));
    }
    Ok(Next::Continue)
}

/// The first line of a value, cut where it gets long.
fn shortened(text: &str) -> String {
    const WIDTH: usize = 60;
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let cut: String = first.chars().take(WIDTH).collect();
    if cut.len() < first.len() || lines.next().is_some() {
        format!("{cut} …")
    } else {
        cut
    }
}

fn load(session: &mut Session, file: &str) -> Result<Next> {
    session.run_script(&path(file))
}

fn save(session: &mut Session, file: &str) -> Result<Next> {
    let path = path(file);
    let mut text = String::new();
    for entry in &session.entries {
        text += entry;
        if !entry.ends_with([';', '}']) {
            text.push(';');
        }
        text.push('\n');
    }
    atomic::write(&path, text)?;
    session.printer.line(&format!(
        "saved {} to {}",
        format::amount(session.entries.len() as u64, None, "entries"),
        path.display()
    ));
    Ok(Next::Continue)
}

fn reset(session: &mut Session, _: &str) -> Result<Next> {
    session.interactive.borrow_mut().reset();
    session.entries.clear();
    session.printer.line("forgot everything that was defined");
    Ok(Next::Continue)
}

/// Quotes around a file name are not part of it; a `~` at its start is the home folder.
fn path(file: &str) -> std::path::PathBuf {
    let bare = file.trim_matches('"');
    match (bare.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => Path::new(bare).to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_by_their_beginning() {
        assert_eq!(find("help").map(|command| command.name), Some("help"));
        assert_eq!(find("q").map(|command| command.name), Some("quit"));
        assert!(find("t").is_none(), "type or time");
        assert!(find("").is_none());
        assert!(find("helpp").is_none());
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(shortened("5"), "5");
        assert_eq!(shortened("a\nb"), "a …");
        assert_eq!(shortened(&"é".repeat(80)), format!("{} …", "é".repeat(60)));
    }
}
