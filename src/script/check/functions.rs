//! Every function that is registered, with the types that the engine goes by when it looks for one.

use std::any::TypeId;
use std::collections::HashMap;

use rhai::{Array, Blob, Dynamic, Engine, FnPtr, FuncMetadata, ImmutableString, Map};

use super::types::Type;
use crate::script::api::documented;
use crate::script::docs::script_type;

/// One registered function.
pub struct Function {
    /// The types of its parameters; of a method, the object's first.
    pub parameters: Vec<Type>,
    /// The type of what it returns.
    pub returns: Type,
}

/// Registered functions, by module (empty for those that need none) and name.
pub struct Functions {
    by_name: HashMap<(String, String), Vec<Function>>,
}

impl Functions {
    /// Returns all that the engine knows.
    pub fn of(engine: &Engine) -> Functions {
        let all: Vec<(String, FuncMetadata)> = engine.collect_fn_metadata(
            None,
            |function| Some((function.namespace.to_string(), function.metadata.clone())),
            true,
        );
        let types = Types::learned(&all);
        let mut by_name: HashMap<(String, String), Vec<Function>> = HashMap::new();
        for (module, metadata) in &all {
            let function = Function {
                parameters: metadata.param_types.iter().map(|id| types.of(id)).collect(),
                returns: types.called(&metadata.return_type),
            };
            let key = (module.clone(), metadata.name.to_string());
            by_name.entry(key).or_default().push(function);
        }
        let mut functions = Functions { by_name };
        functions.add_documented(&types);
        functions
    }

    /// The functions under PyTorch's names return what their signatures say.
    fn add_documented(&mut self, types: &Types) {
        for documented in documented() {
            let module = match documented.owner {
                "Tensor" => "",
                module => module,
            };
            let mut returned = documented.signatures.iter().map(|signature| {
                signature
                    .rsplit_once(" -> ")
                    .map_or("()", |(_, returned)| returned)
            });
            let first = returned.next().unwrap_or_default();
            let returns = if returned.all(|other| other == first) {
                types.called(first)
            } else {
                Type::Unknown
            };
            let key = (module.to_string(), documented.name.to_string());
            let is_of_tensor = |function: &&mut Function| {
                !module.is_empty() || function.parameters.first().and_then(Type::name) == Some("Tensor")
            };
            let known = self.by_name.get_mut(&key).into_iter().flatten();
            known
                .filter(is_of_tensor)
                .for_each(|function| function.returns = returns.clone());
        }
    }

    /// Returns all of that name in the module; those that need none are in the module "".
    pub fn named(&self, module: &str, name: &str) -> &[Function] {
        let key = (module.to_string(), name.to_string());
        self.by_name.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Returns whether there is a module of that name.
    pub fn has_module(&self, module: &str) -> bool {
        self.by_name.keys().any(|(known, _)| known == module)
    }

    /// Returns what a call with arguments of these types returns; `None` if there is no function for it.
    pub fn call(&self, module: &str, name: &str, arguments: &[Type]) -> Option<Type> {
        let fits = |function: &&Function| {
            function.parameters.len() == arguments.len()
                && arguments
                    .iter()
                    .zip(&function.parameters)
                    .all(|(given, wanted)| given.fits(wanted))
        };
        let mut fitting = self.named(module, name).iter().filter(fits);
        let first = fitting.next()?.returns.clone();
        if fitting.all(|other| other.returns == first) {
            Some(first)
        } else {
            Some(Type::Unknown)
        }
    }

    /// Returns whether any function of that name takes so many arguments.
    pub fn takes(&self, module: &str, name: &str, count: usize) -> bool {
        let mut all = self.named(module, name).iter();
        all.any(|function| function.parameters.len() == count)
    }
}

/// The names of the types that functions take.
struct Types(HashMap<TypeId, String>);

impl Types {
    /// Types of the language, and those that functions name in their signatures.
    fn learned(functions: &[(String, FuncMetadata)]) -> Types {
        let mut names: HashMap<TypeId, String> = [
            (TypeId::of::<()>(), "()"),
            (TypeId::of::<bool>(), "bool"),
            (TypeId::of::<char>(), "char"),
            (TypeId::of::<i64>(), "int"),
            (TypeId::of::<f64>(), "float"),
            (TypeId::of::<ImmutableString>(), "string"),
            (TypeId::of::<String>(), "string"),
            (TypeId::of::<&str>(), "string"),
            (TypeId::of::<Array>(), "array"),
            (TypeId::of::<Blob>(), "blob"),
            (TypeId::of::<Map>(), "map"),
            (TypeId::of::<FnPtr>(), "Fn"),
            (TypeId::of::<std::ops::Range<i64>>(), "range"),
            (TypeId::of::<std::ops::RangeInclusive<i64>>(), "range"),
        ]
        .into_iter()
        .map(|(id, name)| (id, name.to_string()))
        .collect();
        for (_, metadata) in functions {
            for (id, described) in metadata.param_types.iter().zip(&metadata.params_info) {
                if let Some((_, kind)) = described.split_once(':') {
                    names.entry(*id).or_insert_with(|| script_type(kind));
                }
            }
        }
        names.remove(&TypeId::of::<Dynamic>());
        Types(names)
    }

    fn of(&self, id: &TypeId) -> Type {
        self.0.get(id).map_or(Type::Unknown, |name| Type::named(name))
    }

    /// The type that a signature calls so, if there is one of that name.
    fn called(&self, rust: &str) -> Type {
        if rust.is_empty() {
            return Type::Unknown;
        }
        let name = script_type(rust);
        if self.0.values().any(|known| *known == name) {
            Type::named(&name)
        } else {
            Type::Unknown
        }
    }
}
