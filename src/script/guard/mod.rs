//! The guard around the native functions that scripts call: what panics inside is an error of the script, which `try`
//! catches, and what would take more than the memory budget is refused before it begins.
//!
//! ```text
//! function  one function behind the guard
//! standard  the language's own library
//! doors     what functions that multiply their arguments are about to take
//! values    what a value takes
//! operation what ends a script before its next operation
//! joining   `+` and `+=` of texts and containers
//! waiting   `sleep`
//! keeper    who asks the policy before a function reaches outside
//! ```

mod doors;
mod function;
mod joining;
mod keeper;
mod operation;
mod standard;
mod values;
mod waiting;

use std::cell::OnceCell;
use std::rc::Rc;

use rhai::plugin::{ModuleManifest, RhaiFunc};
use rhai::{Engine, FuncMetadata, FuncRegistration, Module, RhaiNativeFunc, Variant};

use self::function::{Doors, guarded};
pub use self::keeper::install_keeper;
pub use self::operation::{before_each_operation, unparsable};
pub use self::standard::standard_library;
use super::doors::Door;

/// Puts the functions of `module` that `#[export_module(manifest)]` lists behind the guard.
pub fn protect(module: &mut Module, manifest: &'static ModuleManifest) {
    let mut listed = Module::new();
    manifest.for_each_fn(true, &mut |entry| entry.register_into(&mut listed));
    let described = functions_of(&listed);
    manifest.for_each_fn(true, &mut |entry| {
        let hash = entry.calc_hash(&[]);
        if let Some(metadata) = described.iter().find(|metadata| metadata.hash == hash) {
            register(module, metadata, RhaiFunc::StaticPlugin { func: entry.func });
        }
    });
}

/// Registration of closures, guarded.
pub trait SetGuarded {
    /// As `set_into_module`, for functions that leave what they are called on as it is.
    fn set_guarded<A: 'static, const N: usize, const X: bool, R, const F: bool, FUNC>(
        self,
        module: &mut Module,
        function: FUNC,
    ) where
        R: Variant + Clone,
        FUNC: RhaiNativeFunc<A, N, X, R, F> + 'static;

    /// The same, and the policy is asked for `door` before it begins.
    fn set_behind<A: 'static, const N: usize, const X: bool, R, const F: bool, FUNC>(
        self,
        door: Option<&'static Door>,
        module: &mut Module,
        function: FUNC,
    ) where
        R: Variant + Clone,
        FUNC: RhaiNativeFunc<A, N, X, R, F> + 'static;
}

impl SetGuarded for FuncRegistration {
    fn set_guarded<A: 'static, const N: usize, const X: bool, R, const F: bool, FUNC>(
        self,
        module: &mut Module,
        function: FUNC,
    ) where
        R: Variant + Clone,
        FUNC: RhaiNativeFunc<A, N, X, R, F> + 'static,
    {
        self.set_behind(None, module, function);
    }

    fn set_behind<A: 'static, const N: usize, const X: bool, R, const F: bool, FUNC>(
        self,
        door: Option<&'static Door>,
        module: &mut Module,
        function: FUNC,
    ) where
        R: Variant + Clone,
        FUNC: RhaiNativeFunc<A, N, X, R, F> + 'static,
    {
        let name = Rc::new(OnceCell::new());
        let function = guarded(
            function.into_rhai_function(door.is_none(), true),
            name.clone(),
            Doors::outside(door),
        );
        let metadata = self.set_into_module_raw(module, FUNC::param_types(), function);
        let _ = name.set(metadata.name.to_string());
    }
}

/// Registers `function` as `metadata` says, guarded.
fn register(module: &mut Module, metadata: &FuncMetadata, function: RhaiFunc) {
    let name = OnceCell::from(metadata.name.to_string());
    FuncRegistration::new(metadata.name.clone())
        .with_namespace(metadata.namespace)
        .with_params_info(parameters(metadata))
        .with_comments(&metadata.comments)
        .set_into_module_raw(
            module,
            &metadata.param_types,
            guarded(function, Rc::new(name), Doors::of(metadata)),
        );
}

pub(super) fn functions_of(module: &Module) -> Vec<FuncMetadata> {
    let mut engine = Engine::new_raw();
    engine.register_global_module(module.clone().into());
    engine.collect_fn_metadata(None, |function| Some(function.metadata.clone()), true)
}

/// Parameters as they were given at registration: their descriptions, then the result's.
fn parameters(metadata: &FuncMetadata) -> Vec<&str> {
    let result = (!metadata.return_type.is_empty()).then_some(metadata.return_type.as_str());
    let parameters = metadata.params_info.iter().map(|info| info.as_str());
    parameters.chain(result).collect()
}

#[cfg(test)]
mod tests;
