//! Maps of settings and of named arguments that are written where they are given: their keys and values are judged as
//! when the script runs. Values that are not written out are holes.

use rhai::{Dynamic, Expr, FnCallExpr, Position};

use super::types::Type;
use super::walk::Walker;
use crate::config::{KeyPath, Map, Value};
use crate::error::Error;
use crate::script::api::{Pending, check_call};
use crate::script::arguments::Named;
use crate::script::bridge;
use crate::script::class::{Class, Constructor};

/// Plain data as far as it is written in the script.
#[derive(Default)]
struct Written {
    /// Where the values stand that are not known.
    holes: Vec<KeyPath>,
    /// What cannot be plain data.
    errors: Vec<Error>,
}

impl Walker<'_> {
    /// Judges the maps of a call of `name(…)` or `module::name(…)`.
    pub(super) fn check_keys(&self, module: Option<&str>, call: &FnCallExpr, position: Position) {
        let constructor = Constructor::find(&call.name).filter(|_| module.is_none());
        match (constructor, call.args.as_slice()) {
            (Some(constructor), [map]) if is_map(map) && self.tried == 0 => {
                for error in self.faults(constructor, map) {
                    self.report_error(error, position);
                }
            }
            _ => self.check_named(module.unwrap_or_default(), call, position),
        }
    }

    /// Judges the maps of a call of `receiver.name(…)`.
    pub(super) fn check_method_keys(&self, receiver: &Type, call: &FnCallExpr, position: Position) {
        let Some(owner) = receiver.name() else { return };
        match (Class::find(owner), call.args.as_slice()) {
            (Some(_), [map]) if call.name == "copy" && is_map(map) => {
                let fields = self.checker.fields(owner);
                let given = keys(map).into_iter();
                for name in given.filter(|name| self.tried == 0 && !fields.contains(&name.as_str())) {
                    let error = Error::unknown_key("field", &name, &fields).context(format!("of {owner}"));
                    self.report_error(error.under(name), position);
                }
            }
            _ => self.check_named(owner, call, position),
        }
    }

    /// Named arguments, which stand in a map at the end.
    fn check_named(&self, owner: &str, call: &FnCallExpr, position: Position) {
        let map = call.args.last().filter(|last| is_map(last) && self.tried == 0);
        let named = Named::find(owner, &call.name).filter(|named| named.are_in(call.args.len()));
        let (Some(map), Some(named)) = (map, named) else {
            return;
        };
        let mut written = Written::default();
        if let Value::Object(arguments) = self.written(map, &mut Vec::new(), &mut written) {
            for error in named.faults(arguments, &written.holes) {
                self.report_error(error, position);
            }
        }
    }

    /// Returns what is wrong with the map as settings that the constructor takes.
    fn faults(&self, constructor: Constructor, map: &Expr) -> Vec<Error> {
        let mut written = Written::default();
        let mut value = self.written(map, &mut Vec::new(), &mut written);
        let mut errors = written.errors;
        match constructor.fix_kind(&mut value) {
            Ok(()) => errors.extend(constructor.class.faults(value, &written.holes)),
            Err(error) => errors.push(error),
        }
        errors
    }

    /// Returns the settings that the constructor makes as plain data, if all of them are known and right.
    fn settings(&self, constructor: Constructor, map: &Expr) -> Option<Value> {
        let mut written = Written::default();
        let mut value = self.written(map, &mut Vec::new(), &mut written);
        let is_known = written.holes.is_empty() && written.errors.is_empty();
        let is_right = is_known && constructor.fix_kind(&mut value).is_ok();
        is_right.then(|| constructor.class.complete(value)).flatten()
    }

    /// Judges whether the arguments of a function under PyTorch's name fit one of its signatures.
    pub(super) fn check_binding(&self, owner: &str, is_owner: bool, call: &FnCallExpr, position: Position) {
        // A map may hold named arguments, which have to be known.
        let is_clear = |last: &Expr| is_map(last) || last.get_literal_value(None).is_some();
        if !is_owner || self.tried > 0 || !call.args.last().is_none_or(is_clear) {
            return;
        }
        let arguments: Vec<Dynamic> = call.args.iter().map(|argument| self.argument(argument)).collect();
        if let Err(error) = check_call(owner, &call.name, &arguments) {
            self.report_error(error, position);
        }
    }

    /// The value of an argument, or what stands for it while it is not known.
    fn argument(&self, argument: &Expr) -> Dynamic {
        match argument {
            Expr::Map(parts, _) => {
                let entries = parts.0.iter();
                entries
                    .map(|(name, value)| (name.name.clone().into(), self.argument(value)))
                    .collect::<rhai::Map>()
                    .into()
            }
            other => other
                .get_literal_value(None)
                .unwrap_or_else(|| Dynamic::from(Pending)),
        }
    }

    /// The value of an expression that stands under `path`.
    fn written(&self, expression: &Expr, path: &mut KeyPath, written: &mut Written) -> Value {
        match expression {
            Expr::Map(parts, _) => {
                let mut map = Map::new();
                for (name, value) in &parts.0 {
                    path.push(name.name.to_string());
                    map.insert(name.name.to_string(), self.written(value, path, written));
                    path.pop();
                }
                Value::Object(map)
            }
            Expr::Array(items, _) => {
                let mut list = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    path.push(format!("[{index}]"));
                    list.push(self.written(item, path, written));
                    path.pop();
                }
                Value::Array(list)
            }
            Expr::FnCall(call, _) if !call.is_qualified() => {
                match (Constructor::find(&call.name), &*call.args) {
                    // What is wrong inside is told where it stands.
                    (Some(constructor), [map]) if is_map(map) => match self.settings(constructor, map) {
                        Some(settings) => settings,
                        None => written.hole(path),
                    },
                    _ => written.hole(path),
                }
            }
            Expr::Variable(variable, ..) if !variable.2.is_empty() => {
                match self.checker.constant(variable.2.root(), &variable.1) {
                    Some(value) => written.constant(&value, path),
                    None => written.hole(path),
                }
            }
            literal => match literal.get_literal_value(None) {
                Some(value) => written.constant(&value, path),
                None => written.hole(path),
            },
        }
    }
}

impl Written {
    fn hole(&mut self, path: &KeyPath) -> Value {
        self.holes.push(path.clone());
        Value::Null
    }

    fn constant(&mut self, value: &Dynamic, path: &KeyPath) -> Value {
        bridge::to_value(value).unwrap_or_else(|error| {
            let under = |error: Error, segment: &String| error.under(segment);
            self.errors.push(path.iter().rev().fold(error, under));
            self.hole(path)
        })
    }
}

/// Is it a map that is written out?
fn is_map(expression: &Expr) -> bool {
    match expression {
        Expr::Map(..) => true,
        Expr::DynamicConstant(value, _) => value.is_map(),
        _ => false,
    }
}

fn keys(map: &Expr) -> Vec<String> {
    match map {
        Expr::Map(parts, _) => parts.0.iter().map(|(name, _)| name.name.to_string()).collect(),
        Expr::DynamicConstant(value, _) => match value.as_map_ref() {
            Ok(map) => map.keys().map(ToString::to_string).collect(),
            Err(_) => Vec::new(),
        },
        _ => Vec::new(),
    }
}
