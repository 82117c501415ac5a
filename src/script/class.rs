//! Configuration classes as script objects: one generic handle, one table row a class.
//!
//! `TrainerConfig(#{ lr: 1e-4 })` checks and builds the Rust configuration; the object's fields can be read and
//! changed, and are checked again when changed; it prints as it would be written.

mod schema;

use std::any::TypeId;
use std::cell::RefCell;
use std::rc::Rc;

use rhai::{Dynamic, FuncRegistration, ImmutableString, Map, Module};
use schemars::generate::SchemaSettings;

use self::schema::Schema;
use super::bridge;
use super::failure::{Raise, RhaiResultOf, raise};
use super::guard::SetGuarded;
use crate::activations::{
    ActivationFactoryActivationsSource, ActivationFactoryConfig, ActivationFactoryDatasetSource,
    ActivationWriterConfig, BufferShuffleConfig,
};
use crate::config::{self, Config, KeyPath, Value};
use crate::dictionary::SAEConfig;
use crate::error::{Error, Result};
use crate::guard;
use crate::model::{GenerationConfig, LanguageModelConfig};
use crate::report::wandb::WandbConfig;
use crate::runner::{EvalSettings, GenerateActivationsSettings, PretrainedSAE, TrainSAESettings};
use crate::text::DatasetConfig;
use crate::train::{InitializerConfig, TrainerConfig};

/// Every configuration class that scripts can construct. A new one is one line here.
pub static CLASSES: &[Class] = &[
    Class::of::<ActivationFactoryActivationsSource>(),
    Class::of::<ActivationFactoryConfig>(),
    Class::of::<ActivationFactoryDatasetSource>(),
    Class::of::<ActivationWriterConfig>(),
    Class::of::<BufferShuffleConfig>(),
    Class::of::<DatasetConfig>(),
    Class::of::<EvalSettings>(),
    Class::of::<GenerateActivationsSettings>(),
    Class::of::<GenerationConfig>(),
    Class::of::<InitializerConfig>(),
    Class::of::<LanguageModelConfig>(),
    Class::of::<PretrainedSAE>(),
    Class::of::<SAEConfig>(),
    Class::of::<TrainSAESettings>(),
    Class::of::<TrainerConfig>(),
    Class::of::<WandbConfig>(),
];

/// What the host needs to know about one configuration class.
pub struct Class {
    /// The constructor's name.
    pub name: &'static str,
    type_id: fn() -> TypeId,
    schema: fn() -> Value,
    wrap: fn(Value) -> Result<Dynamic>,
    unwrap: fn(&Dynamic) -> Option<Result<Value>>,
    faults: fn(Value, &[KeyPath]) -> Vec<Error>,
    register: fn(&mut Module),
}

impl Class {
    /// Returns the row for `C`.
    pub const fn of<C: Config>() -> Class {
        Class {
            name: C::NAME,
            type_id: TypeId::of::<ConfigHandle<C>>,
            schema: schema_of::<C>,
            wrap: |value| Ok(Dynamic::from(ConfigHandle::<C>::new(config::from_value(value)?))),
            unwrap: |value| {
                let handle = value.clone().try_cast::<ConfigHandle<C>>()?;
                Some(config::to_value(&*handle.0.borrow()))
            },
            faults: config::faults::<C>,
            register: register::<C>,
        }
    }

    /// Returns the class of that name.
    pub fn find(name: &str) -> Option<&'static Class> {
        CLASSES.iter().find(|class| class.name == name)
    }

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

    /// Puts the constructor, the fields and the methods of the class into `module`.
    pub fn register_into(&self, module: &mut Module) {
        (self.register)(module);
    }
}

/// A configuration that scripts hold; copies of the handle mean the same object, as in Python.
pub struct ConfigHandle<C>(Rc<RefCell<C>>);

impl<C> Clone for ConfigHandle<C> {
    fn clone(&self) -> Self {
        ConfigHandle(self.0.clone())
    }
}

impl<C: Config> ConfigHandle<C> {
    /// Returns a handle on `config`.
    pub fn new(config: C) -> Self {
        ConfigHandle(Rc::new(RefCell::new(config)))
    }

    /// Returns a copy of the configuration as it is now.
    pub fn get(&self) -> C {
        self.0.borrow().clone()
    }

    fn value(&self) -> Result<Value> {
        config::to_value(&*self.0.borrow())
    }

    /// Reads one field; nested configurations come out as objects of their class.
    fn field(&self, name: &str) -> Result<Dynamic> {
        let value = self.value()?;
        match value.get(name) {
            Some(field) => Ok(Schema::of::<C>().property(name).to_dynamic(field)),
            None => Err(unknown_field::<C>(name, &value)),
        }
    }

    /// Changes one field; the whole configuration is checked again, and stays as it was if that fails.
    fn set_field(&self, name: &str, value: &Dynamic) -> Result<()> {
        let mut all = self.value()?;
        let Some(field) = all.get_mut(name) else {
            return Err(unknown_field::<C>(name, &all));
        };
        *field = bridge::to_value(value).map_err(|error| error.under(name))?;
        *self.0.borrow_mut() = config::from_value(all)?;
        Ok(())
    }

    /// A changed copy.
    fn copy_with(&self, changes: &Map) -> Result<Self> {
        let copy = Self::new(self.get());
        let mut all = copy.value()?;
        for (name, value) in changes {
            let Some(field) = all.get_mut(name.as_str()) else {
                return Err(unknown_field::<C>(name, &all).under(name.as_str()));
            };
            *field = bridge::to_value(value).map_err(|error| error.under(name.as_str()))?;
        }
        *copy.0.borrow_mut() = config::from_value(all)?;
        Ok(copy)
    }

    /// As it would be written in a script.
    fn written(&self) -> String {
        match self.value() {
            Ok(value) => Schema::of::<C>().written(&value, 0),
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
fn register<C: Config>(module: &mut Module) {
    let description = schema_of::<C>()["description"]
        .as_str()
        .unwrap_or_default()
        .to_string();
    let docs: Vec<String> = description.lines().map(|line| format!("/// {line}")).collect();
    module.set_custom_type_with_comments::<ConfigHandle<C>>(
        C::NAME,
        &docs.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    FuncRegistration::new(C::NAME)
        .with_params_info(["config: Map", C::NAME])
        .with_comments(&docs)
        .set_guarded(module, |fields: Map| {
            let value = bridge::map_to_value(&fields).raise()?;
            config::from_value(value).map(ConfigHandle::<C>::new).raise()
        });
    FuncRegistration::new(C::NAME)
        .with_params_info([C::NAME])
        .with_comments(&docs)
        .set_guarded(module, || -> RhaiResultOf<ConfigHandle<C>> {
            let empty = Value::Object(config::Map::new());
            config::from_value(empty).map(ConfigHandle::<C>::new).raise()
        });
    FuncRegistration::new_index_getter()
        .set_guarded(module, |config: &mut ConfigHandle<C>, name: ImmutableString| {
            config.field(&name).raise()
        });
    FuncRegistration::new_index_setter()
        .with_purity(true)
        .set_into_module(
            module,
            |config: &mut ConfigHandle<C>, name: ImmutableString, value: Dynamic| {
                let field = format!("setting `{name}`");
                guard::caught(&field, || config.set_field(&name, &value)).raise()
            },
        );
    register_methods::<C>(module);
}

fn register_methods<C: Config>(module: &mut Module) {
    let this = format!("config: &mut {}", C::NAME);
    FuncRegistration::new("copy")
        .with_params_info([this.as_str(), C::NAME])
        .with_comments(["/// A copy; changing one leaves the other as it is."])
        .set_guarded(module, |config: &mut ConfigHandle<C>| {
            ConfigHandle::new(config.get())
        });
    FuncRegistration::new("copy")
        .with_params_info([this.as_str(), "changes: Map", C::NAME])
        .with_comments(["/// A copy with some fields changed; the original stays as it is."])
        .set_guarded(module, |config: &mut ConfigHandle<C>, changes: Map| {
            config.copy_with(&changes).raise()
        });
    FuncRegistration::new("to_map")
        .with_params_info([this.as_str(), "Map"])
        .with_comments(["/// All fields as a plain map, defaults included."])
        .set_guarded(module, |config: &mut ConfigHandle<C>| {
            Ok::<_, Box<rhai::EvalAltResult>>(bridge::from_value(&config.value().map_err(raise)?))
        });
    for name in ["to_string", "to_debug"] {
        FuncRegistration::new(name)
            .with_params_info([this.as_str(), "String"])
            .with_comments(["/// As it would be written in a script."])
            .set_guarded(module, |config: &mut ConfigHandle<C>| config.written());
    }
    FuncRegistration::new("==").set_guarded(module, |a: &mut ConfigHandle<C>, b: ConfigHandle<C>| {
        matches!((a.value(), b.value()), (Ok(a), Ok(b)) if a == b)
    });
    FuncRegistration::new("!=").set_guarded(module, |a: &mut ConfigHandle<C>, b: ConfigHandle<C>| {
        !matches!((a.value(), b.value()), (Ok(a), Ok(b)) if a == b)
    });
}

fn schema_of<C: Config>() -> Value {
    let generator = SchemaSettings::default().into_generator();
    serde_json::to_value(generator.into_root_schema_for::<C>()).unwrap_or_default()
}
