//! Functions of arrays and maps that compare or that call closures, in place of the language's own, which take a closure's
//! error, and any value that is not true or false, for `false`.
//!
//! Here an error, `exit` included, comes out of the call; a predicate says true or false; a comparator need not be
//! consistent; and whatever a closure does, no element is lost.

mod arrays;
mod maps;
mod sorting;
mod totals;

use rhai::plugin::*;

use crate::error::{Error, a};
use crate::script::failure::{RhaiResultOf, raise};
use crate::script::guard;

/// Puts the functions into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "arrays", arrays::functions);
    guard::protect(module, &arrays::functions::RHAI_MANIFEST);
    combine_with_exported_module!(module, "sorting", sorting::functions);
    guard::protect(module, &sorting::functions::RHAI_MANIFEST);
    combine_with_exported_module!(module, "totals", totals::functions);
    guard::protect(module, &totals::functions::RHAI_MANIFEST);
    combine_with_exported_module!(module, "maps", maps::functions);
    guard::protect(module, &maps::functions::RHAI_MANIFEST);
}

/// What a predicate given to `name` answered.
fn truth(context: &NativeCallContext, name: &str, answer: &Dynamic) -> RhaiResultOf<bool> {
    answer.as_bool().map_err(|_| {
        let kind = context.engine().map_type_name(answer.type_name());
        raise(Error::input(format!(
            "the function given to `{name}` must say true or false, but gave {}",
            with_article(kind)
        )))
    })
}

/// A type with its article; nothing for `()`.
fn with_article(kind: &str) -> String {
    match kind {
        "()" => "nothing".into(),
        kind => a(kind),
    }
}
