//! The one error type: what went wrong, where, what was expected and what to do about it.
//!
//! An [`Error`] carries a sentence, an optional key path (`trainer.lr`), an optional [`Place`] in a script or a
//! configuration file, the callers that led there, and a hint. Lower layers state the sentence and the key path;
//! the layer that knows the source text (a script host, a configuration reader) adds the place. Printing is done by
//! `report::diagnostic`.

mod words;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

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
    /// Someone pressed Ctrl-C or asked to stop. Exit code 130.
    Interrupted,
}

impl Fault {
    /// The process exit code that stands for this fault.
    pub fn exit_code(self) -> u8 {
        match self {
            Fault::Input => 2,
            Fault::Run => 1,
            Fault::Interrupted => 130,
        }
    }
}

/// A stretch of source text: which file, the whole text, and the byte range meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as its user named it, or `repl:3` for the third entry of a session.
    pub file: String,
    /// The whole text of that file.
    pub text: Arc<str>,
    /// Byte range in `text`.
    pub span: Range<usize>,
}

impl Place {
    /// Line and column (in characters) of the start, both from 1.
    pub fn line_column(&self) -> (usize, usize) {
        self.line_column_of(self.span.start)
    }

    /// Line and column (in characters) after the last character, both from 1.
    pub fn end(&self) -> (usize, usize) {
        self.line_column_of(self.span.end)
    }

    fn line_column_of(&self, byte: usize) -> (usize, usize) {
        let start = byte.min(self.text.len());
        let before = &self.text.as_bytes()[..start];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
        (line, column)
    }
}

/// One caller on the way to an error: `called from here`.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Name of the function that was being called.
    pub function: String,
    /// Where the call stands.
    pub place: Place,
}

/// Everything known about one failure. Build it with [`Error::input`] or [`Error::run`] and the chained setters.
#[derive(Clone, Debug)]
pub struct Error(Box<Details>);

#[derive(Clone, Debug)]
struct Details {
    fault: Fault,
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
            message: message.into(),
            context: Vec::new(),
            key: Vec::new(),
            hints: Vec::new(),
            place: None,
            callers: Vec::new(),
        }))
    }

    /// What was asked for makes no sense (exit code 2).
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Fault::Input, message)
    }

    /// The run failed (exit code 1).
    pub fn run(message: impl Into<String>) -> Self {
        Self::new(Fault::Run, message)
    }

    /// Somebody asked to stop (exit code 130).
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self::new(Fault::Interrupted, message)
    }

    /// A file operation failed. `action` completes "cannot …", e.g. `"read"`.
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

    /// `given` is not one of `allowed`: names the nearest and lists the rest.
    ///
    /// `what` is the noun, e.g. `"hook point"`.
    pub fn unknown<S: AsRef<str>>(what: &str, given: &str, allowed: &[S]) -> Self {
        let error = Self::input(format!("unknown {what} `{given}`"));
        let near = nearest(given, allowed.iter().map(AsRef::as_ref));
        // `project` for `wandb_project`.
        let ending = format!("_{given}");
        let longer = || {
            allowed
                .iter()
                .map(AsRef::as_ref)
                .find(|name| name.ends_with(&ending))
        };
        let near = near.or_else(longer);
        let error = match near {
            Some(name) => error.hint(format!("did you mean `{name}`?")),
            None => error,
        };
        error.hint(format!("allowed: {}", shortlist(given, allowed)))
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

    /// Turns it into an error of another fault, e.g. an optional file's absence into bad input.
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.0.fault = fault;
        self
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        self.0.fault
    }

    /// The bare sentence, without key path, context or hints.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What was being done, innermost first.
    pub fn contexts(&self) -> &[String] {
        &self.0.context
    }

    /// The key path as segments; list indices are segments like `[0]`.
    pub fn key(&self) -> &[String] {
        &self.0.key
    }

    /// The key path as it is written: `activation_factory.sources[0].name`. Empty when there is none.
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

    /// Advice, in order.
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// Where in a script or configuration file.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// The callers, innermost first.
    pub fn callers(&self) -> &[Caller] {
        &self.0.callers
    }

    /// The sentence with its key path and context in front: one line, for logs and for `catch` in scripts.
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

/// The candidate that `given` was probably meant to be, if one is near enough.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = given.to_lowercase();
    candidates
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        // Of a name of one or two letters something has to remain.
        .filter(|(distance, name)| {
            *distance <= ((name.len().min(given.len()) + 1) / 3).max(1) && *distance < given.len()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// At most twelve names for a message, the ones most like `given` first when there are more.
fn shortlist<S: AsRef<str>>(given: &str, names: &[S]) -> String {
    const MOST: usize = 12;
    let quote = |name: &str| format!("`{name}`");
    if names.len() <= MOST {
        return names
            .iter()
            .map(|name| quote(name.as_ref()))
            .collect::<Vec<_>>()
            .join(", ");
    }
    let mut by_likeness: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    by_likeness.sort_by_key(|name| strsim::damerau_levenshtein(given, name));
    let shown: Vec<String> = by_likeness[..MOST].iter().map(|name| quote(name)).collect();
    format!("{}, … ({} in all)", shown.join(", "), names.len())
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

    #[test]
    fn lines_and_columns_count_characters() {
        let place = Place {
            file: "a".into(),
            text: "é\nüx = 1".into(),
            span: 5..6,
        };
        assert_eq!(place.line_column(), (2, 2));
    }
}
