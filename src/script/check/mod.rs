//! What is wrong with a script and the modules that it imports, as far as that is certain without running anything.
//!
//! Names, calls, properties and settings are compared with what is registered, in the words of the errors that running
//! the script would end with. Where a type is not known, nothing is said: what is reported is wrong.
//!
//! ```text
//! recover    a text -> its syntax tree, and what cannot be parsed
//! facts      a syntax tree -> its functions, closures, exports
//! walk       statements and expressions, in order
//! scope      the variables that are visible
//! types      what is known of a value
//! functions  the registered functions, with their types
//! calls      calls, properties, constants
//! keys       maps of settings and of named arguments
//! ```

mod calls;
mod facts;
mod functions;
mod keys;
mod recover;
mod scope;
mod types;
mod walk;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use rhai::{ASTNode, Dynamic, EvalAltResult, Expr, Position, Stmt};

use self::facts::Script;
use self::functions::Functions;
use self::types::Type;
use self::walk::Walker;
use super::api::{Constant, constants};
use super::diagnostic;
use super::docs::{Catalog, Kind};
use super::host::{Host, read_script};
use crate::error::{Error, Place, Result};
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

/// What is read before anything is looked at.
#[derive(Default)]
struct Reading {
    scripts: Vec<Rc<Script>>,
    /// The modules by the script that imports them and the name that it gives them; `None`: there is none, or more
    /// than one of that name.
    imports: HashMap<(String, String), Option<String>>,
    seen: Vec<String>,
    errors: Vec<Error>,
}

/// One `import` of a script.
struct Import {
    path: Option<String>,
    alias: String,
    position: Position,
    /// Does it stand inside of a `try`?
    is_tried: bool,
}

impl Reading {
    fn read(&mut self, host: &mut Host, name: &str, text: &Arc<str>) -> Rc<Script> {
        self.seen.push(name.to_string());
        let (parsed, errors) = recover::parse(host, name, text);
        self.errors.extend(errors);
        let script = Script::new(name, text, parsed);
        for import in imports(&script) {
            let module = self.import(host, &script, &import);
            let key = (name.to_string(), import.alias);
            match self.imports.get_mut(&key) {
                Some(known) if *known != module => *known = None,
                Some(_) => (),
                None => drop(self.imports.insert(key, module)),
            }
        }
        script
    }

    /// Finds and reads a module, unless that was done; its name.
    fn import(&mut self, host: &mut Host, importer: &Script, import: &Import) -> Option<String> {
        let path = import.path.as_ref()?;
        let place = host.state().sources().place(&importer.name, import.position);
        let (name, text) = match host.modules.find(Some(&importer.name), path) {
            Ok(found) => found,
            Err(error) => {
                if !import.is_tried {
                    self.errors.push(match place {
                        Some(place) => error.at(place),
                        None => error,
                    });
                }
                return None;
            }
        };
        if !self.seen.contains(&name) {
            let before = self.errors.len();
            let script = self.read(host, &name, &text.into());
            self.scripts.push(script);
            if let Some(place) = place {
                self.called_from(before, path, &place);
            }
        }
        Some(name)
    }

    /// The errors of a module since `before` came from an import.
    fn called_from(&mut self, before: usize, path: &str, place: &Place) {
        let of_module = self.errors.split_off(before);
        let from = |error: Error| error.called_from(format!("import of {path}"), place.clone());
        self.errors.extend(of_module.into_iter().map(from));
    }
}

fn imports(script: &Script) -> Vec<Import> {
    let mut imports = Vec::new();
    script.ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Import(parts, position))) = path.last() {
            let text = match &parts.0 {
                Expr::StringConstant(text, position) => Some((text.to_string(), *position)),
                _ => None,
            };
            imports.push(Import {
                position: text.as_ref().map_or(*position, |(_, position)| *position),
                path: text.map(|(text, _)| text),
                alias: parts.1.name.to_string(),
                is_tried: path
                    .iter()
                    .any(|node| matches!(node, ASTNode::Stmt(Stmt::TryCatch(..)))),
            });
        }
        true
    });
    imports
}

/// What scripts are compared with, and what was found.
pub(in crate::script) struct Checker<'h> {
    host: &'h Host,
    functions: Functions,
    catalog: Catalog,
    constants: Vec<Constant>,
    scripts: Vec<Rc<Script>>,
    imports: HashMap<(String, String), Option<String>>,
    found: RefCell<Vec<Error>>,
    /// Where something was found already, with what is said of it: closures of the same text are the same.
    places: RefCell<HashSet<(String, Position, String)>>,
}

impl<'h> Checker<'h> {
    fn new(host: &'h Host, reading: Reading) -> Result<Self> {
        Ok(Checker {
            functions: Functions::of(host.engine()),
            catalog: host.catalog()?,
            constants: constants(),
            scripts: reading.scripts,
            imports: reading.imports,
            found: RefCell::new(reading.errors),
            places: RefCell::default(),
            host,
        })
    }

    /// What the script imports as `alias`, if that was read.
    fn imported(&self, script: &Script, alias: &str) -> Option<Rc<Script>> {
        let key = (script.name.clone(), alias.to_string());
        let name = self.imports.get(&key)?.as_ref()?;
        self.scripts.iter().find(|script| script.name == *name).cloned()
    }

    /// Does the script import anything under that name?
    fn is_import(&self, script: &Script, alias: &str) -> bool {
        let key = (script.name.clone(), alias.to_string());
        self.imports.contains_key(&key) || script.lost.contains(alias)
    }

    /// Is there a variable of that name in every script?
    fn is_constant(&self, name: &str) -> bool {
        let mut all = self.constants.iter();
        all.any(|constant| constant.module.is_none() && constant.name == name)
    }

    fn has_constants(&self, module: &str) -> bool {
        let mut all = self.constants.iter();
        all.any(|constant| constant.module == Some(module))
    }

    fn constant(&self, module: &str, name: &str) -> Option<Dynamic> {
        let mut all = self.constants.iter();
        let found = all.find(|constant| constant.module == Some(module) && constant.name == name);
        found?.value().cloned()
    }

    /// Is the name written anywhere as a key or a text? Then a map may hold a closure under it.
    fn is_mentioned(&self, name: &str) -> bool {
        self.scripts.iter().any(|script| script.mentioned.contains(name))
    }

    /// The fields of a class.
    fn fields(&self, class: &str) -> Vec<&str> {
        let members = self.catalog.members(class).into_iter();
        members
            .filter(|member| member.kind == Kind::Field)
            .map(|member| member.name.as_str())
            .collect()
    }

    /// Are the properties of the type those that are registered? Maps, and what is indexed by names, have others.
    fn has_closed_properties(&self, kind: &str) -> bool {
        let takes_names = |function: &functions::Function| {
            let names: Vec<Option<&str>> = function.parameters.iter().map(Type::name).collect();
            names == [Some(kind), Some("string")]
        };
        let is_open = self.functions.named("", "index$get$").iter().any(takes_names);
        kind != "map" && (!is_open || super::class::Class::find(kind).is_some())
    }

    /// Remembers what is wrong in the script called `name`.
    fn report(&self, name: &str, failure: &EvalAltResult) {
        let said = match failure {
            EvalAltResult::ErrorRuntime(value, _) => value.read_lock::<Error>().map(|error| error.headline()),
            _ => None,
        };
        let said = said.unwrap_or_else(|| failure.to_string());
        let seen = (name.to_string(), failure.position(), said);
        if !self.places.borrow_mut().insert(seen) {
            return;
        }
        let error = diagnostic::explain(failure, name, self.host.engine(), self.host.state().sources());
        self.found.borrow_mut().push(error);
    }

    /// All that was found, in order of files and places, once each.
    fn finish(self) -> Vec<Error> {
        let file = |error: &Error| {
            let place = error.place();
            let known = |place: &Place| self.scripts.iter().position(|script| script.name == place.file);
            place.and_then(known)
        };
        let mut found = self.found.take();
        found.sort_by_key(|error| (file(error), error.place().map_or(0, |place| place.span.start)));
        found.dedup_by(|a, b| a.place() == b.place() && a.headline() == b.headline());
        found
    }
}

#[cfg(test)]
mod tests;
