//! What `catch (e)` gets: `e.message`, `e.kind`, `e.key`, `e.hint`, `e.file`, `e.line`; and errors that scripts make.

use rhai::plugin::*;
use rhai::{Array, ImmutableString, Module};

use crate::error::{Error, Fault, Subject};
use crate::script::guard;

/// Puts the error object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<Error>(
        "Error",
        &["/// An error as `catch (e)` gets it: what would have been shown, had nobody caught it."],
    );
    combine_with_exported_module!(module, "errors", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

#[export_module(manifest)]
mod functions {
    /// Returns the sentence that says what went wrong, with the key path in front.
    #[rhai_fn(get = "message", pure)]
    pub fn message(error: &mut Error) -> String {
        error.headline()
    }

    /// Returns `"input"` if what was asked for makes no sense, `"permission"` if the script may not do it, `"run"` if the
    /// work failed, `"interrupted"` after Ctrl-C.
    #[rhai_fn(get = "kind", pure)]
    pub fn kind(error: &mut Error) -> ImmutableString {
        match error.fault() {
            Fault::Input if *error.subject() == Subject::NotPermitted => "permission",
            Fault::Input => "input",
            Fault::Run => "run",
            Fault::Interrupted => "interrupted",
        }
        .into()
    }

    /// Returns the path of the configuration key or argument that it is about, e.g. `sources[0].name`; empty if there
    /// is none.
    #[rhai_fn(get = "key", pure)]
    pub fn key(error: &mut Error) -> String {
        error.key_path()
    }

    /// Returns the advice, an array of strings.
    #[rhai_fn(get = "hints", pure)]
    pub fn hints(error: &mut Error) -> Array {
        error.hints().iter().map(|hint| hint.clone().into()).collect()
    }

    /// Returns the first advice, or `""` if there is none.
    #[rhai_fn(get = "hint", pure)]
    pub fn hint(error: &mut Error) -> ImmutableString {
        error
            .hints()
            .first()
            .map(ImmutableString::from)
            .unwrap_or_default()
    }

    /// Returns the file that it happened in, as it is named in what is shown, or `()` where that is not known.
    #[rhai_fn(get = "file", pure)]
    pub fn file(error: &mut Error) -> Dynamic {
        error
            .place()
            .map_or(Dynamic::UNIT, |place| place.file.clone().into())
    }

    /// Returns the column that it happened in, in characters from 1, or `()` where that is not known.
    #[rhai_fn(get = "column", pure)]
    pub fn column(error: &mut Error) -> Dynamic {
        error
            .place()
            .map_or(Dynamic::UNIT, |place| (place.line_column().1 as i64).into())
    }

    /// Returns where it happened, `file:line:column`; `""` where that is not known.
    #[rhai_fn(get = "place", pure)]
    pub fn place(error: &mut Error) -> String {
        let place = error.place().map(|place| (&place.file, place.line_column()));
        place.map_or_else(String::new, |(file, (line, column))| {
            format!("{file}:{line}:{column}")
        })
    }

    /// Returns an error to be thrown, which whoever catches it gets with its place: `throw Error("no such column")`.
    #[rhai_fn(name = "Error")]
    pub fn make(message: &str) -> Error {
        Error::input(message)
    }

    /// Returns an error to be thrown, with advice: `throw Error("k is 0", "write a number from 1")`.
    #[rhai_fn(name = "Error")]
    pub fn make_with_hint(message: &str, hint: &str) -> Error {
        Error::input(message).hint(hint)
    }

    /// Returns the line that it happened in, counted from 1, or `()` where that is not known.
    #[rhai_fn(get = "line", pure)]
    pub fn line(error: &mut Error) -> Dynamic {
        error
            .place()
            .map_or(Dynamic::UNIT, |place| (place.line_column().0 as i64).into())
    }

    /// Returns the whole error in one line, advice included; `print(e)` shows it.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(error: &mut Error) -> String {
        error.to_string()
    }
}
