//! Text files: `read_text`, `write_text`.

use rhai::Module;
use rhai::plugin::*;

use crate::atomic;
use crate::error::Error;
use crate::files;
use crate::memory;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;

/// Puts the functions into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "files", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

#[export_module(manifest)]
mod functions {
    /// Returns the text of a file in UTF-8. Pipes and devices are refused.
    #[rhai_fn(return_raw, volatile)]
    pub fn read_text(path: &str) -> RhaiResultOf<String> {
        files::read_text(path, memory::limit() / 4)
            .map_err(|error| Error::io("read", path, error))
            .raise()
    }

    /// Writes a text into a file, whole or not at all; its folder is made where it is missing. A link stays, and what
    /// it leads to is written; pipes and devices are refused.
    #[rhai_fn(return_raw, volatile)]
    pub fn write_text(path: &str, text: &str) -> RhaiResultOf<()> {
        atomic::write(path, text).raise()
    }
}
