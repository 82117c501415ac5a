//! Are the modules that a script imports there, and can they be parsed? Nothing is run.

use super::diagnostic;
use super::host::Host;
use super::source::{Import, imports};
use crate::error::{Error, Place, Result};

impl Host {
    /// Finds and parses what the script called `name` imports, and what those modules import in turn.
    pub(super) fn check_imports(&self, name: &str, text: &str, seen: &mut Vec<String>) -> Result<()> {
        for import in imports(text) {
            self.check_import(name, &import, seen).map_err(|error| {
                let place = Place {
                    file: name.to_string(),
                    text: text.into(),
                    span: import.span.clone(),
                };
                match error.place() {
                    Some(_) => error.called_from(format!("import of {}", import.path), place),
                    None => error.at(place),
                }
            })?;
        }
        Ok(())
    }

    fn check_import(&self, importer: &str, import: &Import, seen: &mut Vec<String>) -> Result<(), Error> {
        let (name, text) = self.modules.find(Some(importer), &import.path)?;
        if seen.contains(&name) {
            return Ok(());
        }
        seen.push(name.clone());
        self.compile_in(&self.scope, &name, &text).map_err(|error| {
            diagnostic::explain_parse(&error, &name, self.engine(), self.state().sources())
        })?;
        self.check_imports(&name, &text, seen)
    }
}
