//! Functions under PyTorch's names: a table of signatures, one registration for all.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use rhai::{Dynamic, FuncRegistration, Map, Module, NativeCallContext};

use super::call::Call;
use super::definition::{Body, Function, Home, Memory};
use super::signature::{Mismatch, Signature};
use super::{TensorHandle, cast, creation, elementwise, in_place, reduction, select, shape};
use crate::error::{Error, Result};
use crate::script::failure::{Raise, RhaiResultOf, placed};
use crate::script::guard::SetGuarded;
use crate::tensor::{Tensor, size};

/// A function with its signatures read.
struct Ready {
    function: &'static Function,
    signatures: Vec<Signature>,
}

static FUNCTIONS: LazyLock<Vec<Ready>> = LazyLock::new(|| {
    let tables = [
        cast::FUNCTIONS,
        creation::FUNCTIONS,
        elementwise::UNARY,
        elementwise::BINARY,
        in_place::FUNCTIONS,
        reduction::FUNCTIONS,
        select::FUNCTIONS,
        shape::FUNCTIONS,
    ];
    let functions = tables.into_iter().flatten();
    functions
        .map(|function| Ready {
            function,
            signatures: function
                .overloads
                .iter()
                .map(|(text, _)| Signature::parse(text))
                .collect(),
        })
        .collect()
});

/// What is said about one function in one of its homes.
pub struct Documented {
    /// Its name.
    pub name: &'static str,
    /// `Tensor` for methods, else `torch`.
    pub owner: &'static str,
    /// One line for each way to call it.
    pub signatures: Vec<String>,
    /// What it does.
    pub docs: &'static str,
}

/// Returns all functions, for documentation.
pub fn documented() -> Vec<Documented> {
    let mut all = Vec::new();
    for ready in FUNCTIONS.iter() {
        let mut add = |owner| {
            all.push(Documented {
                name: ready.function.name,
                owner,
                signatures: ready.written(owner == "torch"),
                docs: ready.function.docs,
            });
        };
        if matches!(ready.function.home, Home::Method | Home::Both) {
            add("Tensor");
        }
        if ready.function.home != Home::Method {
            add("torch");
        }
    }
    all
}

/// Does a call of the function of that name, in `torch` or as a method of `Tensor`, fit one of its signatures?
///
/// # Errors
/// What running the call would say of its arguments.
pub fn check_call(owner: &str, name: &str, arguments: &[Dynamic]) -> Result<()> {
    let in_torch = owner == "torch";
    let is_there = |home: Home| {
        if in_torch {
            home != Home::Method
        } else {
            matches!(home, Home::Method | Home::Both)
        }
    };
    let mut all = FUNCTIONS.iter();
    match all.find(|ready| ready.function.name == name && is_there(ready.function.home)) {
        Some(ready) => ready.check(in_torch, arguments.to_vec()),
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
    fn check(&self, in_torch: bool, mut arguments: Vec<Dynamic>) -> Result<()> {
        let named = take_named(&mut arguments);
        let input = usize::from(in_torch && !self.is_free());
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
        Err(self.refusal(mismatches, &named, in_torch))
    }

    /// The signatures as they are shown: of the method, or of the function in `torch::`.
    fn written(&self, in_torch: bool) -> Vec<String> {
        let name = self.function.name;
        let overloads = self.function.overloads.iter().zip(&self.signatures);
        overloads
            .map(|((_, body), signature)| {
                let arguments = signature.to_string();
                let written = match (in_torch, body) {
                    (false, _) => format!("{name}({arguments})"),
                    (true, Body::Free(_)) => format!("torch::{name}({arguments})"),
                    (true, Body::Of(_)) => {
                        let comma = if arguments.is_empty() { "" } else { ", " };
                        format!("torch::{name}(input: Tensor{comma}{arguments})")
                    }
                };
                match signature.returns() {
                    "()" => written,
                    returns => format!("{written} -> {returns}"),
                }
            })
            .collect()
    }

    fn call(&self, in_torch: bool, this: Option<&Tensor>, mut arguments: Vec<Dynamic>) -> Result<Dynamic> {
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
            return match (body, this) {
                (Body::Of(body), Some(this)) => {
                    if self.function.memory == Memory::Like {
                        size::admit_like(this, this.kind())?;
                    }
                    body(this, &call)
                }
                (Body::Free(body), None) => body(&call),
                _ => continue,
            };
        }
        Err(self.refusal(mismatches, &named, in_torch))
    }

    /// The complaint about a name that no signature has, if there is one.
    fn unknown(&self, named: &Map) -> Option<Error> {
        let names: BTreeSet<&str> = self.signatures.iter().flat_map(Signature::names).collect();
        let unknown = named.keys().find(|name| !names.contains(name.as_str()))?;
        let names: Vec<&str> = names.into_iter().collect();
        Some(Error::unknown_key("argument", unknown, &names))
    }

    /// The complaint of the signature that fits best, and how the function can be called.
    fn refusal(&self, mismatches: Vec<Mismatch>, named: &Map, in_torch: bool) -> Error {
        let name = self.function.name;
        let best = mismatches
            .into_iter()
            .rev()
            .max_by_key(|mismatch| (mismatch.fitting, mismatch.counted));
        let error = match self.unknown(named).or(best.map(|mismatch| mismatch.error)) {
            Some(error) => error.context(format!("in the call of `{name}`")),
            None => Error::input(format!("`{name}` cannot be called like this")),
        };
        self.written(in_torch)
            .into_iter()
            .fold(error, |error, signature| {
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
    ($module:ident, $ready:ident, $in_torch:ident, $count:ident; $($n:literal: $($argument:ident)*;)*) => {
        match $count {
            $($n => {
                let new = || FuncRegistration::new($ready.function.name);
                if !$in_torch {
                    let types = ["tensor: &mut TensorHandle", $(concat!(stringify!($argument), ": Dynamic"),)*];
                    new().with_params_info(types).set_guarded(
                        $module,
                        move |this: &mut TensorHandle $(, $argument: Dynamic)*| -> RhaiResultOf<Dynamic> {
                            $ready.call(false, Some(this.tensor()), vec![$($argument),*]).raise()
                        },
                    );
                } else if $ready.is_free() {
                    new().set_guarded(
                        $module,
                        move |context: NativeCallContext<'_> $(, $argument: Dynamic)*| -> RhaiResultOf<Dynamic> {
                            placed(&context, || $ready.call(true, None, vec![$($argument),*]).raise())
                        },
                    );
                } else {
                    new().set_guarded(
                        $module,
                        move |context: NativeCallContext<'_>, input: TensorHandle $(, $argument: Dynamic)*|
                            -> RhaiResultOf<Dynamic> {
                            placed(&context, || $ready.call(true, Some(input.tensor()), vec![$($argument),*]).raise())
                        },
                    );
                }
            })*
            _ => (),
        }
    };
}

impl Ready {
    fn is_free(&self) -> bool {
        self.function.home == Home::Torch
    }

    fn register(&'static self, module: &mut Module, in_torch: bool) {
        let ready = self;
        for count in 0..=self.most_arguments() {
            by_count!(module, ready, in_torch, count;
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
    for ready in FUNCTIONS
        .iter()
        .filter(|ready| matches!(ready.function.home, Home::Method | Home::Both))
    {
        ready.register(module, false);
    }
}

/// Puts the functions into `torch::`.
pub fn register_functions(torch: &mut Module) {
    for ready in FUNCTIONS
        .iter()
        .filter(|ready| ready.function.home != Home::Method)
    {
        ready.register(torch, true);
    }
}
