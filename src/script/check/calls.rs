//! Calls, properties and constants: is there one of that name, and does it take so many arguments of these types?

use rhai::{EvalAltResult, Expr, FnCallExpr, FnPtr, Namespace, Position};

use super::facts::Definition;
use super::types::Type;
use super::walk::Walker;
use crate::error::{Error, counted, nearest};
use crate::script::class::Class;
use crate::script::docs::Kind;

/// Functions that the engine itself sees to, and tells nobody about.
const BUILT_IN: [&str; 10] = [
    "print",
    "debug",
    "type_of",
    "eval",
    "Fn",
    "call",
    "curry",
    "is_def_var",
    "is_def_fn",
    "is_shared",
];

impl Walker<'_> {
    /// Judges `name(…)` and `module::name(…)`.
    pub(super) fn call(&mut self, call: &FnCallExpr, position: Position) -> Type {
        if let Some(captured) = self.captured(call) {
            return captured;
        }
        let arguments = self.arguments(call);
        if !call.namespace.is_empty() {
            return self.module_call(&call.namespace, call, &arguments, position);
        }
        let name = call.name.as_str();
        let functions = &self.checker.functions;
        if !is_name(name) {
            return functions.call("", name, &arguments).unwrap_or(Type::Unknown);
        }
        if BUILT_IN.contains(&name) || self.is_own_or_lost(name, arguments.len()) {
            return Type::Unknown;
        }
        let Some(returned) = functions.call("", name, &arguments) else {
            // Who asks first whether there is such a function knows that there may be none.
            let is_asked = self.script.mentioned.contains(name);
            let takes = functions.takes("", name, arguments.len());
            if !(is_asked && functions.named("", name).is_empty() || self.tried > 0 && takes) {
                self.report(no_function(name, &arguments, position));
            }
            return Type::Wrong;
        };
        self.check_keys(None, call, position);
        returned
    }

    /// A closure with what it captures: a call of `curry`.
    fn captured(&mut self, call: &FnCallExpr) -> Option<Type> {
        let (first, variables) = call.args.split_first()?;
        let Expr::DynamicConstant(value, _) = first else {
            return None;
        };
        let name = value.read_lock::<FnPtr>()?.fn_name().to_string();
        if call.name != "curry" {
            return None;
        }
        let captured = variables
            .iter()
            .map(|variable| self.expression(variable))
            .collect();
        Some(self.closure(&name, captured))
    }

    /// Goes through the arguments. What goes wrong in a closure that is called within a `try` is meant to.
    fn arguments(&mut self, call: &FnCallExpr) -> Vec<Type> {
        let is_own = call.namespace.is_empty();
        let mut own = self.script.named(&call.name);
        let called = own.find(|own| is_own && own.parameters.len() == call.args.len());
        let imported = if call.namespace.is_empty() {
            None
        } else {
            self.checker.imported(self.script, call.namespace.root())
        };
        let called = called.or_else(|| {
            let mut same = imported.as_ref()?.named(&call.name);
            same.find(|own| own.parameters.len() == call.args.len())
        });
        let mut kinds = Vec::new();
        for (index, argument) in call.args.iter().enumerate() {
            let is_tried = called.is_some_and(|function| function.tries(index));
            self.tried += usize::from(is_tried);
            kinds.push(self.expression(argument));
            self.tried -= usize::from(is_tried);
        }
        kinds
    }

    /// Does the script define the function, or may it have stood in what could not be parsed?
    fn is_own_or_lost(&self, name: &str, count: usize) -> bool {
        self.script.lost.contains(name) || self.script.named(name).any(|own| own.parameters.len() == count)
    }

    fn module_call(
        &mut self,
        namespace: &Namespace,
        call: &FnCallExpr,
        arguments: &[Type],
        position: Position,
    ) -> Type {
        let parts: Vec<&str> = namespace.path.iter().map(|part| part.name.as_str()).collect();
        let module = &*parts.join("::");
        let name = call.name.as_str();
        let is_nested = parts.len() > 1;
        if module == "global" || (is_nested && !self.checker.functions.has_module(module)) {
            return Type::Unknown;
        }
        if let Some(imported) = self.checker.imported(self.script, module) {
            let public: Vec<&Definition> = imported.functions.iter().filter(|own| !own.is_private).collect();
            let fits = |own: &&&Definition| own.name == name && own.parameters.len() == arguments.len();
            if !public.iter().any(|own| fits(&own)) && !imported.lost.contains(name) {
                self.report_error(no_imported(module, name, arguments.len(), &public), position);
                return Type::Wrong;
            }
            return Type::Unknown;
        }
        if self.checker.is_import(self.script, module) {
            return Type::Unknown;
        }
        let functions = &self.checker.functions;
        if !functions.has_module(module) && !self.checker.has_constants(module) {
            self.unknown_module(module, namespace.position());
            return Type::Wrong;
        }
        let Some(returned) = functions.call(module, name, arguments) else {
            if self.tried == 0 || !functions.takes(module, name, arguments.len()) {
                self.report(no_function(&format!("{module}::{name}"), arguments, position));
            }
            return Type::Wrong;
        };
        self.check_keys(Some(module), call, position);
        self.check_binding(module, true, call, position);
        returned
    }

    fn unknown_module(&self, module: &str, position: Position) {
        if self.script.has_undefined && !self.script.lost.contains(module) {
            self.report(EvalAltResult::ErrorModuleNotFound(module.into(), position));
        }
    }

    /// Judges `module::NAME`.
    pub(super) fn constant(&self, namespace: &Namespace, name: &str, position: Position) -> Type {
        let module = namespace.root();
        if namespace.path.len() != 1 || module == "global" {
            return Type::Unknown;
        }
        if let Some(imported) = self.checker.imported(self.script, module) {
            if !imported.exports.contains(name) && !imported.lost.contains(name) {
                let names: Vec<&str> = imported.exports.iter().map(String::as_str).collect();
                self.report_error(no_export(module, name, &names), position);
            }
            return Type::Unknown;
        }
        if self.checker.is_import(self.script, module) {
            return Type::Unknown;
        }
        if !self.checker.functions.has_module(module) && !self.checker.has_constants(module) {
            self.unknown_module(module, namespace.position());
            return Type::Wrong;
        }
        match self.checker.constant(module, name) {
            Some(value) => Type::of(&value),
            None => {
                let path = format!("{module}::{name}");
                self.report(EvalAltResult::ErrorVariableNotFound(path, position));
                Type::Wrong
            }
        }
    }

    /// Judges `receiver.name(…)`.
    pub(super) fn method(&mut self, receiver: Type, call: &FnCallExpr, position: Position) -> Type {
        let arguments = self.arguments(call);
        let name = call.name.as_str();
        if receiver == Type::Wrong {
            return Type::Wrong;
        }
        if let (Type::Closure(taken), "call") = (&receiver, name) {
            self.closure_call(*taken, arguments.len(), position);
            return Type::Unknown;
        }
        if BUILT_IN.contains(&name) || self.is_own_or_lost(name, arguments.len()) {
            return Type::Unknown;
        }
        let mut all = vec![receiver.clone()];
        all.extend(arguments);
        let functions = &self.checker.functions;
        let returned = functions.call("", name, &all);
        let may_be_key = matches!(receiver.name(), None | Some("map")) && self.checker.is_mentioned(name);
        match returned {
            Some(returned) => {
                self.check_method_keys(&receiver, call, position);
                self.check_binding("Tensor", receiver.name() == Some("Tensor"), call, position);
                match receiver {
                    Type::Unknown => Type::Unknown,
                    _ => returned,
                }
            }
            // What is not known may be a map that holds a closure under any name.
            None if matches!(receiver, Type::Unknown) || may_be_key || self.tried > 0 => Type::Unknown,
            None => {
                self.report(no_function(name, &all, position));
                Type::Wrong
            }
        }
    }

    /// A call of a closure that stands in the script.
    fn closure_call(&self, taken: usize, given: usize, position: Position) {
        if taken != given && self.tried == 0 {
            let error = Error::input(format!(
                "the closure takes {}, but is called with {given}",
                counted(taken, "argument")
            ));
            let error = error.hint("the names between its `|…|` are what it takes");
            self.report_error(error, position);
        }
    }

    /// Judges `receiver.name`.
    pub(super) fn property(&self, receiver: &Type, name: &str, position: Position) -> Type {
        let Some(kind) = receiver
            .name()
            .filter(|kind| self.checker.has_closed_properties(kind))
        else {
            return match receiver {
                Type::Wrong => Type::Wrong,
                _ => Type::Unknown,
            };
        };
        let getter = format!("get${name}");
        if let Some(returned) = self
            .checker
            .functions
            .call("", &getter, std::slice::from_ref(receiver))
        {
            return returned;
        }
        let setter = format!("set${name}");
        let is_set = self
            .checker
            .functions
            .named("", &setter)
            .iter()
            .any(|set| set.parameters.first().is_some_and(|first| receiver.fits(first)));
        let members = self.checker.catalog.members(kind);
        let is_field = |kind| kind == Kind::Field || kind == Kind::Property;
        let is_known = members
            .iter()
            .any(|member| member.name == name && is_field(member.kind));
        if is_set || is_known || self.tried > 0 {
            return Type::Unknown;
        }
        match Class::find(kind) {
            Some(_) => {
                let fields = members.iter().filter(|member| member.kind == Kind::Field);
                let names: Vec<&str> = fields.map(|field| field.name.as_str()).collect();
                let error = Error::unknown_key("field", name, &names).context(format!("of {kind}"));
                self.report_error(error, position);
            }
            None => {
                // In the engine's words, which the explanation of run-time errors reads.
                let text =
                    format!("Unknown property '{name}' - a getter is not registered for type '{kind}'");
                self.report(EvalAltResult::ErrorDotExpr(text, position));
            }
        }
        Type::Wrong
    }
}

/// The engine's failure to find a function.
fn no_function(name: &str, arguments: &[Type], position: Position) -> EvalAltResult {
    let kinds: Vec<&str> = arguments.iter().map(Type::shown).collect();
    EvalAltResult::ErrorFunctionNotFound(format!("{name} ({})", kinds.join(", ")), position)
}

fn no_imported(module: &str, name: &str, given: usize, public: &[&Definition]) -> Error {
    let same: Vec<&&Definition> = public.iter().filter(|own| own.name == name).collect();
    if !same.is_empty() {
        let error = Error::input(format!(
            "`{module}::{name}` cannot be called with {}",
            counted(given, "argument")
        ));
        return same.iter().fold(error, |error, own| {
            error.hint(format!("it can be called as `{module}::{}`", own.signature()))
        });
    }
    let names = public.iter().map(|own| own.name.as_str());
    let error = Error::input(format!("unknown function `{module}::{name}`"));
    match nearest(name, names.clone()) {
        Some(near) => error.hint(format!("did you mean `{module}::{near}`?")),
        None => error.hint(format!("functions of `{module}`: {}", listed(names))),
    }
}

fn no_export(module: &str, name: &str, names: &[&str]) -> Error {
    let error = Error::input(format!("`{module}` exports no variable `{name}`"));
    match nearest(name, names.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{module}::{near}`?")),
        None if names.is_empty() => error.hint("a module shows the variables that it defines with `export`"),
        None => error.hint(format!("it exports {}", listed(names.iter().copied()))),
    }
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    names.sort();
    names.join(", ")
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_alphabetic() || first == '_')
}
