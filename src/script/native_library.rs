//! Libraries whose functions and objects are written in Rust: a namespace of their own, with documentation for `:help`,
//! completion and `check`, behind the same guard and the same policy as saescript's own functions.

use std::sync::OnceLock;

use rhai::{Engine, FnNamespace, FuncRegistration, Module, RhaiNativeFunc, Variant};

use super::doors::{Door, Place};
use super::guard::SetGuarded;

/// Makes the libraries that every host of this process has.
static OF_ALL_HOSTS: OnceLock<fn() -> Vec<NativeLibrary>> = OnceLock::new();

/// A library in Rust, as [`HostBuilder::native`](super::HostBuilder::native) takes it.
///
/// Scripts call its functions as `NAME::FUNCTION(…)`, and methods on its objects.
pub struct NativeLibrary {
    name: String,
    module: Module,
}

/// What a function of a library is called, takes and says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its parameters, `"x: Tensor"` each, and at the end what it returns: `"float"`.
    pub signature: &'a [&'a str],
    /// What it does, in Markdown.
    pub docs: &'a str,
    /// Which arguments, counted from 0, are paths, addresses or variables of the environment: the policy is asked for
    /// them before the function begins. A function that reaches outside in another way does so with the rights of the
    /// process.
    pub places: &'static [(usize, Place)],
}

impl NativeLibrary {
    /// Begins a library that scripts know as `name`; `docs` says what it is for.
    pub fn new(name: &str, docs: &str) -> Self {
        let mut module = Module::new();
        module.set_id(name);
        module.set_doc(docs);
        NativeLibrary {
            name: name.into(),
            module,
        }
    }

    /// Adds a function, which scripts call as `NAME::FUNCTION(…)`.
    pub fn function<A: 'static, const N: usize, const X: bool, R, const F: bool, FUNC>(
        mut self,
        described: Described<'_>,
        function: FUNC,
    ) -> Self
    where
        R: Variant + Clone,
        FUNC: RhaiNativeFunc<A, N, X, R, F> + 'static,
    {
        self.register(described, FnNamespace::Internal, function);
        self
    }

    /// Adds a method of its objects, whose first parameter is the object, `"self: Running"`.
    pub fn method<A: 'static, const N: usize, const X: bool, R, const F: bool, FUNC>(
        mut self,
        described: Described<'_>,
        function: FUNC,
    ) -> Self
    where
        R: Variant + Clone,
        FUNC: RhaiNativeFunc<A, N, X, R, F> + 'static,
    {
        self.register(described, FnNamespace::Global, function);
        self
    }

    /// Names a type of its objects, as `type_of` and messages call it.
    pub fn object<T: Variant + Clone>(mut self, name: &str) -> Self {
        self.module.set_custom_type::<T>(name);
        self
    }

    fn register<A: 'static, const N: usize, const X: bool, R, const F: bool, FUNC>(
        &mut self,
        described: Described<'_>,
        namespace: FnNamespace,
        function: FUNC,
    ) where
        R: Variant + Clone,
        FUNC: RhaiNativeFunc<A, N, X, R, F> + 'static,
    {
        let mut signature: Vec<String> = described.signature.iter().map(|part| part.to_string()).collect();
        if namespace == FnNamespace::Global
            && let Some(object) = signature.first_mut()
        {
            // So the engine writes what a method is called on, and documentation tells methods by it.
            *object = object.replacen(": ", ": &mut ", 1);
        }
        let comments: Vec<String> = described.docs.lines().map(|line| format!("/// {line}")).collect();
        FuncRegistration::new(described.name)
            .with_namespace(namespace)
            .with_params_info(&signature)
            .with_comments(&comments)
            .set_behind(door(&described), &mut self.module, function);
    }

    /// Makes it known to scripts.
    pub(super) fn install(self, engine: &mut Engine) {
        engine.register_static_module(self.name, self.module.into());
    }
}

/// Returns what the policy is asked for; it lives as long as the process, as the tables of saescript's own functions do.
fn door(described: &Described<'_>) -> Option<&'static Door> {
    if described.places.is_empty() {
        return None;
    }
    let name: &'static str = Box::leak(described.name.to_string().into_boxed_str());
    Some(Box::leak(Box::new(Door::by(name, described.places))))
}

/// Has all hosts of this process begin with the libraries that `libraries` makes: for programs that have saescript's whole
/// command line ([`cli::run`](crate::cli::run)). The first call counts.
pub fn add_to_all_hosts(libraries: fn() -> Vec<NativeLibrary>) {
    OF_ALL_HOSTS.get_or_init(|| libraries);
}

/// Returns the libraries that every host begins with.
pub(super) fn of_all_hosts() -> Vec<NativeLibrary> {
    OF_ALL_HOSTS
        .get()
        .map(|libraries| libraries())
        .unwrap_or_default()
}
