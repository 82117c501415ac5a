//! One native function behind the guard.

use std::cell::OnceCell;
use std::rc::Rc;

use rhai::plugin::{PluginFunc, RhaiFunc, RhaiResult};
use rhai::{Dynamic, EvalAltResult, NativeCallContext, Shared};

use super::doors::Door;
use crate::error::Error;
use crate::script::failure::{RhaiResultOf, raise};
use crate::{guard, memory};

/// Puts `function`, which scripts call `name`, behind the guard, and behind `door` if it has one.
pub(super) fn guarded(function: RhaiFunc, name: Rc<OnceCell<String>>, door: Option<Door>) -> RhaiFunc {
    let guard = Guard { name, door };
    match function {
        RhaiFunc::Pure {
            func,
            has_context,
            is_pure,
            is_volatile,
        } => RhaiFunc::Pure {
            func: Shared::new(
                move |context: Option<NativeCallContext>, arguments: &mut [&mut Dynamic]| {
                    guard.admit(arguments)?;
                    guard.caught(|| func(context, arguments))
                },
            ),
            has_context,
            is_pure,
            is_volatile,
        },
        RhaiFunc::Method {
            func,
            has_context,
            is_pure,
            is_volatile,
        } => RhaiFunc::Method {
            func: Shared::new(
                move |context: Option<NativeCallContext>, arguments: &mut [&mut Dynamic]| {
                    guard.admit(arguments)?;
                    guard.caught(|| func(context, arguments))
                },
            ),
            has_context,
            is_pure,
            is_volatile,
        },
        RhaiFunc::Plugin { func } => RhaiFunc::Plugin {
            func: Shared::new(Plugin {
                guard,
                function: func,
            }),
        },
        RhaiFunc::StaticPlugin { func } => RhaiFunc::Plugin {
            func: Shared::new(Plugin {
                guard,
                function: func,
            }),
        },
        other => other,
    }
}

/// What stands around a function.
struct Guard {
    /// Known once the function is registered.
    name: Rc<OnceCell<String>>,
    door: Option<Door>,
}

impl Guard {
    /// Lets the call begin, if there is memory for it.
    fn admit(&self, arguments: &[&mut Dynamic]) -> RhaiResultOf<()> {
        if memory::is_nearly_over() && !self.takes_nothing() && memory::is_still_nearly_over() {
            return Err(raise(memory::used_up()));
        }
        match self.door {
            Some(door) => door(arguments).map_err(raise),
            None => Ok(()),
        }
    }

    /// Is it one that what comes after a failure needs: to let go of values, and to say what was wrong?
    fn takes_nothing(&self) -> bool {
        const SUCH: [&str; 9] = [
            "clear", "truncate", "remove", "pop", "shift", "len", "print", "debug", "type_of",
        ];
        let name = self.name.get().map_or("", String::as_str);
        SUCH.contains(&name) || name.starts_with("get$")
    }

    fn caught(&self, call: impl FnOnce() -> RhaiResult) -> RhaiResult {
        match guard::attempt(|| memory::at_any_depth(call)) {
            Ok(result) => result.map_err(|failure| self.explained(catchable(*failure))),
            Err(panic) => {
                let name = self.name.get().map_or("a function", String::as_str);
                Err(raise(panic.explain(&format!("`{}`", as_written(name)))))
            }
        }
    }
}

impl Guard {
    /// The language's own functions throw bare texts, which have no place yet; what a closure throws has one.
    fn explained(&self, failure: Box<EvalAltResult>) -> Box<EvalAltResult> {
        match *failure {
            EvalAltResult::ErrorRuntime(ref text, position) if position.is_none() && text.is_string() => {
                let name = self.name.get().map_or("a function", String::as_str);
                raise(Error::input(format!("`{}`: {text}", as_written(name))))
            }
            _ => failure,
        }
    }
}

/// The engine's names of property getters and setters, as scripts write them.
fn as_written(name: &str) -> &str {
    name.strip_prefix("get$")
        .or_else(|| name.strip_prefix("set$"))
        .unwrap_or(name)
}

/// What ends closures that a function calls for want of memory, an error that `catch` does not see, is an error of the
/// function, which it does.
fn catchable(failure: EvalAltResult) -> Box<EvalAltResult> {
    use EvalAltResult as E;
    match failure {
        E::ErrorTerminated(token, position) if token.is::<Error>() => E::ErrorRuntime(token, position).into(),
        E::ErrorInFunctionCall(function, source, inner, position) => {
            E::ErrorInFunctionCall(function, source, catchable(*inner), position).into()
        }
        other => other.into(),
    }
}

/// A function that `#[export_module]` made.
struct Plugin<P> {
    guard: Guard,
    function: P,
}

impl<P: std::ops::Deref<Target: PluginFunc>> PluginFunc for Plugin<P> {
    fn call(&self, context: Option<NativeCallContext>, arguments: &mut [&mut Dynamic]) -> RhaiResult {
        self.guard.admit(arguments)?;
        self.guard.caught(|| self.function.call(context, arguments))
    }

    fn is_method_call(&self) -> bool {
        self.function.is_method_call()
    }

    fn has_context(&self) -> bool {
        self.function.has_context()
    }

    fn is_pure(&self) -> bool {
        self.function.is_pure()
    }

    fn is_volatile(&self) -> bool {
        self.function.is_volatile()
    }
}
