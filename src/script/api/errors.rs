//! What `catch (e)` gets: `e.message`, `e.kind`, `e.key`, `e.hints`.

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
