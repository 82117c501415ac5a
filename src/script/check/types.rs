//! What is known of a value before the script runs.

use std::rc::Rc;

use rhai::{Dynamic, FnPtr};

use crate::script::bridge::kind_of;

/// The type of a value, as far as it is certain.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// It may be anything.
    Unknown,
    /// That of what was found wrong already: nothing is said of what is done with it.
    Wrong,
    /// The type of that name in scripts: `int`, `Tensor`, `SAEConfig`, …
    Named(Rc<str>),
    /// A closure written in the script that takes so many arguments.
    Closure(usize),
}

impl Type {
    /// Returns the type called `name` in scripts.
    pub fn named(name: &str) -> Type {
        Type::Named(name.into())
    }

    /// Returns the type of a value that stands in the script.
    pub fn of(value: &Dynamic) -> Type {
        if value.is_unit() {
            return Type::named("()");
        }
        if value.read_lock::<FnPtr>().is_some() {
            return Type::named(FUNCTION);
        }
        match kind_of(value).as_str() {
            "ImmutableString" => Type::named("string"),
            "Range" | "RangeInclusive" => Type::named("range"),
            other => Type::named(other),
        }
    }

    /// Its name in scripts, if it is known.
    pub fn name(&self) -> Option<&str> {
        match self {
            Type::Unknown | Type::Wrong => None,
            Type::Named(name) => Some(name),
            Type::Closure(_) => Some(FUNCTION),
        }
    }

    /// Its name for a message.
    pub fn shown(&self) -> &str {
        self.name().unwrap_or(UNKNOWN)
    }

    /// Returns whether a value of this type may be given where `parameter` is wanted.
    pub fn fits(&self, parameter: &Type) -> bool {
        match (self.name(), parameter.name()) {
            (Some(given), Some(wanted)) => given == wanted,
            _ => true,
        }
    }
}

/// Stands for a type that is not known in the signature of a call.
const UNKNOWN: &str = "any";

/// The type of closures and function pointers.
const FUNCTION: &str = "Fn";
