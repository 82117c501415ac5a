//! Functions under PyTorch's names: a table of signatures, one registration for all.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use rhai::{Dynamic, FuncRegistration, Map, Module, NativeCallContext};

use super::call::Call;
use super::definition::{Body, Function, Home, MODULES, Memory, OTHER_NAMES};
use super::signature::{Mismatch, Signature};
use super::{
    TensorHandle, activations, alike, autograd, cast, creation, elementwise, generator, in_place, joining,
    larger, linalg, losses, maths, matrix_norms, order, places, products, random, rearrange, reduction,
    select, shape, statistics,
};
use crate::error::{Error, Fault, Result, Subject};
use crate::script::failure::{Raise, RhaiResultOf, placed};
use crate::script::guard::SetGuarded;
use crate::tensor::{Tensor, size};

/// A function with its signatures read.
struct Ready {
    name: &'static str,
    function: &'static Function,
    signatures: Vec<Signature>,
    /// Does it write its result into the tensor that it is called on?
    is_in_place: bool,
}

static FUNCTIONS: LazyLock<Vec<Ready>> = LazyLock::new(|| {
    let tables = [
        activations::FUNCTIONS,
        alike::FUNCTIONS,
        autograd::FUNCTIONS,
        cast::FUNCTIONS,
        creation::FUNCTIONS,
        elementwise::UNARY,
        elementwise::BINARY,
        in_place::FUNCTIONS,
        joining::FUNCTIONS,
        larger::FUNCTIONS,
        linalg::FUNCTIONS,
        losses::FUNCTIONS,
        matrix_norms::FUNCTIONS,
        maths::UNARY,
        maths::BINARY,
        order::FUNCTIONS,
        places::FUNCTIONS,
        products::FUNCTIONS,
        random::FUNCTIONS,
        rearrange::FUNCTIONS,
        reduction::FUNCTIONS,
        select::FUNCTIONS,
        shape::FUNCTIONS,
        statistics::FUNCTIONS,
    ];
    let functions = || tables.into_iter().flatten();
    let written_back = in_place::FORMS.iter().filter_map(|(name, of)| {
        let function = functions().find(|function| function.name == *of)?;
        Some(Ready::new(name, function, true))
    });
    let other_names = OTHER_NAMES.iter().filter_map(|(name, of)| {
        let function = functions().find(|function| function.name == *of && function.home != Home::Method)?;
        Some(Ready::new(name, function, false))
    });
    functions()
        .map(|function| Ready::new(function.name, function, false))
        .chain(written_back)
        .chain(other_names)
        .collect()
});

/// What is said about one function in one of its homes.
pub struct Documented {
    /// Its name.
    pub name: &'static str,
    /// `Tensor` for methods, else its module.
    pub owner: &'static str,
    /// One line for each way to call it.
    pub signatures: Vec<String>,
    /// What it does.
    pub docs: String,
}

/// Returns all functions, for documentation.
pub fn documented() -> Vec<Documented> {
    let homes = |ready: &'static Ready| {
        let method = ready.is_method().then_some((METHOD, None));
        let modules = ready.modules().iter().map(|module| (*module, Some(*module)));
        method.into_iter().chain(modules)
    };
    let all = FUNCTIONS.iter().flat_map(|ready| {
        homes(ready).map(|(owner, module)| Documented {
            name: ready.name,
            owner,
            signatures: ready.written(module),
            docs: ready.docs(),
        })
    });
    all.collect()
}

/// The owner of methods.
const METHOD: &str = "Tensor";

/// Does a call of the function of that name, in a module or as a method of `Tensor`, fit one of its signatures?
///
/// # Errors
/// What running the call would say of its arguments.
pub fn check_call(owner: &str, name: &str, arguments: &[Dynamic]) -> Result<()> {
    let module = MODULES.into_iter().find(|module| *module == owner);
    let mut all = FUNCTIONS.iter();
    match all.find(|ready| ready.name == name && ready.is_in(module)) {
        Some(ready) => ready.check(module, arguments.to_vec()),
        None => Ok(()),
    }
}

/// Takes the named arguments, a map at the end, out of `arguments`.
fn take_named(arguments: &mut Vec<Dynamic>) -> Map {
    let named = match arguments.last() {
        Some(last) if last.is_map() => arguments.pop().map(Dynamic::cast::<Map>),
        _ => None,
    };
    named.unwrap_or_default()
}

impl Ready {
    fn new(name: &'static str, function: &'static Function, is_in_place: bool) -> Self {
        let overloads = function.overloads.iter();
        Ready {
            name,
            function,
            signatures: overloads.map(|(text, _)| Signature::parse(text)).collect(),
            is_in_place,
        }
    }

    fn is_method(&self) -> bool {
        self.is_in_place || self.function.home.is_method()
    }

    fn modules(&self) -> &'static [&'static str] {
        if self.is_in_place {
            &[]
        } else {
            self.function.home.modules()
        }
    }

    /// Is it in that module, or a method?
    fn is_in(&self, module: Option<&str>) -> bool {
        match module {
            Some(module) => self.modules().contains(&module),
            None => self.is_method(),
        }
    }

    fn docs(&self) -> String {
        if self.is_in_place {
            let of = self.function.name;
            format!(
                "As `{of}`, but writes the result into the tensor and returns it; gradients do not see it."
            )
        } else if self.name == self.function.name {
            self.function.docs.to_string()
        } else {
            format!("The same as `{}`. {}", self.function.name, self.function.docs)
        }
    }

    fn check(&self, module: Option<&str>, mut arguments: Vec<Dynamic>) -> Result<()> {
        let named = take_named(&mut arguments);
        let input = usize::from(module.is_some() && !self.is_free());
        let Some(arguments) = arguments.get(input..) else {
            return Ok(());
        };
        let mut mismatches = Vec::new();
        for signature in &self.signatures {
            match signature.bind(arguments, &named) {
                Ok(_) => return Ok(()),
                Err(mismatch) => mismatches.push(mismatch),
            }
        }
        Err(self.refusal(mismatches, &named, module))
    }

    /// The signatures as they are shown: of the method, or of the function in a module.
    fn written(&self, module: Option<&str>) -> Vec<String> {
        let name = self.name;
        let overloads = self.function.overloads.iter().zip(&self.signatures);
        overloads
            .map(|((_, body), signature)| {
                let arguments = signature.to_string();
                let written = match (module, body) {
                    (None, _) => format!("{name}({arguments})"),
                    (Some(module), Body::Free(_)) => format!("{module}::{name}({arguments})"),
                    (Some(module), Body::Of(_)) => {
                        let comma = if arguments.is_empty() { "" } else { ", " };
                        format!("{module}::{name}(input: Tensor{comma}{arguments})")
                    }
                };
                match signature.returns() {
                    "()" => written,
                    returns => format!("{written} -> {returns}"),
                }
            })
            .collect()
    }

    fn call(
        &self,
        module: Option<&str>,
        this: Option<&Tensor>,
        mut arguments: Vec<Dynamic>,
    ) -> Result<Dynamic> {
        for argument in &mut arguments {
            *argument = std::mem::take(argument).flatten();
        }
        let named = take_named(&mut arguments);
        let mut mismatches: Vec<Mismatch> = Vec::new();
        for ((_, body), signature) in self.function.overloads.iter().zip(&self.signatures) {
            let values = match signature.bind(&arguments, &named) {
                Ok(values) => values,
                Err(mismatch) => {
                    mismatches.push(mismatch);
                    continue;
                }
            };
            let call = Call::new(signature, values);
            return self.run(*body, this, &call).map_err(|error| {
                // What was given is seen where libtorch says what it cannot do with it.
                match error.subject() {
                    Subject::Other | Subject::OutOfRange if error.fault() == Fault::Input => {
                        call.described(this).into_iter().fold(error, Error::hint)
                    }
                    _ => error,
                }
            });
        }
        Err(self.refusal(mismatches, &named, module))
    }

    fn run(&self, body: Body, this: Option<&Tensor>, call: &Call<'_>) -> Result<Dynamic> {
        match (body, this) {
            (Body::Of(body), Some(this)) => {
                if self.function.memory == Memory::Like {
                    size::admit_like(this, this.kind())?;
                }
                if self.is_in_place {
                    return in_place::write_back(this, || body(this, call));
                }
                body(this, call)
            }
            (Body::Free(body), None) => body(call),
            _ => Err(Error::input(format!(
                "`{}` cannot be called like this",
                self.name
            ))),
        }
    }

    /// The complaint about a name that no signature has, if there is one.
    fn unknown(&self, named: &Map) -> Option<Error> {
        let names: BTreeSet<&str> = self.signatures.iter().flat_map(Signature::names).collect();
        let unknown = named.keys().find(|name| !names.contains(name.as_str()))?;
        let names: Vec<&str> = names.into_iter().collect();
        Some(Error::unknown_key("argument", unknown, &names))
    }

    /// The complaint of the signature that fits best, and how the function can be called.
    fn refusal(&self, mismatches: Vec<Mismatch>, named: &Map, module: Option<&str>) -> Error {
        let name = self.name;
        let best = mismatches
            .into_iter()
            .rev()
            .max_by_key(|mismatch| (mismatch.fitting, mismatch.counted));
        let error = match self.unknown(named).or(best.map(|mismatch| mismatch.error)) {
            Some(error) => error.context(format!("in the call of `{name}`")),
            None => Error::input(format!("`{name}` cannot be called like this")),
        };
        self.written(module).into_iter().fold(error, |error, signature| {
            error.hint(format!("it can be called as `{signature}`"))
        })
    }

    fn most_arguments(&self) -> usize {
        let most = self.signatures.iter().map(Signature::most_arguments).max();
        // One more than fits, so that too many are told in the words above.
        (most.unwrap_or(0) + 1).min(MOST_ARGUMENTS)
    }
}

/// Most arguments after the tensor.
const MOST_ARGUMENTS: usize = 7;

/// Registers closures of a number of arguments that is known only when the program runs.
macro_rules! by_count {
    ($module:ident, $ready:ident, $home:ident, $count:ident; $($n:literal: $($argument:ident)*;)*) => {
        match $count {
            $($n => {
                let new = || FuncRegistration::new($ready.name);
                if $home.is_none() {
                    let types = ["tensor: &mut TensorHandle", $(concat!(stringify!($argument), ": Dynamic"),)*];
                    new().with_params_info(types).set_guarded(
                        $module,
                        move |this: &mut TensorHandle $(, $argument: Dynamic)*| -> RhaiResultOf<Dynamic> {
                            $ready.call(None, Some(this.tensor()), vec![$($argument),*]).raise()
                        },
                    );
                } else if $ready.is_free() {
                    new().set_guarded(
                        $module,
                        move |context: NativeCallContext<'_> $(, $argument: Dynamic)*| -> RhaiResultOf<Dynamic> {
                            placed(&context, || $ready.call($home, None, vec![$($argument),*]).raise())
                        },
                    );
                } else {
                    new().set_guarded(
                        $module,
                        move |context: NativeCallContext<'_>, input: TensorHandle $(, $argument: Dynamic)*|
                            -> RhaiResultOf<Dynamic> {
                            placed(&context, || $ready.call($home, Some(input.tensor()), vec![$($argument),*]).raise())
                        },
                    );
                }
            })*
            _ => (),
        }
    };
}

impl Ready {
    /// In modules it takes no tensor before its arguments.
    fn is_free(&self) -> bool {
        let mut bodies = self.function.overloads.iter();
        bodies.all(|(_, body)| matches!(body, Body::Free(_)))
    }

    fn register(&'static self, module: &mut Module, home: Option<&'static str>) {
        let ready = self;
        for count in 0..=self.most_arguments() {
            by_count!(module, ready, home, count;
                0: ;
                1: a;
                2: a b;
                3: a b c;
                4: a b c d;
                5: a b c d e;
                6: a b c d e f;
                7: a b c d e f g;
            );
        }
    }
}

/// Puts the methods into `module`.
pub fn register_methods(module: &mut Module) {
    for ready in FUNCTIONS.iter().filter(|ready| ready.is_method()) {
        ready.register(module, None);
    }
}

/// Puts the functions into `torch::` and the modules in it.
pub fn register_functions(torch: &mut Module) {
    let [own, linalg, functional, autograd] = MODULES.map(|name| {
        let mut module = Module::new();
        for ready in FUNCTIONS.iter().filter(|ready| ready.is_in(Some(name))) {
            ready.register(&mut module, Some(name));
        }
        module
    });
    torch.combine(own);
    torch.set_sub_module("linalg", linalg);
    torch.set_sub_module("autograd", autograd);
    let mut nn = Module::new();
    nn.set_sub_module("functional", functional);
    torch.set_sub_module("nn", nn);
    generator::register_functions(torch);
}
