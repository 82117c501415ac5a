//! A configuration as an object of scripts: one generic handle for every class.

use std::any::TypeId;
use std::cell::RefCell;
use std::rc::Rc;

use rhai::{Dynamic, FuncRegistration, ImmutableString, Map, Module};

use super::kind::{Class, Constructor};
use super::schema::{Schema, schema_of};
use crate::config::{self, Checked, Config, Value};
use crate::error::{Error, Result};
use crate::guard;
use crate::script::failure::{Raise, RhaiResultOf, raise};
use crate::script::guard::SetGuarded;
use crate::script::plain;

impl Class {
    /// Returns the row for `C`.
    pub const fn of<C: Config>() -> Class {
        Class {
            name: C::NAME,
            type_id: TypeId::of::<ConfigHandle<C>>,
            schema: schema_of::<C>,
            wrap: |value| Ok(Dynamic::from(ConfigHandle::<C>::new(config::checked(value)?))),
            unwrap: |value| {
                let handle = value.clone().try_cast::<ConfigHandle<C>>()?;
                Some(config::to_value(&*handle.0.borrow()))
            },
            faults: config::faults::<C>,
            register: register::<C>,
            construct: construct::<C>,
        }
    }
}

/// A configuration that scripts hold; copies of the handle mean the same object, as in Python.
pub struct ConfigHandle<C>(Rc<RefCell<Checked<C>>>);

impl<C> Clone for ConfigHandle<C> {
    fn clone(&self) -> Self {
        ConfigHandle(self.0.clone())
    }
}

impl<C: Config> ConfigHandle<C> {
    /// Returns a handle on `config`.
    pub fn new(config: Checked<C>) -> Self {
        ConfigHandle(Rc::new(RefCell::new(config)))
    }

    /// Returns a copy of the configuration as it is now.
    pub fn get(&self) -> Checked<C> {
        self.0.borrow().clone()
    }

    fn value(&self) -> Result<Value> {
        config::to_value(&*self.0.borrow())
    }

    /// Reads one field; nested configurations come out as objects of their class.
    fn field(&self, name: &str, classes: &'static [Class]) -> Result<Dynamic> {
        let value = self.value()?;
        match value.get(name) {
            Some(field) => Ok(Schema::of::<C>(classes).property(name).to_dynamic(field)),
            None => Err(unknown_field::<C>(name, &value)),
        }
    }

    /// Changes one field; the whole configuration is checked again, and stays as it was if that fails.
    fn set_field(&self, name: &str, value: &Dynamic, classes: &[Class]) -> Result<()> {
        let mut all = self.value()?;
        let Some(field) = all.get_mut(name) else {
            return Err(unknown_field::<C>(name, &all));
        };
        *field = plain::to_value(value, classes).map_err(|error| error.under(name))?;
        *self.0.borrow_mut() = config::checked(all)?;
        Ok(())
    }

    /// Returns a changed copy.
    fn copy_with(&self, changes: &Map, classes: &[Class]) -> Result<Self> {
        let copy = Self::new(self.get());
        let mut all = copy.value()?;
        for (name, value) in changes {
            let Some(field) = all.get_mut(name.as_str()) else {
                return Err(unknown_field::<C>(name, &all).under(name.as_str()));
            };
            *field = plain::to_value(value, classes).map_err(|error| error.under(name.as_str()))?;
        }
        *copy.0.borrow_mut() = config::checked(all)?;
        Ok(copy)
    }

    /// Returns it as it would be written in a script.
    fn written(&self, classes: &'static [Class]) -> String {
        match self.value() {
            Ok(value) => Schema::of::<C>(classes).written(&value, 0),
            Err(error) => format!("{}(<{error}>)", C::NAME),
        }
    }
}

fn unknown_field<C: Config>(name: &str, value: &Value) -> Error {
    let names: Vec<&String> = value
        .as_object()
        .map(|map| map.keys().collect())
        .unwrap_or_default();
    Error::unknown_key("field", name, &names).context(format!("of {}", C::NAME))
}

/// What a script may do with a configuration of class `C`.
fn register<C: Config>(module: &mut Module, classes: &'static [Class]) {
    let description = schema_of::<C>()["description"]
        .as_str()
        .unwrap_or_default()
        .to_string();
    let docs: Vec<String> = description.lines().map(|line| format!("/// {line}")).collect();
    module.set_custom_type_with_comments::<ConfigHandle<C>>(
        C::NAME,
        &docs.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    FuncRegistration::new_index_getter().set_guarded(
        module,
        move |config: &mut ConfigHandle<C>, name: ImmutableString| config.field(&name, classes).raise(),
    );
    FuncRegistration::new_index_setter()
        .with_purity(true)
        .set_into_module(
            module,
            move |config: &mut ConfigHandle<C>, name: ImmutableString, value: Dynamic| {
                let field = format!("setting `{name}`");
                guard::caught(&field, || config.set_field(&name, &value, classes)).raise()
            },
        );
    register_methods::<C>(module, classes);
}

/// Puts a function that makes configurations of class `C` into `module`.
fn construct<C: Config>(module: &mut Module, constructor: Constructor, classes: &'static [Class]) {
    let text = constructor.docs();
    let docs: Vec<String> = text.lines().map(|line| format!("/// {line}")).collect();
    let make = move |mut value: Value| -> Result<ConfigHandle<C>> {
        constructor.fix_kind(&mut value)?;
        config::checked(value).map(ConfigHandle::<C>::new)
    };
    FuncRegistration::new(constructor.name)
        .with_params_info(["config: Map", C::NAME])
        .with_comments(&docs)
        .set_guarded(module, move |fields: Map| {
            plain::map_to_value(&fields, classes).and_then(make).raise()
        });
    FuncRegistration::new(constructor.name)
        .with_params_info([C::NAME])
        .with_comments(&docs)
        .set_guarded(module, move || -> RhaiResultOf<ConfigHandle<C>> {
            make(Value::Object(config::Map::new())).raise()
        });
}

fn register_methods<C: Config>(module: &mut Module, classes: &'static [Class]) {
    let this = format!("config: &mut {}", C::NAME);
    FuncRegistration::new("copy")
        .with_params_info([this.as_str(), C::NAME])
        .with_comments(["/// Returns a copy; changing one leaves the other as it is."])
        .set_guarded(module, |config: &mut ConfigHandle<C>| {
            ConfigHandle::new(config.get())
        });
    FuncRegistration::new("copy")
        .with_params_info([this.as_str(), "changes: Map", C::NAME])
        .with_comments(["/// Returns a copy with some fields changed, `cfg.copy(#{ lr: 1e-3 })`; the original stays as it is."])
        .set_guarded(module, move |config: &mut ConfigHandle<C>, changes: Map| {
            config.copy_with(&changes, classes).raise()
        });
    FuncRegistration::new("to_map")
        .with_params_info([this.as_str(), "Map"])
        .with_comments(["/// Returns all fields as a plain map, defaults included."])
        .set_guarded(module, |config: &mut ConfigHandle<C>| {
            Ok::<_, Box<rhai::EvalAltResult>>(plain::from_value(&config.value().map_err(raise)?))
        });
    for name in ["to_string", "to_debug"] {
        FuncRegistration::new(name)
            .with_params_info([this.as_str(), "String"])
            .with_comments(["/// Returns it as it would be written in a script."])
            .set_guarded(module, move |config: &mut ConfigHandle<C>| {
                config.written(classes)
            });
    }
    FuncRegistration::new("==").set_guarded(module, |a: &mut ConfigHandle<C>, b: ConfigHandle<C>| {
        matches!((a.value(), b.value()), (Ok(a), Ok(b)) if a == b)
    });
    FuncRegistration::new("!=").set_guarded(module, |a: &mut ConfigHandle<C>, b: ConfigHandle<C>| {
        !matches!((a.value(), b.value()), (Ok(a), Ok(b)) if a == b)
    });
}
