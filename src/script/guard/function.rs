//! One native function behind the guard.

use std::cell::OnceCell;
use std::rc::Rc;

use rhai::plugin::{PluginFunc, RhaiFunc, RhaiResult};
use rhai::{Dynamic, EvalAltResult, FuncMetadata, NativeCallContext, Shared};

use super::doors::{self, Door};
use super::keeper;
use crate::error::Error;
use crate::policy::{Policy, acting};
use crate::script;
use crate::script::failure::{Raise, RhaiResultOf, raise};
use crate::{guard, memory};

/// Who is asked before a function begins.
#[derive(Clone, Copy, Default)]
pub(super) struct Doors {
    /// Is there memory for it?
    memory: Option<Door>,
    /// May it reach what it names?
    outside: Option<&'static script::doors::Door>,
}

impl Doors {
    /// Returns those of a function that reaches outside by this door.
    pub(super) fn outside(door: Option<&'static script::doors::Door>) -> Self {
        Doors {
            memory: None,
            outside: door,
        }
    }

    /// Returns those of a function.
    pub(super) fn of(function: &FuncMetadata) -> Self {
        Doors {
            memory: doors::of(function),
            outside: script::doors::Door::of(&function.name),
        }
    }
}

/// Puts `function`, which scripts call `name`, behind the guard and its doors.
pub(super) fn guarded(function: RhaiFunc, name: Rc<OnceCell<String>>, doors: Doors) -> RhaiFunc {
    let guard_wants_context = doors.outside.is_some();
    let guard = Guard { name, doors };
    match function {
        RhaiFunc::Pure {
            func,
            has_context,
            is_pure,
            is_volatile,
        } => RhaiFunc::Pure {
            func: Shared::new(
                move |context: Option<NativeCallContext>, arguments: &mut [&mut Dynamic]| {
                    let policy = guard.admit(context.as_ref(), arguments)?;
                    guard.caught(policy.as_ref(), || func(context, arguments))
                },
            ),
            has_context: has_context || guard_wants_context,
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
                    let policy = guard.admit(context.as_ref(), arguments)?;
                    guard.caught(policy.as_ref(), || func(context, arguments))
                },
            ),
            has_context: has_context || guard_wants_context,
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
    doors: Doors,
}

impl Guard {
    /// Lets the call begin, if there is memory for it and it may reach what it names. Returns for whom files are opened
    /// meanwhile, where that is a library.
    fn admit(
        &self,
        context: Option<&NativeCallContext>,
        arguments: &[&mut Dynamic],
    ) -> RhaiResultOf<Option<Policy>> {
        if memory::is_nearly_over() && !self.takes_nothing() && memory::is_still_nearly_over() {
            return Err(raise(memory::used_up()));
        }
        if let Some(door) = self.doors.memory {
            door(arguments).raise()?;
        }
        match self.doors.outside {
            // What is asked for is looked up in folders: that may fail in any way.
            Some(door) => guard::attempt(|| keeper::ask(context, door, arguments))
                .unwrap_or_else(|panic| Err(panic.explain(&format!("`{}`", door.function))))
                .raise(),
            None => Ok(None),
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

    fn caught(&self, policy: Option<&Policy>, call: impl FnOnce() -> RhaiResult) -> RhaiResult {
        let call = || match policy {
            Some(policy) => acting(policy, call),
            None => call(),
        };
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
        let policy = self.guard.admit(context.as_ref(), arguments)?;
        self.guard
            .caught(policy.as_ref(), || self.function.call(context, arguments))
    }

    fn is_method_call(&self) -> bool {
        self.function.is_method_call()
    }

    fn has_context(&self) -> bool {
        self.function.has_context() || self.guard.doors.outside.is_some()
    }

    fn is_pure(&self) -> bool {
        self.function.is_pure()
    }

    fn is_volatile(&self) -> bool {
        self.function.is_volatile()
    }
}
