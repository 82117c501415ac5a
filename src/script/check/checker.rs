//! What scripts are compared with.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use rhai::{Dynamic, EvalAltResult, Position};

use super::facts::Script;
use super::functions::{Function, Functions};
use super::reading::Reading;
use super::types::Type;
use crate::error::{Error, Place, Result};
use crate::script::api::{Constant, constants};
use crate::script::class::Class;
use crate::script::diagnostic;
use crate::script::docs::{Catalog, Kind};
use crate::script::host::Host;

/// What scripts are compared with, and what was found.
pub(in crate::script) struct Checker<'h> {
    pub(super) host: &'h Host,
    pub(super) functions: Functions,
    pub(super) catalog: Catalog,
    pub(super) constants: Vec<Constant>,
    pub(super) scripts: Vec<Rc<Script>>,
    pub(super) imports: HashMap<(String, String), Option<String>>,
    pub(super) found: RefCell<Vec<Error>>,
    /// Where something was found already, with what is said of it: closures of the same text are the same.
    pub(super) places: RefCell<HashSet<(String, Position, String)>>,
}

impl<'h> Checker<'h> {
    pub(super) fn new(host: &'h Host, reading: Reading) -> Result<Self> {
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

    /// Returns what the script imports as `alias`, if that was read.
    pub(super) fn imported(&self, script: &Script, alias: &str) -> Option<Rc<Script>> {
        let key = (script.name.clone(), alias.to_string());
        let name = self.imports.get(&key)?.as_ref()?;
        self.scripts.iter().find(|script| script.name == *name).cloned()
    }

    /// Does the script import anything under that name?
    pub(super) fn is_import(&self, script: &Script, alias: &str) -> bool {
        let key = (script.name.clone(), alias.to_string());
        self.imports.contains_key(&key) || script.lost.contains(alias)
    }

    /// Returns whether there is a variable of that name in every script.
    pub(super) fn is_constant(&self, name: &str) -> bool {
        let mut all = self.constants.iter();
        all.any(|constant| constant.module.is_none() && constant.name == name)
    }

    pub(super) fn has_constants(&self, module: &str) -> bool {
        let mut all = self.constants.iter();
        all.any(|constant| constant.module == Some(module))
    }

    pub(super) fn constant(&self, module: &str, name: &str) -> Option<Dynamic> {
        let mut all = self.constants.iter();
        let found = all.find(|constant| constant.module == Some(module) && constant.name == name);
        found?.value().cloned()
    }

    /// Returns whether the name is written anywhere as a key or a text: then a map may hold a closure under it.
    pub(super) fn is_mentioned(&self, name: &str) -> bool {
        self.scripts.iter().any(|script| script.mentioned.contains(name))
    }

    /// Returns the fields of a class.
    pub(super) fn fields(&self, class: &str) -> Vec<&str> {
        let members = self.catalog.members(class).into_iter();
        members
            .filter(|member| member.kind == Kind::Field)
            .map(|member| member.name.as_str())
            .collect()
    }

    /// Returns whether the properties of the type are those that are registered: maps, and what is indexed by names,
    /// have others.
    pub(super) fn has_closed_properties(&self, kind: &str) -> bool {
        let takes_names = |function: &Function| {
            let names: Vec<Option<&str>> = function.parameters.iter().map(Type::name).collect();
            names == [Some(kind), Some("string")]
        };
        let is_open = self.functions.named("", "index$get$").iter().any(takes_names);
        kind != "map" && (!is_open || Class::find(kind).is_some())
    }

    /// Remembers what is wrong in the script called `name`.
    pub(super) fn report(&self, name: &str, failure: &EvalAltResult) {
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

    /// Returns all that was found, in order of files and places, once each.
    pub(super) fn finish(self) -> Vec<Error> {
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
