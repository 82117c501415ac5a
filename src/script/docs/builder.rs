//! Reads the engine's metadata, the classes' schemas and the table of constants into entries.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Catalog, Entry, Kind};
use crate::config::Value;
use crate::script::api::{constants, documented};
use crate::script::class::CLASSES;

/// The engine's metadata, as it writes it.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    modules: BTreeMap<String, Metadata>,
    custom_types: Vec<TypeMetadata>,
    functions: Vec<FunctionMetadata>,
    doc: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct TypeMetadata {
    display_name: String,
    doc_comments: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct FunctionMetadata {
    name: String,
    is_anonymous: bool,
    params: Vec<ParameterMetadata>,
    num_params: usize,
    return_type: String,
    doc_comments: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ParameterMetadata {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

type Key = (String, Option<String>, Kind);

/// Gathers entries; what has one name, owner and kind becomes one entry.
#[derive(Default)]
pub(super) struct Builder {
    entries: BTreeMap<Key, Entry>,
}

impl Builder {
    fn add(&mut self, entry: Entry) {
        let key = (entry.name.clone(), entry.owner.clone(), entry.kind);
        match self.entries.get_mut(&key) {
            None => {
                self.entries.insert(key, entry);
            }
            Some(known) => {
                for signature in entry.signatures {
                    if !known.signatures.contains(&signature) {
                        known.signatures.push(signature);
                    }
                }
                if !entry.docs.is_empty() && !known.docs.contains(&entry.docs) {
                    let gap = if known.docs.is_empty() { "" } else { "\n\n" };
                    known.docs = format!("{}{gap}{}", known.docs, entry.docs);
                }
            }
        }
    }

    pub(super) fn add_module(&mut self, module: &Metadata, name: Option<&str>, standard: bool) {
        if let Some(name) = name {
            self.add(Entry {
                name: name.to_string(),
                kind: Kind::Module,
                owner: None,
                signatures: vec![format!("{name}::…")],
                docs: strip_comment(std::slice::from_ref(&module.doc)),
                standard,
            });
        }
        for kind in &module.custom_types {
            self.add(Entry {
                name: kind.display_name.clone(),
                kind: Kind::Type,
                owner: None,
                signatures: Vec::new(),
                docs: strip_comment(&kind.doc_comments),
                standard,
            });
        }
        for function in &module.functions {
            if let Some(entry) = entry_of(function, name, standard) {
                self.add(entry);
            }
        }
        for (sub, inside) in &module.modules {
            self.add_module(inside, Some(sub), standard);
        }
    }

    /// Adds what only the full listing has: the language's own functions.
    pub(super) fn standard_after(&mut self, all: &Metadata) {
        let mut standard = Builder::default();
        standard.add_module(all, None, true);
        for (key, entry) in standard.entries {
            self.entries.entry(key).or_insert(entry);
        }
    }

    pub(super) fn add_classes(&mut self) {
        for class in CLASSES {
            let schema = class.schema();
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                let default = match field.get("default") {
                    _ if required.iter().any(|key| key == name) => " (required)".to_string(),
                    Some(Value::Null) => " = ()".to_string(),
                    Some(default) => format!(" = {default}"),
                    None => String::new(),
                };
                self.add(Entry {
                    name: name.clone(),
                    kind: Kind::Field,
                    owner: Some(class.name.to_string()),
                    signatures: vec![format!(
                        "{name}: {}{default}",
                        schema_type(field, &schema["$defs"])
                    )],
                    docs: field["description"].as_str().unwrap_or_default().to_string(),
                    standard: false,
                });
            }
        }
    }

    /// Replaces what the engine knows of the functions under PyTorch's names, which take their arguments in a way of
    /// their own, by their signatures.
    pub(super) fn add_functions(&mut self) {
        for function in documented() {
            let kind = match function.owner {
                "Tensor" => Kind::Method,
                _ => Kind::Function,
            };
            let owner = Some(function.owner.to_string());
            let known = [Kind::Method, Kind::Function, Kind::Constructor];
            for kind in known {
                self.entries
                    .remove(&(function.name.to_string(), owner.clone(), kind));
            }
            self.add(Entry {
                name: function.name.to_string(),
                kind,
                owner,
                signatures: function.signatures,
                docs: function.docs.to_string(),
                standard: false,
            });
        }
    }

    pub(super) fn add_constants(&mut self) {
        for constant in constants() {
            self.add(Entry {
                name: constant.name.to_string(),
                kind: Kind::Constant,
                owner: constant.module.map(str::to_string),
                signatures: Vec::new(),
                docs: constant.docs.to_string(),
                standard: false,
            });
        }
    }

    pub(super) fn finish(self) -> Catalog {
        Catalog {
            entries: self.entries.into_values().collect(),
        }
    }
}

/// The entry of one function; `None` for operators, indexers and closures.
fn entry_of(function: &FunctionMetadata, module: Option<&str>, standard: bool) -> Option<Entry> {
    let docs = strip_comment(&function.doc_comments);
    if function.is_anonymous || function.name.starts_with("index$") {
        return None;
    }
    let returned = script_type(&function.return_type);
    let arrow = if returned == "()" {
        String::new()
    } else {
        format!(" -> {returned}")
    };
    let property = function
        .name
        .strip_prefix("get$")
        .or_else(|| function.name.strip_prefix("set$"));
    let first_type = function.params.first().and_then(|first| first.kind.as_deref());
    if let Some(name) = property {
        let setter = function.name.starts_with("set$");
        return Some(Entry {
            name: name.to_string(),
            kind: Kind::Property,
            owner: first_type.map(script_type),
            signatures: if setter {
                Vec::new()
            } else {
                vec![format!("{name}{arrow}")]
            },
            docs,
            standard,
        });
    }
    if !function
        .name
        .starts_with(|first: char| first.is_alphabetic() || first == '_')
    {
        return None;
    }
    // The language's own functions on numbers and strings take their first parameter by value.
    let method = first_type
        .filter(|kind| kind.starts_with("&mut"))
        .map(script_type);
    let shown = match method {
        Some(_) => &function.params[1..],
        None => &function.params[..],
    };
    let parameters: Vec<String> = match function.params.is_empty() {
        true => (0..function.num_params).map(|_| "_".to_string()).collect(),
        false => shown.iter().map(parameter_text).collect(),
    };
    let kind = match (&method, CLASSES.iter().any(|class| class.name == function.name)) {
        (Some(_), _) => Kind::Method,
        (None, true) => Kind::Constructor,
        (None, false) if returned == function.name => Kind::Constructor,
        (None, false) => Kind::Function,
    };
    let before = match (&method, module) {
        (None, Some(module)) => format!("{module}::"),
        _ => String::new(),
    };
    Some(Entry {
        name: function.name.clone(),
        kind,
        signatures: vec![format!(
            "{before}{}({}){arrow}",
            function.name,
            parameters.join(", ")
        )],
        owner: method.or_else(|| module.map(str::to_string)),
        docs,
        standard,
    })
}

fn parameter_text(parameter: &ParameterMetadata) -> String {
    let name = parameter.name.as_deref().unwrap_or("_");
    match parameter.kind.as_deref() {
        Some(kind) => format!("{name}: {}", script_type(kind)),
        None => name.to_string(),
    }
}

/// A Rust type in a signature as scripts name it.
fn script_type(rust: &str) -> String {
    let text: String = rust.trim().trim_start_matches("&mut ").trim().replace(' ', "");
    for (open, close) in [
        ("RhaiResultOf<", ">"),
        ("Result<", ",Box<EvalAltResult>>"),
        ("ConfigHandle<", ">"),
    ] {
        if let Some(inner) = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)) {
            return script_type(inner);
        }
    }
    let bare = text.rsplit("::").next().unwrap_or(&text);
    match bare {
        "" | "()" => "()",
        "INT" | "i64" => "int",
        "FLOAT" | "f64" => "float",
        "ImmutableString" | "String" | "&str" | "str" => "string",
        "Array" => "array",
        "Map" => "map",
        "Dynamic" => "any",
        "FnPtr" => "Fn",
        "DType" => "dtype",
        "Range<i64>" | "RangeInclusive<i64>" | "ExclusiveRange" | "InclusiveRange" => "range",
        other => other.strip_suffix("Handle").unwrap_or(other),
    }
    .to_string()
}

/// The type of a configuration field in words.
fn schema_type(field: &Value, definitions: &Value) -> String {
    if let Some(title) = field["title"].as_str() {
        return title.to_string();
    }
    if let Some(values) = field["enum"].as_array() {
        return values
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join(" | ");
    }
    if let Some(value) = field.get("const") {
        return value.to_string();
    }
    if let Some(name) = field["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or(name);
        // A class has a name that scripts know; anything else is written out.
        return match &definitions[name] {
            Value::Null => name.to_string(),
            class if class["type"] == "object" => name.to_string(),
            written => schema_type(written, definitions),
        };
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(options) = field[several].as_array() {
            return options
                .iter()
                .map(|option| schema_type(option, definitions))
                .collect::<Vec<_>>()
                .join(" | ");
        }
    }
    let one = |name: &str| match name {
        "integer" => "int".to_string(),
        "number" => "float".to_string(),
        "boolean" => "bool".to_string(),
        "null" => "()".to_string(),
        "object" => "map".to_string(),
        "array" => format!("[{}]", schema_type(&field["items"], definitions)),
        other => other.to_string(),
    };
    match &field["type"] {
        Value::String(name) => one(name),
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .map(one)
            .collect::<Vec<_>>()
            .join(" | "),
        _ => "any".to_string(),
    }
}

/// The text of doc comments without their markers.
fn strip_comment(comments: &[String]) -> String {
    let lines = comments.iter().flat_map(|comment| comment.lines());
    let bare = lines.map(|line| {
        let line = line.trim_end();
        let line = line.trim_start_matches('/').trim_start_matches('!');
        line.strip_prefix(' ').unwrap_or(line)
    });
    bare.collect::<Vec<_>>().join("\n").trim().to_string()
}
