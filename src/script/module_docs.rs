//! Documentation of modules that scripts import.

use super::docs::Catalog;
use super::host::Host;
use crate::error::Result;

impl Host {
    /// Returns what the module documents that a script in the working folder imports as `path`: under the last part of
    /// the path, its functions and exported constants, and which other modules its library has. Nothing of it runs.
    ///
    /// # Errors
    /// There is no such module, or it cannot be parsed; its library is not the one that was locked.
    pub fn module_docs(&self, path: &str) -> Result<Catalog> {
        let (file, text) = self.modules.find(None, path)?;
        let ast = self.compile(&file, text)?;
        let name = path.rsplit('/').next().unwrap_or(path);
        let modules = self.modules.modules_of(path)?;
        Ok(Catalog::of_module(name.trim_end_matches(".rhai"), &ast, &modules))
    }
}
