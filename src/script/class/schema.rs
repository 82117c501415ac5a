//! What a class's JSON schema knows about plain data: its script types, and how it is written in a script.

use std::rc::Rc;

use rhai::{Array, Dynamic};
use schemars::generate::SchemaSettings;

use super::kind::Class;
use crate::config::{Config, Value};
use crate::script::plain;
use crate::tensor::DType;

/// A part of a class's JSON schema, which knows the script's type of each piece of plain data.
pub(super) struct Schema {
    /// This part.
    part: Value,
    /// The class that this part is, if it is one.
    class: Option<&'static Class>,
    /// Every class, for configurations inside of others.
    classes: &'static [Class],
    /// The definitions of the whole.
    definitions: Rc<Value>,
}

impl Schema {
    /// Returns the schema of a whole class.
    pub(super) fn of<C: Config>(classes: &'static [Class]) -> Schema {
        let mut whole = schema_of::<C>();
        let definitions = Rc::new(whole["$defs"].take());
        Schema {
            part: whole,
            class: classes.iter().find(|class| class.name == C::NAME),
            classes,
            definitions,
        }
    }

    fn sub(&self, part: &Value) -> Schema {
        // `anyOf: [X, null]` is an optional X.
        let mut part = part;
        if let Some(options) = part["anyOf"].as_array() {
            let mut real = options.iter().filter(|option| option["type"] != "null");
            if let (Some(only), None) = (real.next(), real.next()) {
                part = only;
            }
        }
        let name = part["$ref"]
            .as_str()
            .and_then(|path| path.strip_prefix("#/$defs/"));
        Schema {
            part: name.map_or_else(|| part.clone(), |name| self.definitions[name].clone()),
            class: name.and_then(|name| self.classes.iter().find(|class| class.name == name)),
            classes: self.classes,
            definitions: self.definitions.clone(),
        }
    }

    /// Returns the part that describes the field `name`.
    pub(super) fn property(&self, name: &str) -> Schema {
        match self.part["properties"].get(name) {
            Some(part) => self.sub(part),
            None => self.sub(&self.part["additionalProperties"]),
        }
    }

    fn items(&self) -> Schema {
        self.sub(&self.part["items"])
    }

    /// The class of `value`; where the schema allows several, the first that accepts it.
    fn class_of(&self, value: &Value) -> Option<&'static Class> {
        self.class.or_else(|| {
            let options = self.part["oneOf"]
                .as_array()
                .or_else(|| self.part["anyOf"].as_array())?;
            let mut classes = options.iter().filter_map(|option| self.sub(option).class);
            classes.find(|class| (class.wrap)(value.clone()).is_ok())
        })
    }

    fn is_dtype(&self) -> bool {
        self.part["title"] == "dtype"
    }

    /// Returns the script value of plain data: nested configurations as objects of their class.
    pub(super) fn to_dynamic(&self, value: &Value) -> Dynamic {
        match value {
            Value::String(text) if self.is_dtype() => match text.parse::<DType>() {
                Ok(dtype) => Dynamic::from(dtype),
                Err(_) => text.clone().into(),
            },
            Value::Object(_) => match self.class_of(value).map(|class| (class.wrap)(value.clone())) {
                Some(Ok(object)) => object,
                _ => plain::from_value(value),
            },
            Value::Array(items) => {
                let each = self.items();
                items
                    .iter()
                    .map(|item| each.to_dynamic(item))
                    .collect::<Array>()
                    .into()
            }
            _ => plain::from_value(value),
        }
    }

    /// Returns the script text for `value`, broken into lines where it is long.
    pub(super) fn written(&self, value: &Value, depth: usize) -> String {
        match value {
            Value::Null => "()".into(),
            Value::String(text) if self.is_dtype() => text
                .parse::<DType>()
                .map_or_else(|_| format!("{text:?}"), |dtype| format!("torch::{dtype}")),
            Value::Array(items) => {
                let each = self.items();
                let parts = items.iter().map(|item| each.written(item, depth + 1)).collect();
                enclose("[", parts, "]", depth)
            }
            Value::Object(map) => {
                let class = self.class_of(value);
                let of_class = class.map(|class| Schema {
                    part: (class.schema)(),
                    class: Some(class),
                    classes: self.classes,
                    definitions: self.definitions.clone(),
                });
                let schema = of_class.as_ref().unwrap_or(self);
                let parts = map
                    .iter()
                    .map(|(key, item)| {
                        format!(
                            "{}: {}",
                            quote_key(key),
                            schema.property(key).written(item, depth + 1)
                        )
                    })
                    .collect();
                match class {
                    Some(class) => enclose(&format!("{}(#{{", class.name), parts, "})", depth),
                    None => enclose("#{", parts, "}", depth),
                }
            }
            Value::Number(_) | Value::Bool(_) | Value::String(_) => value.to_string(),
        }
    }
}

/// Map keys are quoted only where they are no identifiers.
fn quote_key(key: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if key.chars().all(plain) && !key.starts_with(|first: char| first.is_ascii_digit()) {
        key.to_string()
    } else {
        format!("{key:?}")
    }
}

/// One line if it is short, else one line a part.
fn enclose(open: &str, parts: Vec<String>, close: &str, depth: usize) -> String {
    const WIDTH: usize = 90;
    let length: usize = parts.iter().map(|part| part.len() + 2).sum();
    let short = length + open.len() + close.len() + 4 * depth < WIDTH;
    if parts.is_empty() || (short && !parts.iter().any(|part| part.contains('\n'))) {
        let inside = parts.join(", ");
        return if open.ends_with('{') && !inside.is_empty() {
            format!("{open} {inside} {close}")
        } else {
            format!("{open}{inside}{close}")
        };
    }
    let indent = "    ".repeat(depth + 1);
    let lines: String = parts.iter().map(|part| format!("{indent}{part},\n")).collect();
    format!("{open}\n{lines}{}{close}", "    ".repeat(depth))
}

/// Returns the JSON schema of a class.
pub(super) fn schema_of<C: Config>() -> Value {
    let generator = SchemaSettings::default().into_generator();
    serde_json::to_value(generator.into_root_schema_for::<C>()).unwrap_or_default()
}
