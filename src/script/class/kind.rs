//! What the host needs to know about each configuration class, and about the functions that make configurations: one of
//! the class's own name, and for kinds of dictionaries those of the names that Language-Model-SAEs has.

use std::any::TypeId;

use rhai::{Dynamic, Module};

use crate::config::{KeyPath, Value};
use crate::dictionary::Row;
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
    pub(super) construct: fn(&mut Module, Constructor, &'static [Class]),
}

impl Class {
    /// Returns the JSON schema: field names, types, defaults and descriptions.
    pub fn schema(&self) -> Value {
        (self.schema)()
    }

    /// Returns the plain data of `value` if it is a configuration of this class.
    pub fn unwrap(&self, value: &Dynamic) -> Option<Result<Value>> {
        (self.unwrap)(value)
    }

    /// Returns whether `value` is a configuration of this class.
    pub fn holds(&self, value: &Dynamic) -> bool {
        value.type_id() == (self.type_id)()
    }

    /// Returns everything that is wrong with `value` as a configuration of this class; `unknown` are the key paths of
    /// values that will be known later only.
    pub fn faults(&self, value: Value, unknown: &[KeyPath]) -> Vec<Error> {
        (self.faults)(value, unknown)
    }

    /// Returns `value` with all that it leaves out; `None` if it is no configuration of this class.
    pub fn complete(&self, value: Value) -> Option<Value> {
        let object = (self.wrap)(value).ok()?;
        self.unwrap(&object)?.ok()
    }

    /// Puts the type, the fields and the methods of the class into `module`; `classes` are all there are, for its
    /// fields may be configurations too.
    pub fn register_into(&self, module: &mut Module, classes: &'static [Class]) {
        (self.register)(module, classes);
    }
}

/// The key of a dictionary's kind.
const KIND: &str = "sae_type";

/// The key in the settings of a run under which the dictionary's stand.
const DICTIONARY: &str = "sae";

/// A function that makes configurations of a class.
#[derive(Clone, Copy)]
pub struct Constructor {
    /// Its name.
    pub name: &'static str,
    /// The class of what it makes.
    pub class: &'static Class,
    /// The only kind of dictionary that it is for; `None`: every kind.
    row: Option<&'static Row>,
    /// Do the dictionary's settings stand under a key of their own?
    is_nested: bool,
}

impl Constructor {
    /// Returns the constructor of the class's own name.
    pub(super) fn of_class(class: &'static Class) -> Self {
        Constructor {
            name: class.name,
            class,
            row: None,
            is_nested: false,
        }
    }

    /// Returns a constructor of the architectures of one kind of dictionary.
    pub(super) fn of_kind(name: &'static str, class: &'static Class, row: &'static Row) -> Self {
        Constructor {
            name,
            class,
            row: Some(row),
            is_nested: false,
        }
    }

    /// Returns a constructor of the settings of runs that train one kind of dictionary.
    pub(super) fn of_runs(name: &'static str, class: &'static Class, row: &'static Row) -> Self {
        Constructor {
            is_nested: true,
            ..Self::of_kind(name, class, row)
        }
    }

    /// Returns whether it has another name than its class.
    pub fn is_alias(&self) -> bool {
        self.row.is_some()
    }

    /// Returns the JSON schema of what it takes: field names, types, defaults and descriptions.
    pub fn schema(&self) -> Value {
        match self.row {
            Some(row) if !self.is_nested => row.settings_schema(),
            _ => self.class.schema(),
        }
    }

    /// Puts its kind of dictionary into `value`, which is as a script gave it.
    ///
    /// # Errors
    /// Another kind was given.
    pub fn fix_kind(&self, value: &mut Value) -> Result<()> {
        let Some(row) = self.row else { return Ok(()) };
        let settings = if self.is_nested {
            value.get_mut(DICTIONARY)
        } else {
            Some(value)
        };
        // What is no table is refused for that, and a trained dictionary says itself what it is.
        let Some(Value::Object(settings)) = settings else {
            return Ok(());
        };
        if settings.contains_key("pretrained_name_or_path") {
            return Ok(());
        }
        let given = settings.entry(KIND).or_insert_with(|| row.name.into());
        match given.as_str() {
            Some(given) if given != row.name => {
                let error = Error::input(format!(
                    "`{}` is for dictionaries of sae_type \"{}\", but was given \"{given}\"",
                    self.name, row.name
                ))
                .hint(format!("write `{}`, which is for every kind", self.class.name))
                .under(KIND);
                Err(if self.is_nested {
                    error.under(DICTIONARY)
                } else {
                    error
                })
            }
            _ => Ok(()),
        }
    }

    /// Returns what it makes, in sentences.
    pub(super) fn docs(&self) -> String {
        let schema = self.class.schema();
        let description = schema["description"].as_str().unwrap_or_default();
        let Some(row) = self.row else {
            return description.to_string();
        };
        let class = self.class.name;
        let what = if self.is_nested {
            format!(
                "Makes the settings of a training run of a dictionary of `sae_type` \"{}\", a `{class}`. The `sae_type` \
                 of its `sae` is left out; another one is refused.",
                row.name
            )
        } else {
            format!(
                "Makes the architecture of a dictionary of `sae_type` \"{}\", an `{class}`: {} The `sae_type` is left out; \
                 another one is refused.",
                row.name,
                row.summary()
            )
        };
        format!("{what} The name is that of Language-Model-SAEs.")
    }

    /// Puts the function into `module`; `classes` are all there are.
    pub fn register_into(self, module: &mut Module, classes: &'static [Class]) {
        (self.class.construct)(module, self, classes);
    }
}
