//! The one error type: what went wrong, where, what was expected and what to do about it.
//!
//! An [`Error`] carries a sentence, an optional key path (`trainer.lr`), an optional [`Place`] in a script or a
//! configuration file, the callers that led there, and a hint. Lower layers state the sentence and the key path;
//! the layer that knows the source text (a script host, a configuration reader) adds the place. Printing is done by
//! `report::diagnostic`.
//!
//! Sentences and hints are for people. What code has to know of an error is its [`Fault`], its key path and its
//! [`Subject`].

mod likeness;
mod place;
mod subject;
mod words;

use std::fmt;
use std::path::Path;

pub use self::likeness::nearest;
use self::likeness::shortlist;
pub use self::place::{Caller, Place};
pub use self::subject::{Role, Subject, Unknown, Wanted};
pub use self::words::{a, byte_size, counted, either};

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whose fault it is, which decides the exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What was asked for makes no sense: a typo, a wrong type, a missing file. Exit code 2.
    Input,
    /// The run failed: disk full, out of memory, a broken download. Exit code 1.
    Run,
    /// Ctrl-C was pressed, or a stop was asked for. Exit code 130.
    Interrupted,
}

impl Fault {
    /// Returns the process exit code that stands for this fault.
    pub fn exit_code(self) -> u8 {
        match self {
            Fault::Input => 2,
            Fault::Run => 1,
            Fault::Interrupted => 130,
        }
    }
}

/// Everything known about one failure. Build it with [`Error::input`] or [`Error::run`] and the chained setters.
#[derive(Clone, Debug)]
pub struct Error(Box<Details>);

#[derive(Clone, Debug)]
struct Details {
    fault: Fault,
    subject: Subject,
    message: String,
    context: Vec<String>,
    key: Vec<String>,
    hints: Vec<String>,
    place: Option<Place>,
    callers: Vec<Caller>,
}

impl Error {
    fn new(fault: Fault, message: impl Into<String>) -> Self {
        Error(Box::new(Details {
            fault,
            subject: Subject::Other,
            message: message.into(),
            context: Vec::new(),
            key: Vec::new(),
            hints: Vec::new(),
            place: None,
            callers: Vec::new(),
        }))
    }

    /// Says that what was asked for makes no sense (exit code 2).
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Fault::Input, message)
    }

    /// Says that the run failed (exit code 1).
    pub fn run(message: impl Into<String>) -> Self {
        Self::new(Fault::Run, message)
    }

    /// Says that a stop was asked for (exit code 130).
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self::new(Fault::Interrupted, message)
    }

    /// Says that a file operation failed. `action` completes "cannot …", e.g. `"read"`.
    ///
    /// Missing files and refused permissions are the caller's input; anything else is a failure of the run.
    pub fn io(action: &str, path: impl AsRef<Path>, error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let path = path.as_ref().display();
        match error.kind() {
            ErrorKind::NotFound => Self::input(format!(
                "cannot {action} `{path}`: there is no such file or folder"
            )),
            ErrorKind::PermissionDenied => {
                Self::input(format!("cannot {action} `{path}`: permission denied"))
            }
            // A folder, a pipe or a device where a regular file was expected, or one too long: `files` says which.
            ErrorKind::InvalidInput | ErrorKind::IsADirectory => {
                Self::input(format!("cannot {action} `{path}`: {error}"))
            }
            ErrorKind::StorageFull => Self::run(format!(
                "cannot {action} `{path}`: no space is left on the disk"
            ))
            .hint("free some space or choose another folder; nothing that was saved before is damaged"),
            _ => Self::run(format!("cannot {action} `{path}`: {error}")),
        }
    }

    /// Says that the run failed for want of memory; `what` completes "out of memory: …".
    pub fn out_of_memory(what: impl fmt::Display) -> Self {
        Self::run(format!("out of memory: {what}")).about(Subject::OutOfMemory)
    }

    /// Says that `given` is not one of the values `allowed`: names the nearest and lists the rest.
    ///
    /// `what` is the noun, e.g. `"hook point"`.
    pub fn unknown<S: AsRef<str>>(what: &str, given: &str, allowed: &[S]) -> Self {
        Self::unknown_as(Role::Value, what, given, allowed)
    }

    /// Says as [`unknown`](Self::unknown) does that there is no such name under which a value is given: a key, an
    /// argument, a field.
    pub fn unknown_key<S: AsRef<str>>(what: &str, given: &str, allowed: &[S]) -> Self {
        Self::unknown_as(Role::Key, what, given, allowed)
    }

    fn unknown_as<S: AsRef<str>>(role: Role, what: &str, given: &str, allowed: &[S]) -> Self {
        let names = || allowed.iter().map(AsRef::as_ref);
        // `project` for `wandb_project`.
        let ending = format!("_{given}");
        let longer = || names().find(|name| name.ends_with(&ending));
        let near = nearest(given, names()).or_else(longer);
        let error = Self::input(format!("unknown {what} `{given}`")).about(Subject::Unknown(Unknown {
            role,
            nearest: near.map(str::to_string),
            allowed: names().map(str::to_string).collect(),
        }));
        let error = match near {
            Some(name) => error.hint(format!("did you mean `{name}`?")),
            None => error,
        };
        error.hint(format!("allowed: {}", shortlist(given, allowed)))
    }

    /// Says what the error is about.
    pub fn about(mut self, subject: Subject) -> Self {
        self.0.subject = subject;
        self
    }

    /// Adds advice. Several are printed in the order given.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// Says what was being done, outermost last: `while loading the model`.
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.0.context.push(context.into());
        self
    }

    /// Puts `segment` before the key path: `error.under("lr").under("trainer")` is about `trainer.lr`.
    pub fn under(mut self, segment: impl Into<String>) -> Self {
        self.0.key.insert(0, segment.into());
        self
    }

    /// Sets the place, unless one is known already.
    pub fn at(mut self, place: Place) -> Self {
        self.0.place.get_or_insert(place);
        self
    }

    /// Adds the next outer caller.
    pub fn called_from(mut self, function: impl Into<String>, place: Place) -> Self {
        self.0.callers.push(Caller {
            function: function.into(),
            place,
        });
        self
    }

    /// Moves the place to the innermost caller in another file than those that are `inside`; unchanged where there is none.
    pub fn seen_from_outside(mut self, inside: impl Fn(&str) -> bool) -> Self {
        let is_inside = self.place().is_some_and(|place| inside(&place.file));
        let outside = self
            .callers()
            .iter()
            .position(|caller| !inside(&caller.place.file));
        if let (true, Some(last)) = (is_inside, outside) {
            self.0.place = self
                .0
                .callers
                .drain(..=last)
                .next_back()
                .map(|caller| caller.place);
        }
        self
    }

    /// Turns it into an error of another fault, e.g. an optional file's absence into bad input.
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.0.fault = fault;
        self
    }

    /// Returns whose fault it is.
    pub fn fault(&self) -> Fault {
        self.0.fault
    }

    /// Returns what it is about.
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// Returns what is known of the name that is none of those there are, if the error is about one.
    pub fn unknown_name(&self) -> Option<&Unknown> {
        match &self.0.subject {
            Subject::Unknown(unknown) => Some(unknown),
            _ => None,
        }
    }

    /// Returns whether a key, an argument or a field is wrong, whatever its value is.
    pub fn is_about_key(&self) -> bool {
        self.unknown_name()
            .is_some_and(|unknown| unknown.role == Role::Key)
    }

    /// Returns what the sentence and the advice have between backquotes, which mark names and code in every text.
    pub fn quoted(&self) -> impl Iterator<Item = &str> {
        let texts = std::iter::once(&self.0.message).chain(&self.0.hints);
        texts.flat_map(|text| text.split('`').skip(1).step_by(2))
    }

    /// Returns whether the sentence or the advice speaks of the setting `name`.
    pub fn speaks_of(&self, name: &str) -> bool {
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let mut words = self
            .quoted()
            .flat_map(|code| code.split(|letter| !is_word(letter)));
        words.any(|word| word == name)
    }

    /// Returns the bare sentence, without key path, context or hints.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns what was being done, innermost first.
    pub fn contexts(&self) -> &[String] {
        &self.0.context
    }

    /// Returns the key path as segments; list indices are segments like `[0]`.
    pub fn key(&self) -> &[String] {
        &self.0.key
    }

    /// Returns the key path as it is written: `activation_factory.sources[0].name`. Empty when there is none.
    pub fn key_path(&self) -> String {
        let mut path = String::new();
        for segment in &self.0.key {
            if !path.is_empty() && !segment.starts_with('[') {
                path.push('.');
            }
            path.push_str(segment);
        }
        path
    }

    /// Returns the advice, in order.
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// Returns where in a script or configuration file.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// Returns the callers, innermost first.
    pub fn callers(&self) -> &[Caller] {
        &self.0.callers
    }

    /// Returns the sentence with its key path and context in front: one line, for logs and for `catch` in scripts.
    pub fn headline(&self) -> String {
        let mut line = String::new();
        if !self.0.key.is_empty() {
            line.push_str(&format!("`{}`: ", self.key_path()));
        }
        line.push_str(&self.0.message);
        for context in &self.0.context {
            line.push_str(&format!(" ({context})"));
        }
        line
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.headline())?;
        for hint in &self.0.hints {
            write!(formatter, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Adds "while doing …" to the error of a result.
pub trait Context<T> {
    /// Says what was being done when the error came up.
    fn context(self, context: impl Into<String>) -> Result<T>;
    /// Puts `segment` before the error's key path.
    fn under(self, segment: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, context: impl Into<String>) -> Result<T> {
        self.map_err(|error| error.into().context(context))
    }

    fn under(self, segment: impl Into<String>) -> Result<T> {
        self.map_err(|error| error.into().under(segment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_the_nearest_and_lists_the_rest() {
        let error = Error::unknown("activation function", "rellu", &["relu", "topk"]);
        assert_eq!(error.message(), "unknown activation function `rellu`");
        assert_eq!(error.hints(), ["did you mean `relu`?", "allowed: `relu`, `topk`"]);
    }

    #[test]
    fn key_paths_read_as_written() {
        let error = Error::input("x")
            .under("name")
            .under("[0]")
            .under("sources")
            .under("activation_factory");
        assert_eq!(error.key_path(), "activation_factory.sources[0].name");
    }
}
