//! Methods that take one map of named arguments, as Python's keyword arguments.

mod table;

use rhai::{Dynamic, Map};

pub use self::table::Named;
use super::bridge;
use crate::config::{self, Config};
use crate::error::{Context, Error, Result, a};
use crate::fingerprint::Allowances;

/// The named arguments of one call. Take each by name, then [`finish`](Self::finish): what is left is unknown.
pub struct Arguments {
    function: &'static str,
    /// What the table says of the function.
    named: Option<&'static Named>,
    map: Map,
}

impl Arguments {
    /// Returns the arguments given in one map to `function` of `owner`, under which [`Named`] lists it.
    pub fn new(owner: &'static str, function: &'static str, map: Map) -> Self {
        let named = Named::find(owner, function);
        debug_assert!(named.is_some(), "{owner}.{function} is in the table");
        Arguments { function, named, map }
    }

    /// Returns whether the function takes an argument of that name.
    pub fn knows(&self, name: &str) -> bool {
        self.named.is_some_and(|named| named.names().contains(&name))
    }

    /// Returns the argument as it was given; `None` if it is absent or `()`.
    pub fn take(&mut self, name: &'static str) -> Option<Dynamic> {
        debug_assert!(self.knows(name), "`{name}` is in the table");
        self.map.remove(name).filter(|value| !value.is_unit())
    }

    /// Returns an argument of a certain script type, described by `what` ("a SparseAutoEncoder") if another was given.
    pub fn optional<T: Clone + 'static>(&mut self, name: &'static str, what: &str) -> Result<Option<T>> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let given = bridge::kind_of(&value);
        value
            .try_cast::<T>()
            .map(Some)
            .ok_or_else(|| Error::input(format!("expected {what}, but was given {}", a(&given))).under(name))
    }

    /// Takes, as [`optional`](Self::optional) does, an argument without a default.
    pub fn required<T: Clone + 'static>(&mut self, name: &'static str, what: &str) -> Result<T> {
        let function = self.function;
        self.optional(name, what)?
            .ok_or_else(|| Error::input(format!("`{function}` needs the argument `{name}`: {what}")))
    }

    /// Returns an argument that is plain data: numbers, strings, lists.
    pub fn data<T: serde::de::DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>> {
        self.take(name)
            .map(|value| bridge::to_value(&value).and_then(config::parse).under(name))
            .transpose()
    }

    /// Returns the argument `allow_change`: a list of the settings that may differ from those that work was begun with.
    pub fn allowances(&mut self) -> Result<Allowances> {
        let names: Option<Vec<String>> = self.data("allow_change")?;
        Ok(Allowances::new(names.unwrap_or_default()))
    }

    /// Refuses arguments that nobody took.
    pub fn finish(self) -> Result<()> {
        match (self.map.keys().next(), self.named) {
            (Some(name), Some(named)) => Err(named.refusal(name)),
            _ => Ok(()),
        }
    }

    /// Returns all arguments as the fields of a configuration class.
    pub fn into_config<C: Config>(self) -> Result<C> {
        config::from_value(bridge::map_to_value(&self.map)?)
    }
}
