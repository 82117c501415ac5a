//! The table of commands, which begin with a colon.

use super::about::about;
use super::outside::page;
use super::session::{Next, Session};
use super::{entries, help, inspect, timing};
use crate::error::{Error, Result};

/// What a command takes after its name, which decides how it is completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// Nothing.
    None,
    /// A name in the documentation or a value, if any.
    Topic,
    /// An expression.
    Expression,
    /// An expression, if any.
    AnyExpression,
    /// A file.
    File,
    /// A file, if any.
    AnyFile,
    /// Part of a name, if any.
    Part,
}

impl Argument {
    fn written(self) -> &'static str {
        match self {
            Argument::None => "",
            Argument::Topic => " [NAME]",
            Argument::Expression => " EXPR",
            Argument::AnyExpression => " [EXPR]",
            Argument::File => " FILE",
            Argument::AnyFile => " [FILE]",
            Argument::Part => " [PART]",
        }
    }

    fn is_needed(self) -> bool {
        matches!(self, Argument::Expression | Argument::File)
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

const fn command(
    name: &'static str,
    argument: Argument,
    help: &'static str,
    run: fn(&mut Session, &str) -> Result<Next>,
) -> Command {
    Command {
        name,
        argument,
        help,
        run,
    }
}

/// Every command.
pub(super) const COMMANDS: &[Command] = &[
    command(
        "help",
        Argument::Topic,
        "what there is, or how to use a name or a value (also `NAME?`)",
        show_help,
    ),
    command(
        "type",
        Argument::Expression,
        "the type of a value; shape, dtype and device of a tensor",
        inspect::show_type,
    ),
    command(
        "who",
        Argument::Part,
        "variables and functions of this session",
        inspect::show_variables,
    ),
    command(
        "device",
        Argument::None,
        "CPU and GPUs, their memory, and which tensors are where",
        inspect::show_devices,
    ),
    command("time", Argument::Expression, "how long it takes", timing::time),
    command(
        "bench",
        Argument::Expression,
        "how long it takes, called many times",
        timing::bench,
    ),
    command(
        "page",
        Argument::AnyExpression,
        "a long value from its beginning (the last result)",
        inspect::page_value,
    ),
    command(
        "edit",
        Argument::AnyFile,
        "the last entry, or a file, in $EDITOR, then run it",
        entries::edit,
    ),
    command(
        "load",
        Argument::File,
        "run a script in this session",
        entries::load,
    ),
    command(
        "save",
        Argument::File,
        "write what was entered so far as a script",
        entries::save,
    ),
    command(
        "reset",
        Argument::None,
        "forget all variables, functions and imports",
        entries::reset,
    ),
    command("quit", Argument::None, "end the session (also Ctrl-D)", |_, _| {
        Ok(Next::Quit(0))
    }),
];

/// Other names under which people look for commands.
const ALSO: [(&str, &str); 4] = [
    ("exit", "quit"),
    ("vars", "who"),
    ("whos", "who"),
    ("timeit", "bench"),
];

/// Returns the command whose name begins with `word`, if it is the only one.
pub(super) fn find(word: &str) -> Option<&'static Command> {
    let word = ALSO
        .iter()
        .find(|(other, _)| *other == word)
        .map_or(word, |(_, name)| name);
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
        if text.is_empty() {
            return Next::Continue;
        }
        let result = match text.strip_prefix(':').or_else(|| self.bare_command(text)) {
            Some(command) => obey(self, command),
            None => match asked(text) {
                Some(topic) => show_help(self, topic),
                None => {
                    self.newest = text.to_string();
                    self.evaluate(text)
                }
            },
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

/// `x?` and `?x`, by which people ask elsewhere → what they ask about.
fn asked(text: &str) -> Option<&str> {
    let topic = text.strip_suffix('?').or_else(|| text.strip_prefix('?'))?;
    let topic = topic.trim_matches('?').trim();
    (!topic.is_empty() && !topic.contains('\n')).then_some(topic)
}

/// Carries out a line without its colon.
fn obey(session: &mut Session, line: &str) -> Result<Next> {
    let (word, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
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
        needed if needed.is_needed() && argument.is_empty() => {
            Err(Error::input(format!("`:{}` needs an argument", command.name)).hint(usage()))
        }
        _ => (command.run)(session, argument),
    }
}

fn show_help(session: &mut Session, topic: &str) -> Result<Next> {
    let width = session.printer.width();
    let text = match topic.strip_prefix(':').map_or(topic, |_| "") {
        "" => format!(
            "{}\n\n{}",
            commands_help(),
            help::overview(&session.catalog, width)
        ),
        name => {
            let interactive = session.interactive.borrow();
            match about(name, &interactive, &session.catalog, width) {
                Some(told) => told,
                None => {
                    // What was imported is known by its name here.
                    let (alias, rest) = name
                        .split_once("::")
                        .map_or((name, None), |(alias, rest)| (alias, Some(rest)));
                    let path = interactive.import_path(alias).unwrap_or(alias);
                    let name = rest.map_or_else(|| path.to_string(), |rest| format!("{path}::{rest}"));
                    help::topic_or_module(interactive.host(), &session.catalog, &name, width)?
                }
            }
        }
    };
    page(&text, &session.printer, &session.waiting);
    Ok(Next::Continue)
}

/// One line for each command.
fn commands_help() -> String {
    let lines = COMMANDS.iter().map(|command| {
        let written = format!(":{}{}", command.name, command.argument.written());
        format!("  {written:<14} {}", command.help)
    });
    let keys = [
        (
            "_  __  ___  _3",
            "the last results, and that of entry 3; the newest 20 are kept",
        ),
        (
            "Tab",
            "completes names, members, keys, values, hook points, files",
        ),
        ("→", "takes over the grey text: how an earlier entry went on"),
        ("Ctrl-R", "searches what was entered, also in earlier sessions"),
        (
            "Ctrl-C",
            "clears the line, or stops the call that is running; the session stays",
        ),
        ("Ctrl-\\", "ends the program at once, whatever it does"),
    ];
    let keys = keys.map(|(key, does)| format!("  {key:<14} {does}"));
    lines.chain(keys).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_by_their_beginning() {
        assert_eq!(find("help").map(|command| command.name), Some("help"));
        assert_eq!(find("q").map(|command| command.name), Some("quit"));
        assert_eq!(find("vars").map(|command| command.name), Some("who"));
        assert!(find("t").is_none(), "type or time");
        assert!(find("").is_none());
        assert!(find("helpp").is_none());
    }
}
