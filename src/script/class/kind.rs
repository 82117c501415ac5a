//! What the host needs to know about each configuration class.

use std::any::TypeId;

use rhai::{Dynamic, Module};

use crate::config::{KeyPath, Value};
use crate::error::{Error, Result};

/// One configuration class.
pub struct Class {
    /// The constructor's name.
    pub name: &'static str,
    pub(super) type_id: fn() -> TypeId,
    pub(super) schema: fn() -> Value,
    pub(super) wrap: fn(Value) -> Result<Dynamic>,
    pub(super) unwrap: fn(&Dynamic) -> Option<Result<Value>>,
    pub(super) faults: fn(Value, &[KeyPath]) -> Vec<Error>,
    pub(super) register: fn(&mut Module, &'static [Class]),
}

impl Class {
    /// The JSON schema: field names, types, defaults and descriptions.
    pub fn schema(&self) -> Value {
        (self.schema)()
    }

    /// The plain data of `value` if it is a configuration of this class.
    pub fn unwrap(&self, value: &Dynamic) -> Option<Result<Value>> {
        (self.unwrap)(value)
    }

    /// Is `value` a configuration of this class?
    pub fn holds(&self, value: &Dynamic) -> bool {
        value.type_id() == (self.type_id)()
    }

    /// Everything that is wrong with `value` as a configuration of this class; `unknown` are the key paths of values that
    /// will be known later only.
    pub fn faults(&self, value: Value, unknown: &[KeyPath]) -> Vec<Error> {
        (self.faults)(value, unknown)
    }

    /// `value` with all that it leaves out; `None` if it is no configuration of this class.
    pub fn complete(&self, value: Value) -> Option<Value> {
        let object = (self.wrap)(value).ok()?;
        self.unwrap(&object)?.ok()
    }

    /// Puts the constructor, the fields and the methods of the class into `module`; `classes` are all there are, for its
    /// fields may be configurations too.
    pub fn register_into(&self, module: &mut Module, classes: &'static [Class]) {
        (self.register)(module, classes);
    }
}
