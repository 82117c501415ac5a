//! Reads the engine's metadata, the classes' schemas and the table of constants into entries.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::entry::{Entry, Kind};
use super::text::strip_comment;
use super::types::{is_unmade, schema_type, script_type};

use crate::config::Value;
use crate::script::api::{constants, documented};
use crate::script::class::Constructor;

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
            let (outer, own) = name
                .rsplit_once("::")
                .map_or((None, name), |(outer, own)| (Some(outer), own));
            self.add(Entry {
                name: own.to_string(),
                kind: Kind::Module,
                owner: outer.map(str::to_string),
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
            let path = match name {
                Some(name) => format!("{name}::{sub}"),
                None => sub.clone(),
            };
            self.add_module(inside, Some(&path), standard);
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

    /// Puts the signatures of each name in order, fewer parameters first: the engine lists them in none.
    pub(super) fn sort_signatures(&mut self) {
        for entry in self.entries.values_mut() {
            let key = |signature: &String| (signature.matches(": ").count(), signature.clone());
            entry.signatures.sort_by_cached_key(key);
        }
    }

    pub(super) fn add_classes(&mut self) {
        for constructor in Constructor::all() {
            let schema = constructor.schema();
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
                    owner: Some(constructor.name.to_string()),
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

    /// Returns all entries, sorted by name.
    pub(super) fn finish(self) -> Vec<Entry> {
        self.entries.into_values().collect()
    }
}

/// The engine takes anything for `print` and `debug`, and knows for some kinds of values how they are shown.
fn shown_by_the_engine(name: &str) -> Option<Entry> {
    let docs = match name {
        "print" => "Writes a value and the end of the line.",
        "debug" => "Writes a value as it is written in scripts, with the file and line of the call.",
        _ => return None,
    };
    Some(Entry {
        name: name.to_string(),
        kind: Kind::Function,
        owner: None,
        signatures: vec![format!("{name}(value: any)")],
        docs: docs.into(),
        standard: true,
    })
}

/// The entry of one function; `None` for operators, indexers and closures.
fn entry_of(function: &FunctionMetadata, module: Option<&str>, standard: bool) -> Option<Entry> {
    let is_unmade = |parameter: &ParameterMetadata| parameter.kind.as_deref().is_some_and(is_unmade);
    if function.is_anonymous || function.name.starts_with("index$") {
        return None;
    }
    if let Some(shown) = shown_by_the_engine(&function.name) {
        return Some(shown);
    }
    if function.params.iter().any(is_unmade) {
        return None;
    }
    let returned = script_type(&function.return_type);
    let arrow = if returned == "()" {
        String::new()
    } else {
        format!(" -> {returned}")
    };
    let (kind, owner, name, signatures) =
        property_of(function, &arrow).or_else(|| call_of(function, module, &returned, &arrow))?;
    Some(Entry {
        name,
        kind,
        owner,
        signatures,
        docs: strip_comment(&function.doc_comments),
        standard,
    })
}

/// What a name stands for, whose it is, the name, and the ways to use it.
type Usage = (Kind, Option<String>, String, Vec<String>);

/// A function that reads or writes a property.
fn property_of(function: &FunctionMetadata, arrow: &str) -> Option<Usage> {
    let owner = || first_type(function).map(script_type);
    if let Some(name) = function.name.strip_prefix("set$") {
        return Some((Kind::Property, owner(), name.to_string(), Vec::new()));
    }
    let name = function.name.strip_prefix("get$")?;
    let signature = format!("{name}{arrow}");
    Some((Kind::Property, owner(), name.to_string(), vec![signature]))
}

/// A function that is called by its name; `None` for operators.
fn call_of(function: &FunctionMetadata, module: Option<&str>, returned: &str, arrow: &str) -> Option<Usage> {
    let name = &function.name;
    if !name.starts_with(|first: char| first.is_alphabetic() || first == '_') {
        return None;
    }
    // The language's own functions on numbers and strings take their first parameter by value.
    let method = first_type(function)
        .filter(|kind| kind.starts_with("&mut"))
        .map(script_type);
    let parameters: Vec<String> = if function.params.is_empty() {
        (0..function.num_params).map(|_| "_".to_string()).collect()
    } else {
        let object = usize::from(method.is_some());
        function.params[object..].iter().map(parameter_text).collect()
    };
    let makes_a_class = Constructor::find(name).is_some();
    let kind = match &method {
        Some(_) => Kind::Method,
        None if makes_a_class || returned == *name => Kind::Constructor,
        None => Kind::Function,
    };
    let before = match (&method, module) {
        (None, Some(module)) => format!("{module}::"),
        _ => String::new(),
    };
    let signature = format!("{before}{name}({}){arrow}", parameters.join(", "));
    let owner = method.or_else(|| module.map(str::to_string));
    Some((kind, owner, name.clone(), vec![signature]))
}

fn first_type(function: &FunctionMetadata) -> Option<&str> {
    function.params.first()?.kind.as_deref()
}

fn parameter_text(parameter: &ParameterMetadata) -> String {
    let name = parameter.name.as_deref().unwrap_or("_");
    match parameter.kind.as_deref() {
        Some(kind) => format!("{name}: {}", script_type(kind)),
        None => name.to_string(),
    }
}
