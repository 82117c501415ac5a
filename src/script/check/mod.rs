//! What is wrong with a script and the modules that it imports, as far as that is certain without running anything.
//!
//! Names, calls, properties and settings are compared with what is registered, in the words of the errors that running
//! the script would end with. Where a type is not known, nothing is said: what is reported is wrong.
//!
//! ```text
//! recover    a text -> its syntax tree, and what cannot be parsed
//! reading    a script and all that it imports
//! facts      a syntax tree -> its functions, closures, exports
//! checker    what scripts are compared with
//! walk       statements and expressions, in order
//! scope      the variables that are visible
//! types      what is known of a value
//! functions  the registered functions, with their types
//! calls      calls, properties, constants
//! keys       maps of settings and of named arguments
//! ```

mod calls;
mod checker;
mod facts;
mod functions;
mod keys;
mod reading;
mod recover;
mod scope;
mod types;
mod walk;

use std::path::Path;

use self::checker::Checker;
use self::reading::Reading;
use self::walk::Walker;
use super::host::{Host, read_script};
use crate::error::{Error, Result};
use crate::memory;

impl Host {
    /// Returns everything that is wrong with the script at `path` and with what it imports, in order of files and
    /// places. Nothing is run.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn check_file(&mut self, path: impl AsRef<Path>) -> Result<Vec<Error>> {
        let path = path.as_ref();
        let text = read_script(path)?;
        self.set_constants(&[], Some(path));
        let mut reading = Reading::default();
        let name = path.display().to_string();
        let script = memory::at_any_depth(|| reading.read(self, &name, &text.into()));
        reading.scripts.push(script);
        // Modules were read to their ends before those that import them.
        reading.scripts.reverse();
        let checker = Checker::new(self, reading)?;
        memory::at_any_depth(|| {
            for script in &checker.scripts {
                Walker::new(&checker, script).run();
            }
        });
        Ok(checker.finish())
    }
}

#[cfg(test)]
mod tests;
